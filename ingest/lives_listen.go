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
	conn, err := l.connect(ctx)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // nothing is lost with it
	}()
	connected()
	for {
		waiting, cancel := context.WithTimeout(ctx, listenCheck)
		_, err := conn.WaitForNotification(waiting)
		cancel()
		switch {
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

func (l *Lives) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, l.pool.Config().ConnConfig)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "LISTEN lives"); err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

func (l *Lives) ping(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return conn.Ping(ctx)
}
