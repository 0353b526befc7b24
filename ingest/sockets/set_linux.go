package sockets

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// Set is sockets that are looked at together. The zero value has none. It may be
// used by several goroutines, and must not be copied. While it has sockets, a
// goroutine and a thread are at work for it.
type Set struct {
	mu      sync.Mutex
	watcher *watcher // of its sockets; nil when there are none
}

// Take returns a connection in place of the given TCP connection, which is closed:
// it is the caller's, and like the other, but for Pause. Other kinds of connections
// are returned as they are. One that cannot be taken is closed, too.
func (s *Set) Take(given net.Conn) (net.Conn, error) {
	tcp, ok := given.(*net.TCPConn)
	if !ok {
		return given, nil
	}
	c, err := s.take(tcp)
	if err != nil {
		return nil, fmt.Errorf("watching a socket: %w", err)
	}
	return c, nil
}

func (s *Set) take(tcp *net.TCPConn) (net.Conn, error) {
	fd, err := duplicate(tcp)
	// As long as the descriptor that Go knows is open, Go is woken for it.
	if err = errors.Join(err, tcp.Close()); err == nil {
		c := newConn(s, fd, tcp.LocalAddr(), tcp.RemoteAddr())
		if err = s.add(c); err == nil {
			return c, nil
		}
	}
	if fd >= 0 {
		err = errors.Join(err, unix.Close(fd))
	}
	return nil, err
}

// duplicate returns another descriptor of the connection, or -1 and an error.
func duplicate(tcp *net.TCPConn) (int, error) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, failed := -1, error(nil)
	err = raw.Control(func(its uintptr) { fd, failed = unix.FcntlInt(its, unix.F_DUPFD_CLOEXEC, 0) })
	return fd, errors.Join(err, failed)
}

func (s *Set) add(c *conn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watcher == nil {
		w, err := newWatcher()
		if err != nil {
			return err
		}
		s.watcher = w
		go s.look(w)
	}
	c.watcher = s.watcher
	c.watcher.conns[int32(c.fd)] = c
	err := c.watcher.watch(c.fd, unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLET)
	if err != nil {
		s.drop(c)
	}
	return err
}

// remove must be called before c's descriptor is closed.
func (s *Set) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(c)
}

// drop removes c. The caller holds mu.
func (s *Set) drop(c *conn) {
	delete(c.watcher.conns, int32(c.fd))
	if len(c.watcher.conns) == 0 && c.watcher == s.watcher {
		s.watcher = nil
		c.watcher.stop()
	}
}

// look wakes the readers of w's sockets when there is something for them, until
// there are no more sockets.
func (s *Set) look(w *watcher) {
	defer w.close()
	for {
		events, err := w.wait()
		if s.tell(w, events, err) {
			return
		}
		if len(events) < cap(events) { // otherwise there is more
			pause()
		}
	}
}

// tell wakes the readers whom events are about. It returns true when w is over.
func (s *Set) tell(w *watcher, events []unix.EpollEvent, failed error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, event := range events {
		if c := w.conns[event.Fd]; c != nil {
			c.tell(event.Events)
		}
	}
	if failed == nil {
		return s.watcher != w
	}
	if s.watcher == w {
		s.watcher = nil
	}
	for _, c := range w.conns {
		c.fail(failed)
	}
	return true
}
