package ingest

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// The worker's own clock only tells how far away a time is. Nothing waits for
// the registrations: their locks are not asked for.
const tellAccountsSQL = `
WITH mine AS (
	SELECT name FROM workers WHERE name = $1 AND instance = $2
), told AS (
	SELECT * FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::float8[], $8::float8[], $9::bool[], $10::bigint[],
		$11::bigint[], $12::int[], $13::float8[], $14::float8[], $15::int[], $16::int[])
	AS t (account, exit, state, reason, since, until, logged_in, calls, refusals, rooms, rate, exit_rate, exit_calls_minute, exit_waiting)
), over AS (
	SELECT worker, account FROM accounts a
	WHERE a.worker = $1 AND a.account <> ALL ($3) OR NOT EXISTS (SELECT FROM workers w WHERE w.name = a.worker)
	ORDER BY worker, account FOR UPDATE SKIP LOCKED
), dropped AS (
	DELETE FROM accounts a USING over o, mine WHERE a.worker = o.worker AND a.account = o.account
)
INSERT INTO accounts AS a (worker, account, exit, state, reason, since, until, logged_in, calls, refusals, rooms, rate, exit_rate, exit_calls_minute, exit_waiting)
SELECT mine.name, account, exit, state, reason, now() - since * interval '1 second', now() + until * interval '1 second',
	logged_in, calls, refusals, rooms, rate, exit_rate, exit_calls_minute, exit_waiting
FROM mine, told ORDER BY account
ON CONFLICT (worker, account) DO UPDATE SET
	exit = excluded.exit, state = excluded.state, reason = excluded.reason, since = excluded.since, until = excluded.until,
	logged_in = excluded.logged_in, calls = excluded.calls, refusals = excluded.refusals, rooms = excluded.rooms, rate = excluded.rate,
	exit_rate = excluded.exit_rate, exit_calls_minute = excluded.exit_calls_minute, exit_waiting = excluded.exit_waiting, updated_at = now()`

// TellAccounts writes how it stands with this worker's accounts in place of what
// it wrote before.
func (l *Lives) TellAccounts(ctx context.Context, list []AccountStatus) error {
	var (
		accounts, exits, states, reasons []string
		since, rates, exitRates          []float64
		until                            []*float64
		loggedIn                         []bool
		calls, refusals                  []int64
		rooms, minutes, waiting          []int32
	)
	for _, a := range list {
		accounts, exits, states = append(accounts, a.Account), append(exits, a.Exit), append(states, a.State)
		reasons, since = append(reasons, storable(a.Reason)), append(since, time.Since(a.Since).Seconds())
		var left *float64
		if a.Until != nil {
			seconds := time.Until(*a.Until).Seconds()
			left = &seconds
		}
		until, loggedIn = append(until, left), append(loggedIn, a.LoggedIn)
		calls, refusals, rooms = append(calls, a.Calls), append(refusals, a.Refusals), append(rooms, int32(a.Rooms))
		rates, exitRates = append(rates, a.Rate), append(exitRates, a.ExitRate)
		minutes, waiting = append(minutes, int32(a.ExitCallsMinute)), append(waiting, int32(a.ExitWaiting))
	}
	return l.call(ctx, "writing the accounts", func(ctx context.Context) error {
		_, err := l.pool.Exec(ctx, tellAccountsSQL, l.worker, l.instance, accounts, exits, states, reasons, since, until, loggedIn,
			calls, refusals, rooms, rates, exitRates, minutes, waiting)
		return err
	})
}

// ForgetAccounts takes out what this worker has written of its accounts, unless
// another process has its name.
func (l *Lives) ForgetAccounts(ctx context.Context) error {
	return l.call(ctx, "taking out the accounts", func(ctx context.Context) error {
		_, err := l.pool.Exec(ctx, "DELETE FROM accounts WHERE worker = $1 AND NOT EXISTS (SELECT FROM workers WHERE name = $1 AND instance <> $2)", l.worker, l.instance)
		return err
	})
}

const listAccountsSQL = `
SELECT a.worker, a.account, a.exit, a.state, a.reason, a.since, a.until, a.logged_in, a.calls, a.refusals, a.rooms, a.rate,
	a.exit_rate, a.exit_calls_minute, a.exit_waiting, w.name IS NULL AS stale, a.updated_at
FROM accounts a LEFT JOIN workers w ON w.name = a.worker AND w.lease_until > now()
ORDER BY stale, a.worker, a.account`

// toLookUpSQL counts the lives that are looked up again and again: those that
// are wanted and that nobody hears.
const toLookUpSQL = `
SELECT count(*) FROM lives l
WHERE l.enabled AND (l.start_at IS NULL OR l.start_at <= now()) AND (l.stop_at IS NULL OR l.stop_at > now())
	AND NOT EXISTS (
		SELECT FROM live_state s LEFT JOIN workers w ON w.name = s.owner WHERE s.live = l.id AND ` + slotHeld + ` AND s.state IN ('live', 'recall')
	)
	AND EXISTS (SELECT FROM live_state s WHERE s.live = l.id AND s.next_at < 'infinity')`

// Accounts are those of all workers, with how many rooms there are to look up:
// those that are wanted and not heard.
func (l *Lives) Accounts(ctx context.Context) (list []AccountStatus, rooms int, err error) {
	err = l.call(ctx, "listing the accounts", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, listAccountsSQL)
		if err != nil {
			return err
		}
		if list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[AccountStatus]); err != nil {
			return err
		}
		return l.pool.QueryRow(ctx, toLookUpSQL).Scan(&rooms)
	})
	return list, rooms, err
}

const reconsiderSQL = `
WITH refused AS (
	SELECT s.live, s.slot, live_next_at(now(), l.enabled, l.start_at, l.stop_at) AS due
	FROM live_state s JOIN lives l ON l.id = s.live
	WHERE s.owner IS NULL AND s.state IN ('captcha', 'login_required', 'rate_limited') AND s.next_at > now() AND s.next_at < 'infinity'
	ORDER BY s.live, s.slot
	FOR UPDATE OF s SKIP LOCKED
)
UPDATE live_state s SET next_at = r.due FROM refused r WHERE s.live = r.live AND s.slot = r.slot`

// Reconsider makes the rooms due that were refused for reasons of the accounts,
// since these are others now. How fast they are looked up is for the budgets.
func (l *Lives) Reconsider(ctx context.Context) (rooms int, err error) {
	err = l.call(ctx, "making refused rooms due", func(ctx context.Context) error {
		tag, err := l.pool.Exec(ctx, reconsiderSQL)
		if err != nil {
			return err
		}
		if rooms = int(tag.RowsAffected()); rooms == 0 {
			return nil
		}
		return l.notify(ctx)
	})
	return rooms, err
}
