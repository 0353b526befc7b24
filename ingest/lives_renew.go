package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// renewSQL renews the lease of a worker, which is that of all its slots. It does
// not wait for whoever has the row locked: another worker that takes slots from
// it, since the lease has passed.
const renewSQL = `
WITH me AS (
	SELECT name FROM workers WHERE name = $1 AND instance = $2 FOR UPDATE SKIP LOCKED
), renewed AS (
	UPDATE workers w SET lease_until = now() + $3::interval, capacity = $4 FROM me WHERE w.name = me.name RETURNING w.name
)
SELECT EXISTS (SELECT FROM renewed), EXISTS (SELECT FROM workers WHERE name = $1 AND instance = $2)`

// errRenewalLocked says that the lease was not renewed.
var errRenewalLocked = errors.New("its row in the table workers is locked: another worker took over rooms of it just now, or a transaction was left open")

// Renew renews the worker's lease, with a new capacity. Its claims may be trusted
// until trustedUntil, but for those in lost, for as long as before: they are of
// held, which has the epoch by row ID, and not this worker's, or not any more. What
// it holds and is not in held is given back: a call has failed after all it did.
//
// A worker whose lease had passed keeps what nobody has taken. Hence what is lost
// is looked up after the renewal, from when on nobody can take anything. That is
// not so when the registration is gone, and is made anew: then all is in lost, and
// the next renewal tells. The error is ErrNameTaken when another process has taken
// the name.
func (l *Lives) Renew(ctx context.Context, held map[int64]int64, capacity int) (lost []int64, trustedUntil time.Time, err error) {
	trustedUntil = l.trustedUntil(time.Now())
	err = l.call(ctx, "renewing the lease", func(ctx context.Context) error {
		var renewed, registered bool
		err := l.pool.QueryRow(ctx, renewSQL, l.worker, l.instance, l.lease, capacity).Scan(&renewed, &registered)
		switch {
		case err != nil:
			return err
		case !registered:
			lost, _ = arrays(held)
			return l.register(ctx, capacity, false)
		case !renewed:
			return errRenewalLocked
		}
		lost, err = l.reconcile(ctx, held)
		return err
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return lost, trustedUntil, nil
}

// reconcile answers those of held that this worker does not hold, and gives back
// what it holds beside them.
func (l *Lives) reconcile(ctx context.Context, held map[int64]int64) (lost []int64, err error) {
	rows, err := l.pool.Query(ctx, "SELECT live, epoch FROM live_state WHERE owner = $1", l.worker)
	if err != nil {
		return nil, err
	}
	var (
		id, epoch int64
		unknown   []int64
		own       = make(map[int64]bool, len(held))
	)
	if _, err := pgx.ForEachRow(rows, []any{&id, &epoch}, func() error {
		if known, ok := held[id]; ok && known == epoch {
			own[id] = true
		} else {
			unknown = append(unknown, id)
		}
		return nil
	}); err != nil {
		return nil, err
	}
	for id := range held {
		if !own[id] {
			lost = append(lost, id)
		}
	}
	if len(unknown) == 0 {
		return lost, nil
	}
	return lost, l.releaseRest(ctx, unknown)
}

// arrays are the IDs and epochs of held as Postgres takes them: NULL is no array.
func arrays(held map[int64]int64) (ids, epochs []int64) {
	ids, epochs = make([]int64, 0, len(held)), make([]int64, 0, len(held))
	for id, epoch := range held {
		ids, epochs = append(ids, id), append(epochs, epoch)
	}
	return ids, epochs
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
	ids, epochs := arrays(held)
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
