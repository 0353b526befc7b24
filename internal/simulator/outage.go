package simulator

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Outage is a time in which nobody can connect.
type Outage struct {
	// During is from 1 ms to an hour. In JSON it is nanoseconds.
	During time.Duration `json:"during"`
}

// RefuseConnections stops listening for a time, so that the machine refuses
// every connection, also of the control interface. Sockets that are open stay.
func (s *Simulator) RefuseConnections(during time.Duration) error {
	if during < time.Millisecond || during > time.Hour {
		return errors.New("connections are refused for 1 ms to an hour")
	}
	select {
	case s.outages <- during:
		return nil
	case <-s.ctx.Done():
		return errors.New("the simulator is closing")
	}
}

// serve serves until the simulator closes, with outages.
func (s *Simulator) serve(listener net.Listener) error {
	for {
		served := make(chan error, 1)
		go func() { served <- s.serveOn(listener) }() // waited for on both ways
		var during time.Duration
		select {
		case err := <-served:
			return err
		case during = <-s.outages:
		}
		s.refusing.Store(true)
		_ = listener.Close()
		if err := <-served; errors.Is(err, http.ErrServerClosed) {
			return err
		}
		select {
		case <-time.After(during):
		case <-s.ctx.Done():
			return http.ErrServerClosed
		}
		var err error
		if listener, err = (&net.ListenConfig{}).Listen(context.WithoutCancel(s.ctx), "tcp", listener.Addr().String()); err != nil {
			return err
		}
		s.refusing.Store(false)
	}
}

// reachable keeps connections that were idle when an outage began from being
// used in it.
func (s *Simulator) reachable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.refusing.Load() {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}
