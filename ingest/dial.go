package ingest

import (
	"context"
	"sync"
	"time"
)

// What a process dials at most, for all its rooms together. A thousand rooms
// that lose their sockets in one second are all back within half a minute, and
// neither Kuaishou nor this machine's router takes them for an attack. Those of
// many thousands that would have to wait for longer than longWait come faster:
// ten thousand rooms are heard within a minute.
const (
	dialsPerSecond = 50
	dialBurst      = 100
	longWait       = 20 * time.Second
	rushPerSecond  = 300
	maxDialing     = 200 // handshakes under way
)

// dialLimit spaces the sockets that are opened. Those who wait are served in
// the order in which they came.
type dialLimit struct {
	every   time.Duration
	ahead   time.Duration // how far turns may be given ahead of their time: the burst
	dialing chan struct{}

	mu   sync.Mutex
	next time.Time // when the next turn would be due without a burst
}

func newDialLimit() *dialLimit {
	const every = time.Second / dialsPerSecond
	return &dialLimit{every: every, ahead: (dialBurst - 1) * every, dialing: make(chan struct{}, maxDialing)}
}

// wait returns when a socket may be opened; done is to be called when it is
// open, or is not. The error is that of ctx: who gives up leaves its turn unused.
func (l *dialLimit) wait(ctx context.Context) (done func(), err error) {
	if !sleep(ctx, time.Until(l.turn(time.Now()))) {
		return nil, ctx.Err()
	}
	select {
	case l.dialing <- struct{}{}:
		return func() { <-l.dialing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// turn is when the next dial may begin; it may be past.
func (l *dialLimit) turn(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next.Before(now) {
		l.next = now
	}
	turn := l.next.Add(-l.ahead)
	if l.next.Sub(now) < longWait {
		l.next = l.next.Add(l.every)
	} else {
		l.next = l.next.Add(l.every * dialsPerSecond / rushPerSecond)
	}
	return turn
}
