package main

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"time"
)

func workerScenarios() []*scenario {
	return []*scenario{
		{name: "worker-kill-9", breaks: "the worker is killed with kill -9 at random moments", short: true, sockets: true, inject: killNine},
		{name: "worker-sigterm", breaks: "the worker is stopped with SIGTERM under load", short: true, rate: 100, inject: terminate},
		{name: "worker-two-signals", breaks: "the worker is stopped with two signals, and waits for nothing", sockets: true, inject: stopAtOnce},
		{
			name: "worker-frozen", breaks: "a worker is frozen (SIGSTOP) for longer than its leases, another takes over, and it wakes up",
			short: true, workers: 2, twice: true, sockets: true, inject: freeze,
		},
		{name: "worker-same-spool", breaks: "a second worker is started on the same spool", short: true, inject: shareSpool},
	}
}

func killNine(ctx context.Context, s *stage) error {
	w := s.workers[0]
	for range s.times(6, 200) {
		if err := s.wait(ctx, 100*time.Millisecond, 2500*time.Millisecond); err != nil {
			return err
		}
		if err := w.kill(); err != nil {
			return err
		}
		s.injected++
		if err := w.start(); err != nil {
			return err
		}
	}
	return s.recover(ctx)
}

// terminate loses nothing that was sent: the worker reads on until the server
// has closed the connection.
func terminate(ctx context.Context, s *stage) error {
	w := s.workers[0]
	for range s.times(2, 20) {
		if err := s.wait(ctx, 500*time.Millisecond, 3*time.Second); err != nil {
			return err
		}
		if err := w.end(ctx); err != nil {
			return err
		}
		s.injected++
		if err := errors.Join(w.start(), s.recover(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// stopAtOnce stops the worker while ClickHouse is away, so that there is
// something to wait for.
func stopAtOnce(ctx context.Context, s *stage) error {
	w := s.workers[0]
	for range s.times(1, 10) {
		s.clickhouseProxy.close()
		if err := s.wait(ctx, 2*time.Second, 4*time.Second); err != nil {
			return err
		}
		if err := w.child.signal(syscall.SIGTERM); err != nil {
			return err
		}
		if err := s.wait(ctx, 0, time.Second); err != nil {
			return err
		}
		asked := time.Now()
		if err := w.end(ctx); err != nil {
			return err
		}
		s.injected++
		s.expect(time.Since(asked) < 5*time.Second, "the worker took %v to stop at the second signal", time.Since(asked).Round(time.Second))
		if _, err := s.received.read(w.spool); err != nil {
			return err
		}
		if err := errors.Join(s.clickhouseProxy.open(), w.start(), s.recover(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// freeze wakes the worker up after its leases have ended and the other worker
// has its rooms. What is still in its sockets it may store; the other stored
// the same. Then it must let go.
func freeze(ctx context.Context, s *stage) error {
	for range s.times(1, 6) {
		frozen := s.workers[s.random.IntN(2)].child
		if err := frozen.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		s.injected++
		paused := s.wait(ctx, 2*lease, 3*lease)
		held, err := s.lookUp(ctx, "SELECT count(*)::text FROM live_status WHERE state = 'live'")
		s.expect(err != nil || held == "12", "the other worker hears only %s of 12 rooms", held)
		if err := errors.Join(paused, err, frozen.signal(syscall.SIGCONT)); err != nil {
			return err
		}
		if err := s.recover(ctx); err != nil {
			return err
		}
		if err := s.connected(ctx, len(s.kuaishou.rooms)); err != nil {
			return err
		}
	}
	return nil
}

func shareSpool(ctx context.Context, s *stage) error {
	second := newWorker(s, "second", []string{"--spool", s.workers[0].spool})
	if err := second.start(); err != nil {
		return err
	}
	s.injected++
	if err := s.refusedToStart(ctx, second.child, "in use by another process"); err != nil {
		return err
	}
	s.expect(s.workers[0].child.running(), "the first worker on %s has ended", filepath.Base(s.workers[0].spool))
	return s.recover(ctx)
}
