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
	first    chan struct{} // held by the caller whose turn is next; the others queue for it

	mu      sync.Mutex // covers all below
	waiting int        // callers of wait
	penalty time.Duration
	next    time.Time // when the next turn begins
}

func newPacer(interval time.Duration) *pacer {
	return &pacer{interval: interval, first: make(chan struct{}, 1)}
}

// wait returns true when it is the caller's turn. It returns false at once when
// look-ups are being refused and the turn is further away than patience, and
// false when ctx is done. A caller that gives up leaves its turn to the next.
func (p *pacer) wait(ctx context.Context) bool {
	p.mu.Lock()
	ahead := time.Duration(p.waiting) * (p.interval + p.penalty)
	if p.penalty > 0 && time.Until(p.next)+ahead > patience {
		p.mu.Unlock()
		return false
	}
	p.waiting++
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.waiting--
		p.mu.Unlock()
	}()
	select {
	case p.first <- struct{}{}:
		defer func() { <-p.first }()
	case <-ctx.Done():
		return false
	}
	for ctx.Err() == nil {
		left, refused := p.take()
		if left <= 0 {
			return true
		}
		if refused && left > patience || !sleep(ctx, left) {
			return false
		}
	}
	return false
}

// take takes the next turn if it has begun. If not, it says how long that takes,
// and whether look-ups are being refused.
func (p *pacer) take() (left time.Duration, refused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if left = time.Until(p.next); left <= 0 {
		p.next = time.Now().Add(p.interval + p.penalty)
	}
	return left, p.penalty > 0
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
