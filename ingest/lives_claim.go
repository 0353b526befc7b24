package ingest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
)

// dueSlot is the condition that a slot s of a live l is to be taken by somebody.
const dueSlot = `(s.owner IS NULL AND s.next_at <= now() OR s.owner IS NOT NULL AND s.lease_until <= now())
		AND s.slot < l.replicas
		AND l.enabled
		AND (l.start_at IS NULL OR l.start_at <= now())
		AND (l.stop_at IS NULL OR l.stop_at > now())`

// claimedHistory is what is known of the broadcasts of a row that is due. One
// began between two looks at its room; when they are far apart, it is not known
// when.
const claimedHistory = `
	SELECT coalesce(array_agg(b.off_air_at + (b.first_seen - b.off_air_at) / 2)
			FILTER (WHERE b.first_seen - b.off_air_at < interval '15 minutes'), '{}') AS starts,
		max(b.ended_at) AS ended,
		coalesce(max(b.first_seen) FILTER (WHERE b.ended_at IS NULL) = max(b.first_seen), false) AS on_air
	FROM broadcasts b WHERE b.live = due.live AND b.first_seen > now() - $7::interval`

// A row that somebody is editing or claiming is left for the next time. The row
// of lives is locked too: a claim that reads it just before an edit is committed
// would keep the old endpoint, and nobody would notice.
//
// Of one live only the lowest slot that is due is taken, and none when this
// worker has another one: two replicas are two workers.
const claimSQL = `
WITH due AS (
	SELECT s.live, s.slot, l.live_id, l.endpoint, s.owner AS silent
	FROM live_state s JOIN lives l ON l.id = s.live
	WHERE ` + dueSlot + `
		AND coalesce(s.lease_until, s.next_at) <= now() - $4::interval
		AND NOT EXISTS (SELECT FROM unnest($5::bigint[]) AS held (live) WHERE held.live = s.live)
		AND NOT EXISTS (
			SELECT FROM live_state o
			WHERE o.live = s.live AND o.slot <> s.slot AND (
				o.owner = $2 OR o.successor = $2 AND o.successor_until > now()
				OR o.slot < s.slot AND (o.owner IS NULL AND o.next_at <= now() OR o.owner IS NOT NULL AND o.lease_until <= now())
			)
		)
		AND EXISTS (SELECT FROM workers WHERE name = $2 AND instance = $6 AND lease_until > now())
	ORDER BY l.priority DESC, s.next_at, s.live, s.slot
	LIMIT $1
	FOR UPDATE OF s SKIP LOCKED
	FOR SHARE OF l SKIP LOCKED
)
UPDATE live_state s
SET owner = $2, lease_until = now() + $3::interval, epoch = s.epoch + 1, changed = false, updated_at = now(),
	offered = false, successor = NULL, successor_until = NULL,
	-- What a worker that has gone silent said last is not so any more.
	state = CASE WHEN due.silent IS NULL THEN s.state ELSE 'queued' END,
	reason = CASE WHEN due.silent IS NULL THEN s.reason ELSE format('taken over from worker %s', due.silent) END,
	since = CASE WHEN due.silent IS NULL THEN s.since ELSE now() END
FROM due CROSS JOIN LATERAL (` + claimedHistory + `) h
WHERE s.live = due.live AND s.slot = due.slot
RETURNING s.live, due.live_id, due.endpoint, s.epoch, h.starts, h.ended, h.on_air`

// Claims say which slots a worker asks for.
type Claims struct {
	// Limit is how many slots it takes at most.
	Limit int
	// DueFor is for how long they must have been due.
	DueFor time.Duration
	// Except are the IDs of lives of which it has a slot already, also those
	// that it is about to give back.
	Except []int64
}

// Claim takes slots that are due and that nobody holds, those with the highest
// priority first. Trust the claims until TrustedUntil of a time before the call.
// A worker that is not registered gets none.
func (l *Lives) Claim(ctx context.Context, c Claims) ([]Live, error) {
	if c.Limit <= 0 {
		return nil, nil
	}
	return l.lives(ctx, "claiming lives", claimSQL, c.Limit, l.worker, l.lease, c.DueFor, notNil(c.Except), l.instance, historyDays*day)
}

// lives runs a statement that answers what scanLive reads.
func (l *Lives) lives(ctx context.Context, doing, sql string, args ...any) (lives []Live, err error) {
	err = l.call(ctx, doing, func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		lives, err = pgx.CollectRows(rows, scanLive)
		return err
	})
	return lives, err
}

// notNil is ids as Postgres takes them: NULL is no array.
func notNil(ids []int64) []int64 {
	if ids == nil {
		return []int64{}
	}
	return ids
}

func scanLive(row pgx.CollectableRow) (Live, error) {
	var (
		live     Live
		endpoint []byte
		ended    *time.Time
	)
	history := &live.Habits
	if err := row.Scan(&live.ID, &live.Text, &endpoint, &live.Epoch, &history.Starts, &ended, &history.OnAir); err != nil {
		return Live{}, err
	}
	if ended != nil {
		history.Ended = *ended
	}
	if endpoint != nil {
		live.Endpoint = new(Endpoint)
		if err := json.Unmarshal(endpoint, live.Endpoint); err != nil {
			// One row that is written wrongly must not keep the others from
			// being claimed: the room says what is wrong with it.
			live.Endpoint = new(Endpoint)
		}
	}
	return live, nil
}
