package sockets

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// watcher watches sockets for a Set, whose mutex covers conns. The rest is for the
// one goroutine that looks, but for stop.
type watcher struct {
	conns  map[int32]*conn // by descriptor
	epoll  int
	over   int // an eventfd
	events []unix.EpollEvent
}

// atOnce is how many sockets a watcher tells of at a time.
const atOnce = 512

func newWatcher() (*watcher, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	over, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), unix.Close(epoll))
	}
	w := &watcher{conns: make(map[int32]*conn), epoll: epoll, over: over, events: make([]unix.EpollEvent, atOnce)}
	if err := w.watch(over, unix.EPOLLIN); err != nil {
		return nil, errors.Join(err, unix.Close(over), unix.Close(epoll))
	}
	return w, nil
}

func (w *watcher) watch(fd int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(w.epoll, unix.EPOLL_CTL_ADD, fd, &event))
}

// wait waits until there is something, and returns it. It is valid until the next call.
func (w *watcher) wait() ([]unix.EpollEvent, error) {
	// To wait takes a thread from Go, which then looks for another: it is asked
	// first whether that is necessary.
	for _, timeout := range []int{0, -1} {
		switch n, err := unix.EpollWait(w.epoll, w.events, timeout); {
		case err != nil && err != unix.EINTR:
			return nil, os.NewSyscallError("epoll_wait", err)
		case n > 0:
			return w.events[:n], nil
		}
	}
	return nil, nil
}

// stop has wait return. It may be called once.
func (w *watcher) stop() {
	one := [8]byte{1}
	_, _ = unix.Write(w.over, one[:]) // cannot fail: it is the only write
}

func (w *watcher) close() {
	// Nobody waits for these errors, and there is nothing to be done.
	_, _ = unix.Close(w.epoll), unix.Close(w.over)
}

func pause() { time.Sleep(Pause) }
