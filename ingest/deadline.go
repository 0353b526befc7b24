package ingest

import (
	"net"
	"sync"
	"time"
)

// deadline bounds how long a connection is read: messages move it, until a last
// one is set. It may be used by several goroutines.
type deadline struct {
	conn net.Conn

	mu    sync.Mutex // covers the rest, and the order of calls on conn
	set   time.Time  // the connection's
	final time.Time  // zero until last is called
}

// silenceSlack is the part of a silence by which it may last longer: not every message
// moves the runtime's timer, which costs a microsecond.
const silenceSlack = 20

// extend allows the connection to be silent for d from now, or a little longer.
func (l *deadline) extend(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := time.Now().Add(d)
	if late := l.set.Sub(t); late >= 0 && late <= d/silenceSlack || !l.final.IsZero() && !l.final.After(l.set) {
		return
	}
	t = t.Add(d / silenceSlack)
	if !l.final.IsZero() && l.final.Before(t) {
		t = l.final
	}
	l.move(t)
}

// move sets the connection's deadline. The caller holds mu.
func (l *deadline) move(t time.Time) {
	l.set = t
	_ = l.conn.SetReadDeadline(t) // fails when closed, and then the read does too
}

// last ends reading d from now at the latest, whatever is extended after it.
func (l *deadline) last(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := time.Now().Add(d)
	if !l.final.IsZero() && l.final.Before(t) {
		return
	}
	l.final = t
	l.move(t)
}
