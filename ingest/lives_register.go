package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNameTaken says that another process works under this worker's name.
var ErrNameTaken = errors.New("the worker's name is taken")

// lockNameSQL locks a worker's name for as long as the session lasts. The lock
// only tells a process that was killed, whose session has ended with it, from
// one that lives: the registration is what counts.
const lockNameSQL = "SELECT pg_try_advisory_lock(hashtextextended('ingest worker ' || $1, 0))"

// nameWait is how long a name is waited for: until Postgres has seen that the
// connection of a process that was killed is gone, or another one that starts at
// the same time has registered. nameTry is how often it is tried.
const (
	nameWait = 3 * time.Second
	nameTry  = 100 * time.Millisecond
)

func (l *Lives) lockName(ctx context.Context, conn *pgx.Conn) (locked bool, err error) {
	err = conn.QueryRow(ctx, lockNameSQL, l.worker).Scan(&locked)
	return locked, err
}

// Register announces this worker with the number of slots that it can hold, for
// the time of a lease, which Renew renews. Claims may be trusted until
// trustedUntil. What a dead process of the same name still held is given back.
//
// A name that is registered is refused with ErrNameTaken, but for the one case
// in which no process can be behind it: its session in Postgres has ended, as it
// does when a process is killed. One that lives and has only lost its connection
// finds out at its next Renew that the name is not its any more.
func (l *Lives) Register(ctx context.Context, capacity int) (trustedUntil time.Time, err error) {
	err = l.call(ctx, "registering the worker", func(ctx context.Context) error {
		conn, alone, err := l.connect(ctx)
		if err != nil {
			return err
		}
		for deadline := time.Now().Add(nameWait); err == nil && !alone && time.Now().Before(deadline) && sleep(ctx, nameTry); {
			alone, err = l.lockName(ctx, conn)
		}
		trustedUntil = l.trustedUntil(time.Now())
		if err == nil {
			err = l.register(ctx, capacity, alone)
		}
		if err == nil {
			err = l.releaseRest(ctx, nil)
		}
		if err != nil {
			l.hangUp(ctx, conn)
			return err
		}
		l.session.Store(conn)
		return nil
	})
	return trustedUntil, err
}

// Registrations that ended long ago are of no use to anybody: names often hold
// a process's number.
const registerSQL = `
WITH old AS (
	DELETE FROM workers WHERE name IN (
		SELECT name FROM workers WHERE lease_until < now() - interval '1 day' AND name <> $1 FOR UPDATE SKIP LOCKED
	)
)
INSERT INTO workers AS w (name, instance, capacity, lease_until) VALUES ($1, $2, $3, now() + $4::interval)
ON CONFLICT (name) DO UPDATE
SET instance = excluded.instance, capacity = excluded.capacity, lease_until = excluded.lease_until, started_at = now()
WHERE w.instance = excluded.instance OR w.lease_until <= now() OR $5`

// register writes the registration. alone says that no other process can be
// behind one that is there.
func (l *Lives) register(ctx context.Context, capacity int, alone bool) error {
	tag, err := l.pool.Exec(ctx, registerSQL, l.worker, l.instance, capacity, l.lease, alone)
	if err != nil {
		return err
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("%w: another process works as %q; give this one another --worker, or stop the other one first", ErrNameTaken, l.worker)
	}
	return nil
}

// Unregister ends the registration, so that the others share the rooms among
// themselves at once. While a slot could not be given back it is left to end by
// itself: then they see that its owner has died.
func (l *Lives) Unregister(ctx context.Context) error {
	return l.call(ctx, "ending the registration of the worker", func(ctx context.Context) error {
		_, err := l.pool.Exec(ctx, "DELETE FROM workers WHERE name = $1 AND instance = $2 AND NOT EXISTS (SELECT FROM live_state WHERE owner = $1)", l.worker, l.instance)
		if err != nil {
			return err
		}
		return l.notify(ctx)
	})
}

// TellExits tells the other workers which addresses the calls of this one come
// from: they find them in Load.
func (l *Lives) TellExits(ctx context.Context, exits []string) error {
	return l.call(ctx, "telling the exits of the worker", func(ctx context.Context) error {
		_, err := l.pool.Exec(ctx, "UPDATE workers SET exits = $3 WHERE name = $1 AND instance = $2", l.worker, l.instance, exits)
		if err != nil {
			return err
		}
		return l.notify(ctx)
	})
}

// notify wakes all workers.
func (l *Lives) notify(ctx context.Context) error {
	_, err := l.pool.Exec(ctx, "NOTIFY lives")
	return err
}
