package ingest

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"kslive/ingest/sockets"
)

// frozenAfter is by how much a read's deadline must have been missed for the
// whole process to have stood still, and thawTime how long what came meanwhile
// is then read.
const (
	frozenAfter = time.Second
	thawTime    = 2 * time.Second
)

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

// dialThawing is net.Dialer's DialContext for sockets that set looks at.
func dialThawing(set *sockets.Set) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if conn, err = set.Take(conn); err != nil {
			return nil, err
		}
		return &thawingConn{Conn: conn}, nil
	}
}
