package ingest

import (
	"net"
	"sync"
	"time"
)

// deadline bounds how long a connection is read: every message moves it, until
// a last one is set. It may be used by several goroutines.
type deadline struct {
	conn net.Conn

	mu    sync.Mutex // covers final and the order of calls on conn
	final time.Time  // zero until last is called
}

// extend allows the connection to be silent for d from now.
func (l *deadline) extend(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := time.Now().Add(d)
	if !l.final.IsZero() && l.final.Before(t) {
		t = l.final
	}
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
	_ = l.conn.SetReadDeadline(t) // as above
}
