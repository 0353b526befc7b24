package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
)

// Listen calls wake whenever lives has changed, until ctx is done. It is only a
// hint that makes things quicker: notifications are lost while the connection
// is, and behind some poolers always. wake is therefore also called after each
// reconnect.
func (l *Lives) Listen(ctx context.Context, wake func()) {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = time.Minute
	for {
		err := l.listen(ctx, func() {
			wait.Reset()
			wake()
		})
		if ctx.Err() != nil {
			return
		}
		l.logger.Warn("not listening for changes of lives; they are found by polling until it is back", "err", err)
		if !sleep(ctx, wait.NextBackOff()) {
			return
		}
	}
}

// listen is one connection's worth of Listen. The connection is its own: one
// of the pool would be missing there.
func (l *Lives) listen(ctx context.Context, wake func()) error {
	conn, err := pgx.ConnectConfig(ctx, l.pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(closing) // it is given up either way
	}()
	if _, err := conn.Exec(ctx, "LISTEN lives"); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	wake()
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return fmt.Errorf("waiting: %w", err)
		}
		wake()
	}
}
