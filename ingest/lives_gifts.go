package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// giftsDue is what the worker that reads the lists of gifts must know of the
// times before.
type giftsDue struct {
	source   string // the list that had prices the last time
	gifts    int    // how many it named; 0: believe the next one whatever it says
	failures int    // in a row, since then
}

// giftsRead is how that ended.
type giftsRead struct {
	source string
	gifts  int
	reason string        // why there are no prices; empty: there are
	asked  bool          // with a reason: Kuaishou was asked
	wait   time.Duration // until the next time
}

// A worker is at it for as long as it is registered, so that one that dies holds
// up nobody for longer than a lease. Its own claim it takes again: it has then
// not been able to say how the last one ended.
const claimGiftsSQL = `
WITH due AS (
	SELECT g.one FROM gift_refresh g
	WHERE g.next_at <= now() AND EXISTS (SELECT FROM workers WHERE name = $1 AND instance = $2)
		AND NOT EXISTS (SELECT FROM workers w WHERE w.instance = g.instance AND w.instance <> $2 AND w.lease_until > now())
	FOR UPDATE OF g SKIP LOCKED
)
UPDATE gift_refresh g SET worker = $1, instance = $2 FROM due WHERE g.one = due.one
RETURNING g.source, g.gifts, g.failures`

// claimGifts claims the reading of the lists of gifts if it is due and no other
// worker is at it; else it answers nil.
func (l *Lives) claimGifts(ctx context.Context) (due *giftsDue, err error) {
	err = l.call(ctx, "looking whether the lists of gifts are to be read", func(ctx context.Context) error {
		var claimed giftsDue
		err := l.pool.QueryRow(ctx, claimGiftsSQL, l.worker, l.instance).Scan(&claimed.source, &claimed.gifts, &claimed.failures)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		due = &claimed
		return err
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

const tellGiftsSQL = `
UPDATE gift_refresh SET worker = '', instance = '', next_at = now() + $2::interval, reason = $3,
	failures = CASE WHEN $3 = '' THEN 0 WHEN $4 THEN failures + 1 ELSE failures END,
	refreshed_at = CASE WHEN $3 = '' THEN now() ELSE refreshed_at END,
	source = CASE WHEN $3 = '' THEN $5 ELSE source END,
	gifts = CASE WHEN $3 = '' THEN $6 ELSE gifts END
WHERE instance = $1`

// tellGifts ends the claim.
func (l *Lives) tellGifts(ctx context.Context, read giftsRead) error {
	return l.call(ctx, "writing how it stands with the lists of gifts", func(ctx context.Context) error {
		_, err := l.pool.Exec(ctx, tellGiftsSQL, l.instance, read.wait, storable(read.reason), read.asked, read.source, read.gifts)
		return err
	})
}

// maxLookedFor bounds gift_refresh.looked_for.
const maxLookedFor = 10_000

const hastenGiftsSQL = `
WITH late AS (
	SELECT one FROM gift_refresh
	WHERE next_at > now() AND failures = 0 AND refreshed_at < now() - $2::interval
		AND NOT $1::bigint[] <@ looked_for AND cardinality(looked_for) < $3
	FOR UPDATE SKIP LOCKED
)
UPDATE gift_refresh g SET next_at = now(), looked_for = ARRAY(SELECT DISTINCT unnest(g.looked_for || $1::bigint[]))
FROM late WHERE g.one = late.one`

// hastenGifts makes the lists due when one of the gifts has never been looked for
// in that way, and they were not read for a while. It says whether it did.
func (l *Lives) hastenGifts(ctx context.Context, ids []int64, notBefore time.Duration) (hastened bool, err error) {
	err = l.call(ctx, "having the lists of gifts read early", func(ctx context.Context) error {
		tag, err := l.pool.Exec(ctx, hastenGiftsSQL, ids, notBefore, maxLookedFor)
		hastened = tag.RowsAffected() > 0
		return err
	})
	return hastened, err
}

const onAirSQL = `
SELECT l.live_id, s.live_stream_id FROM live_state s JOIN lives l ON l.id = s.live LEFT JOIN workers w ON w.name = s.owner
WHERE s.state = 'live' AND ` + slotHeld + ` AND s.live_stream_id <> ''
ORDER BY s.since DESC LIMIT 1`

// onAir is the broadcast that was entered last of those that are heard; empty
// when none is.
func (l *Lives) onAir(ctx context.Context) (live onAir, err error) {
	err = l.call(ctx, "looking for a broadcast", func(ctx context.Context) error {
		err := l.pool.QueryRow(ctx, onAirSQL).Scan(&live.liveID, &live.broadcast)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return live, err
}
