package sockets

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a net.Conn of a Set.
type conn struct {
	set           *Set
	watcher       *watcher // set by Set.add
	fd            int
	local, remote net.Addr

	reading, writing sync.Mutex // held by who does

	something chan struct{} // has one when the reader should look; never closed
	// drained: what there was has been read, and nothing has come since. It spares
	// the system call that would tell so.
	drained atomic.Bool
	// ending: the peer will send no more, or the connection is broken.
	ending atomic.Bool

	using   sync.RWMutex // held for writing by who closes fd, for reading by who uses it
	closed  bool
	failure atomic.Pointer[error] // of the watcher

	readBy, writeBy atomic.Int64 // as by
	late            *time.Timer  // wakes the reader at readBy
}

func newConn(set *Set, fd int, local, remote net.Addr) *conn {
	c := &conn{set: set, fd: fd, local: local, remote: remote, something: make(chan struct{}, 1)}
	c.late = time.AfterFunc(time.Hour, c.wake)
	c.late.Stop()
	return c
}

// tell takes in what the watcher saw.
func (c *conn) tell(events uint32) {
	if events&^unix.EPOLLIN != 0 {
		c.ending.Store(true)
	}
	c.drained.Store(false)
	c.wake()
}

// fail ends reading: nobody watches any more.
func (c *conn) fail(err error) {
	c.failure.Store(&err)
	c.wake()
}

func (c *conn) wake() {
	select {
	case c.something <- struct{}{}:
	default: // it knows
	}
}

// Read reads what there is, or waits for it. One that comes too late because the
// process stood still (it was stopped, or its machine was) gets more time: what waits
// in the socket would be lost otherwise.
func (c *conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		switch late := passed(&c.readBy); {
		case late > frozenAfter:
			if err := c.SetReadDeadline(time.Now().Add(thawTime)); err != nil {
				return 0, err
			}
		case late >= 0:
			return 0, c.wrong("read", os.ErrDeadlineExceeded)
		}
		n, err := c.read(p)
		if err != unix.EAGAIN {
			return n, c.wrong("read", err)
		}
		if failure := c.failure.Load(); failure != nil {
			return 0, c.wrong("read", *failure)
		}
		<-c.something
	}
}

// read returns EAGAIN when nothing has come.
func (c *conn) read(p []byte) (int, error) {
	c.using.RLock()
	defer c.using.RUnlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	if c.drained.Load() && !c.ending.Load() {
		return 0, unix.EAGAIN
	}
	c.drained.Store(true) // before it is so: what comes meanwhile makes it false
	n, err := again(unix.Read, c.fd, p)
	switch {
	case n == 0 && err == nil && len(p) > 0:
		return 0, io.EOF
	case n == len(p):
		c.drained.Store(false)
	}
	return n, err
}

// Write writes all of p. What the peer is slow to take is tried again after Pause.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for sent := 0; ; {
		if passed(&c.writeBy) >= 0 {
			return sent, c.wrong("write", os.ErrDeadlineExceeded)
		}
		n, err := c.write(p[sent:])
		if sent += n; sent == len(p) && err == nil {
			return sent, nil
		}
		if err == unix.EAGAIN {
			pause()
		} else if err != nil {
			return sent, c.wrong("write", err)
		}
	}
}

func (c *conn) write(p []byte) (int, error) {
	c.using.RLock()
	defer c.using.RUnlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	return again(unix.Write, c.fd, p)
}

// again calls what a signal can interrupt until none does. Without a result it
// returns 0.
func again(call func(int, []byte) (int, error), fd int, p []byte) (int, error) {
	for {
		if n, err := call(fd, p); err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// Close closes the connection. Who reads or writes gets net.ErrClosed.
func (c *conn) Close() error {
	c.using.Lock()
	defer c.using.Unlock()
	if c.closed {
		return c.wrong("close", net.ErrClosed)
	}
	c.closed = true
	c.late.Stop()
	c.set.remove(c)
	c.wake()
	return c.wrong("close", unix.Close(c.fd))
}

// wrong says of an error what package net says.
func (c *conn) wrong(doing string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if number, ok := errors.AsType[unix.Errno](err); ok {
		err = os.NewSyscallError(doing, number)
	}
	return &net.OpError{Op: doing, Net: c.remote.Network(), Source: c.local, Addr: c.remote, Err: err}
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline has reads fail from t on; zero: never.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.using.RLock()
	defer c.using.RUnlock()
	if c.closed {
		return c.wrong("set", net.ErrClosed)
	}
	c.readBy.Store(by(t))
	if t.IsZero() {
		c.late.Stop()
	} else {
		c.late.Reset(time.Until(t))
	}
	return nil
}

// SetWriteDeadline has writes fail from t on; zero: never.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.using.RLock()
	defer c.using.RUnlock()
	if c.closed {
		return c.wrong("set", net.ErrClosed)
	}
	c.writeBy.Store(by(t))
	return nil
}

// began is what deadlines are counted from, so that nobody who sets the clock moves them.
var began = time.Now()

// Deadlines that are no time.
const (
	never   = 0
	already = -1 // it was over when it was set
)

// by is a deadline in ns from began, or one of those.
func by(t time.Time) int64 {
	switch {
	case t.IsZero():
		return never
	case time.Until(t) <= 0:
		return already
	}
	return int64(t.Sub(began))
}

// passed is how long ago a deadline was; negative when it is to come.
func passed(deadline *atomic.Int64) time.Duration {
	switch by := deadline.Load(); by {
	case never:
		return -1
	case already:
		return 0
	default:
		return time.Since(began) - time.Duration(by)
	}
}
