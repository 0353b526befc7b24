package ingest

import (
	"context"
	"time"
)

// better looks for more than comments while they are recalled.
type better struct {
	found chan Resolution // what a look-up said, when that is not the same again
	stop  func()          // ends the search and waits for it
}

// seekBetter looks the room up from time to time, at once when there are other
// accounts, and when its broadcast is said to be over, and tells what is to be
// known: a socket, or that the live has ended. That we are refused more than the
// history of comments is nothing new.
func (r *room) seekBetter(ctx context.Context) *better {
	ctx, cancel := context.WithCancel(ctx)
	b, done := &better{found: make(chan Resolution, 1)}, make(chan struct{})
	b.stop = func() { cancel(); <-done }
	go func(broadcast string) {
		defer close(done)
		limits, changed := r.connector.timing, r.resolver.AccountsChanged()
		look, over := time.NewTimer(limits.betterFrom), time.NewTicker(limits.over)
		defer look.Stop()
		defer over.Stop()
		for wait := limits.betterFrom; ; {
			within := limits.betterTo
			select {
			case <-ctx.Done():
				return
			case <-over.C:
				if !r.resolver.Over(ctx, r.liveID, broadcast) {
					continue
				}
			case <-changed:
				changed, wait, within = r.resolver.AccountsChanged(), limits.betterFrom, recallWithin
			case <-look.C:
			}
			found, err := r.resolver.Resolve(ctx, r.liveID, within)
			if err == nil && found.State != StateRecall && !found.State.aboutUs() {
				b.found <- found // which is told once
				return
			}
			wait = min(2*max(wait, found.RetryAfter), limits.betterTo)
			look.Reset(wait)
		}
	}(r.at.LiveStreamID)
	return b
}
