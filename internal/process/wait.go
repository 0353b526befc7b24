package process

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Pause waits for d, or until ctx ends.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Until looks again and again until done says so, for at most limit. An error of
// done is told only when that time is over, but that of Alive at once. It looks ever less often, at last
// every slowest: what is asked again and again takes time from what it waits for.
func Until(ctx context.Context, limit, slowest time.Duration, what string, done func() (bool, error)) error {
	for started := time.Now(); ; {
		ok, err := done()
		if ok {
			return nil
		}
		if errors.Is(err, errEnded) {
			return fmt.Errorf("waiting until %s: %w", what, err)
		}
		waited := time.Since(started)
		if waited > limit {
			if err != nil {
				return fmt.Errorf("waited %v in vain: %s: %w", limit, what, err)
			}
			return fmt.Errorf("waited %v in vain: %s", limit, what)
		}
		if err := Pause(ctx, min(max(waited/10, 50*time.Millisecond), slowest)); err != nil {
			return err
		}
	}
}
