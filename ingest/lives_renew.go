package ingest

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Rows that somebody has locked are left out, so that they hold up no other. A
// registration that ends later than the leases would be counted on for rooms
// that are free: both are prolonged by one statement.
const renewSQL = `
WITH me AS (
	SELECT name FROM workers WHERE name = $3 AND instance = $5 FOR UPDATE SKIP LOCKED
), prolonged AS (
	UPDATE workers w SET lease_until = now() + $4::interval, capacity = $6 FROM me WHERE w.name = me.name
), mine AS (
	SELECT s.live, s.slot FROM live_state s JOIN unnest($1::bigint[], $2::bigint[]) AS held (live, epoch) USING (live, epoch)
	WHERE s.owner = $3 AND s.lease_until > now()
	ORDER BY s.live, s.slot
	FOR UPDATE OF s SKIP LOCKED
), renewed AS (
	UPDATE live_state s SET lease_until = now() + $4::interval
	FROM mine WHERE s.live = mine.live AND s.slot = mine.slot
	RETURNING s.live
)
SELECT ARRAY(SELECT live FROM renewed), EXISTS (SELECT FROM workers WHERE name = $3 AND instance = $5)`

// Renew prolongs the registration, with a new capacity, and the leases in held,
// which has the epoch by row ID. Those in kept may be trusted until
// trustedUntil; the others for as long as before: somebody had the row locked,
// another worker for a moment or a person who is deleting it, or the lease is
// lost, which Unwanted tells. A registration that is gone is made anew; the error
// is ErrNameTaken when another process has taken the name.
func (l *Lives) Renew(ctx context.Context, held map[int64]int64, capacity int) (kept []int64, trustedUntil time.Time, err error) {
	trustedUntil = l.TrustedUntil(time.Now())
	ids, epochs := make([]int64, 0, len(held)), make([]int64, 0, len(held))
	for id, epoch := range held {
		ids, epochs = append(ids, id), append(epochs, epoch)
	}
	err = l.call(ctx, "renewing leases", func(ctx context.Context) error {
		var registered bool
		err := l.pool.QueryRow(ctx, renewSQL, ids, epochs, l.worker, l.lease, l.instance, capacity).Scan(&kept, &registered)
		if err == nil && !registered {
			err = l.register(ctx, capacity, false)
		}
		return err
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return kept, trustedUntil, nil
}

// A successor's claim has the epoch that its row will have.
const unwantedSQL = `
SELECT a.live, l.id IS NOT NULL AND s.live IS NULL AS lost
FROM unnest($1::bigint[], $2::bigint[]) AS a (live, epoch)
LEFT JOIN lives l ON l.id = a.live
LEFT JOIN live_state s ON s.live = a.live
	AND (s.owner = $3 AND s.epoch = a.epoch OR s.successor = $3 AND s.epoch = a.epoch - 1)
WHERE l.id IS NULL OR s.live IS NULL OR NOT l.enabled OR l.start_at > now() OR l.stop_at <= now() OR s.slot >= l.replicas OR s.changed`

// Unwanted returns those of held, which has the epoch by row ID, that must be
// let go: deleted, disabled, outside start_at and stop_at, one replica too many,
// or given another live_id or endpoint. The last are due again as soon as they
// are released. In lost are those that are another's now.
func (l *Lives) Unwanted(ctx context.Context, held map[int64]int64) (unwanted, lost []int64, err error) {
	var ids, epochs []int64
	for id, epoch := range held {
		ids, epochs = append(ids, id), append(epochs, epoch)
	}
	err = l.call(ctx, "looking for lives that are not wanted any more", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, unwantedSQL, ids, epochs, l.worker)
		if err != nil {
			return err
		}
		var (
			id   int64
			gone bool
		)
		_, err = pgx.ForEachRow(rows, []any{&id, &gone}, func() error {
			if gone {
				lost = append(lost, id)
			} else {
				unwanted = append(unwanted, id)
			}
			return nil
		})
		return err
	})
	return unwanted, lost, err
}
