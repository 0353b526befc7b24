//go:build !linux

package sockets

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Set has nothing to do here.
type Set struct{}

// Take returns given, with another try for reads.
func (s *Set) Take(given net.Conn) (net.Conn, error) { return &thawingConn{Conn: given}, nil }

// thawingConn gives a read that timed out because the process stood still (it
// was stopped, or its machine was) another try: the deadline is passed by then,
// and what waits in the socket would be lost with it.
type thawingConn struct {
	net.Conn
	until atomic.Int64 // the read deadline, when there is one, in Unix ns
}

// SetReadDeadline also notes the deadline.
func (c *thawingConn) SetReadDeadline(t time.Time) error {
	c.until.Store(t.UnixNano())
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline sets both deadlines.
func (c *thawingConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *thawingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	now := time.Now()
	late := now.Sub(time.Unix(0, c.until.Load()))
	switch {
	case late < 0: // the deadline has been moved meanwhile
	case late < frozenAfter:
		return n, err
	default:
		if err := c.SetReadDeadline(now.Add(thawTime)); err != nil {
			return n, err
		}
	}
	return c.Conn.Read(p)
}
