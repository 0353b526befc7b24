package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
)

// listenCheck is how often a quiet connection is asked whether it still lives.
const listenCheck = time.Minute

// Listen calls wake when lives may have changed, until ctx is done. That is a
// hint only: it has a connection of its own, opens it anew when it breaks, and
// what was missed meanwhile is covered by one more wake. Poll all the same.
func (l *Lives) Listen(ctx context.Context, wake func()) {
	delays := &backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, Multiplier: 2, RandomizationFactor: 0.3, MaxInterval: 30 * time.Second,
	}
	delays.Reset()
	told := false
	for {
		err := l.listen(ctx, func() {
			if told {
				l.logger.Info("told of new lives at once again")
			}
			told = false
			delays.Reset()
			wake()
		}, wake)
		if ctx.Err() != nil {
			return
		}
		if !told {
			told = true
			l.logger.Warn("not told of new lives at once, they are found by polling",
				"err", explainPostgres(l.pool.Config().ConnConfig, err))
		}
		if !sleep(ctx, delays.NextBackOff()) {
			return
		}
	}
}

// listen serves one connection: it calls connected when it listens, and wake for
// each notification.
func (l *Lives) listen(ctx context.Context, connected, wake func()) error {
	conn := l.session.Swap(nil)
	if conn == nil {
		var err error
		if conn, _, err = l.connect(ctx); err != nil {
			return err
		}
	}
	defer l.hangUp(ctx, conn)
	connected()
	defer l.told.Store(false)
	if err := l.prove(ctx); err != nil {
		return err
	}
	for {
		waiting, cancel := context.WithTimeout(ctx, listenCheck)
		notification, err := conn.WaitForNotification(waiting)
		cancel()
		switch {
		case err == nil && notification.Payload != "":
			l.told.Store(l.told.Load() || notification.Payload == l.instance)
		case err == nil:
			wake()
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			return err
		default:
			if err := l.ping(ctx, conn); err != nil {
				return err
			}
		}
	}
}

// prove sends a notification for itself: not every LISTEN that succeeds is heard
// of again, through a pooler for example.
func (l *Lives) prove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := l.pool.Exec(ctx, "SELECT pg_notify('lives', $1)", l.instance)
	return err
}

// Told says whether changes of lives are known to be told at once.
func (l *Lives) Told() bool { return l.told.Load() }

// connect opens a connection that listens. While it is open nobody else can
// lock the worker's name; alone says that nobody else had.
func (l *Lives) connect(ctx context.Context) (conn *pgx.Conn, alone bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, err = pgx.ConnectConfig(ctx, l.pool.Config().ConnConfig)
	if err != nil {
		return nil, false, err
	}
	if alone, err = l.lockName(ctx, conn); err == nil {
		_, err = conn.Exec(ctx, "LISTEN lives")
	}
	if err != nil {
		l.hangUp(ctx, conn)
		return nil, false, err
	}
	return conn, alone, nil
}

// hangUp closes a connection; nothing is lost with it.
func (l *Lives) hangUp(ctx context.Context, conn *pgx.Conn) {
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(closing)
}

func (l *Lives) ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return conn.Ping(ctx)
}
