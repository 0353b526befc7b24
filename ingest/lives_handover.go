package ingest

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// A slot changes hands without a gap in three steps, each one statement: its
// owner offers it, another worker registers as its successor and enters the room
// too, and once that has been let in it takes the slot over, which raises the
// epoch. Until then the owner goes on, whatever becomes of the successor; when
// the owner dies first, the slot falls due as usual.

// successionTime is how long a successor has to get in. Look-ups wait for their
// turn, so it is long; nobody waits for it.
const successionTime = time.Minute

// offerSQL leaves out slots of lives that those with room have a slot of.
const offerSQL = `
WITH mine AS (
	SELECT s.live, s.slot, given.heard
	FROM live_state s JOIN unnest($1::bigint[], $2::bigint[], $3::boolean[]) AS given (live, epoch, heard) USING (live, epoch)
	WHERE s.owner = $4 AND NOT s.changed AND EXISTS (
		SELECT FROM unnest($5::text[]) AS other (name)
		WHERE NOT EXISTS (SELECT FROM live_state o WHERE o.live = s.live AND (o.owner = other.name OR o.successor = other.name))
	)
	ORDER BY given.heard, s.live, s.slot
	LIMIT $6
	FOR UPDATE OF s SKIP LOCKED
)
UPDATE live_state s SET offered = mine.heard FROM mine WHERE s.live = mine.live AND s.slot = mine.slot
RETURNING s.live`

// Gift is a slot that its owner can do without.
type Gift struct {
	ID, Epoch int64
	// Heard says that the room is on air and heard: it is offered, and kept until
	// a successor hears it too. Others can simply be released.
	Heard bool
}

// Offer chooses up to n of gifts that one of the other workers can take, those
// first that are not heard, offers those that are, and returns the IDs.
func (l *Lives) Offer(ctx context.Context, gifts []Gift, others []string, n int) (chosen []int64, err error) {
	var (
		ids, epochs []int64
		heard       []bool
	)
	for _, g := range gifts {
		ids, epochs, heard = append(ids, g.ID), append(epochs, g.Epoch), append(heard, g.Heard)
	}
	err = l.call(ctx, "offering lives to other workers", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, offerSQL, ids, epochs, heard, l.worker, others, n)
		if err != nil {
			return err
		}
		if chosen, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil || len(chosen) == 0 {
			return err
		}
		return l.notify(ctx)
	})
	return chosen, err
}

const withdrawSQL = `
WITH mine AS (
	SELECT live, slot FROM live_state
	WHERE offered AND owner = $1 AND (successor IS NULL OR successor_until <= now())
	ORDER BY live, slot FOR UPDATE SKIP LOCKED
)
UPDATE live_state s SET offered = false, successor = NULL, successor_until = NULL
FROM mine WHERE s.live = mine.live AND s.slot = mine.slot
RETURNING s.live`

// Withdraw takes back the offers that nobody has taken up, and returns their IDs.
func (l *Lives) Withdraw(ctx context.Context) (ids []int64, err error) {
	err = l.call(ctx, "taking back offers", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, withdrawSQL, l.worker)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return ids, err
}

// The row of lives is locked for the same reason as in a claim, and of one live
// only one slot is taken, as there. What is offered is on air.
const succeedSQL = `
WITH open AS (
	SELECT s.live, s.slot, l.live_id, l.endpoint
	FROM live_state s JOIN lives l ON l.id = s.live LEFT JOIN workers w ON w.name = s.owner
	WHERE s.offered AND s.owner <> $2 AND NOT s.changed AND ` + slotHeld + `
		AND (s.successor IS NULL OR s.successor_until <= now())
		AND ` + slotWanted + `
		AND s.live NOT IN (SELECT unnest($4::bigint[]))
		AND NOT EXISTS (
			SELECT FROM live_state o
			WHERE o.live = s.live AND o.slot <> s.slot AND (
				o.owner = $2 OR o.successor = $2 AND o.successor_until > now() OR o.slot < s.slot AND o.offered
			)
		)
		AND EXISTS (SELECT FROM workers WHERE name = $2 AND instance = $5 AND lease_until > now())
	ORDER BY s.live, s.slot
	LIMIT $1
	FOR UPDATE OF s SKIP LOCKED
	FOR SHARE OF l SKIP LOCKED
)
UPDATE live_state s SET successor = $2, successor_until = now() + $3::interval
FROM open WHERE s.live = open.live AND s.slot = open.slot
RETURNING s.live, open.live_id, open.endpoint, s.epoch + 1, '{}'::timestamptz[], NULL::timestamptz, true`

// Succeed makes this worker the successor of up to n slots that are offered, but
// for lives of which it has a slot, whose IDs are in except. It has
// successionTime to enter the rooms and TakeOver.
func (l *Lives) Succeed(ctx context.Context, n int, except []int64) ([]Live, error) {
	return l.lives(ctx, "succeeding to lives", succeedSQL, n, l.worker, successionTime, notNil(except), l.instance)
}

// A row that was edited since this worker became its successor is not taken: the
// worker may have entered with an endpoint that is not wanted any more.
const takeOverSQL = `
WITH mine AS (
	SELECT s.live, s.slot
	FROM live_state s JOIN unnest($1::bigint[], $2::bigint[]) AS a (live, epoch) ON s.live = a.live AND s.epoch = a.epoch - 1
	WHERE s.successor = $3 AND s.successor_until > now() AND NOT s.changed
		AND EXISTS (SELECT FROM workers WHERE name = $3 AND instance = $4 AND lease_until > now())
	ORDER BY s.live, s.slot
	FOR UPDATE OF s SKIP LOCKED
)
UPDATE live_state s
SET owner = $3, lease_until = 'infinity', epoch = s.epoch + 1, updated_at = now(),
	offered = false, successor = NULL, successor_until = NULL
FROM mine WHERE s.live = mine.live AND s.slot = mine.slot
RETURNING s.live`

// TakeOver makes this worker the owner of those of held, which has the epoch by
// row ID, whose successor it is. Those in taken are held by its lease as claims
// are; of the others some may be tried again, and Unwanted tells which are lost.
func (l *Lives) TakeOver(ctx context.Context, held map[int64]int64) (taken []int64, err error) {
	ids, epochs := arrays(held)
	err = l.call(ctx, "taking over lives", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, takeOverSQL, ids, epochs, l.worker, l.instance)
		if err != nil {
			return err
		}
		if taken, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err != nil || len(taken) == 0 {
			return err
		}
		return l.notify(ctx)
	})
	return taken, err
}
