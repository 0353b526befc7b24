package ingest

import (
	"context"
	"sync"
	"time"
)

const (
	// maxPace is the longest time between two look-ups while Kuaishou refuses.
	maxPace = time.Minute
	// firstPenalty is what a first refusal adds to the time between look-ups.
	firstPenalty = 2 * time.Second
	// patience is how long a look-up waits for its turn while Kuaishou refuses.
	patience = 10 * time.Second
)

// pacer spaces the look-ups of all rooms, since they share one address and one
// cookie. Each refusal doubles the space; the first success ends the penalty.
type pacer struct {
	interval time.Duration

	mu      sync.Mutex // covers all below
	penalty time.Duration
	next    time.Time // when the next turn begins
}

// wait returns true when it is the caller's turn. It returns false at once when
// look-ups are being refused and the turn is further away than patience, and
// false when ctx is done.
func (p *pacer) wait(ctx context.Context) bool {
	now := time.Now()
	p.mu.Lock()
	turn := now
	if p.next.After(now) {
		turn = p.next
	}
	if p.penalty > 0 && turn.Sub(now) > patience {
		p.mu.Unlock()
		return false
	}
	p.next = turn.Add(p.interval + p.penalty)
	p.mu.Unlock()
	return sleep(ctx, turn.Sub(now))
}

// refused is told of each answer that asks to slow down.
func (p *pacer) refused() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.penalty = min(max(2*p.penalty, firstPenalty), maxPace)
	p.next = time.Now().Add(p.interval + p.penalty)
}

// accepted is told of each answer that says how it stands with a room.
func (p *pacer) accepted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.penalty > 0 {
		p.penalty = 0
		p.next = time.Now().Add(p.interval)
	}
}

// sleep waits for d; it returns false when ctx is done first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
