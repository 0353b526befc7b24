package main

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"kslive/internal/process"
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
		{
			name: "worker-of-three", breaks: "one of three workers that share 900 rooms is killed with kill -9, and comes back",
			rooms: 900, rate: 1, workers: 3, twice: true, sockets: true, flags: []string{"--lease=" + usualLease.String(), "--segment-bytes=16777216"}, inject: killOneOfThree,
		},
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
		if err := w.child.Signal(syscall.SIGTERM); err != nil {
			return err
		}
		// Two signals that come before the first was taken are one.
		if err := s.wait(ctx, 300*time.Millisecond, time.Second); err != nil {
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
		if err := frozen.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
		s.injected++
		paused := s.wait(ctx, 2*lease, 3*lease)
		taken := process.Until(ctx, patience, time.Second, "the other worker hears all rooms", func() (bool, error) {
			held, err := s.lookUp(ctx, "SELECT count(*)::text FROM live_status WHERE state = 'live'")
			return held == strconv.Itoa(len(s.kuaishou.rooms)), err
		})
		if err := errors.Join(paused, taken, frozen.Signal(syscall.SIGCONT)); err != nil {
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
	s.expect(s.workers[0].child.Running(), "the first worker on %s has ended", filepath.Base(s.workers[0].spool))
	return s.recover(ctx)
}

// usualLease is that of a worker that is told nothing else.
const usualLease = 30 * time.Second

// killOneOfThree requires the others to hear all rooms one lease and 5 s later,
// and all that work to share the rooms to within a tenth. Nothing is lost but
// what was in the sockets of the one that was killed: whatever a worker has
// confirmed to have read must be stored.
func killOneOfThree(ctx context.Context, s *stage) error {
	if err := s.balanced(ctx); err != nil {
		return err
	}
	for range s.times(1, 3) {
		w := s.workers[s.random.IntN(len(s.workers))]
		if err := s.wait(ctx, 0, 10*time.Second); err != nil { // somewhere between two renewals
			return err
		}
		w.child.Kill() // another takes over: no silence that lasts is expected
		killed := time.Now()
		s.injected++
		if _, err := s.received.read(w.spool); err != nil {
			return err
		}
		if err := s.connected(ctx, len(s.kuaishou.rooms)); err != nil {
			return err
		}
		took := time.Since(killed)
		s.recovered = max(s.recovered, took)
		s.expect(took < usualLease+5*time.Second, "all rooms were heard again only after %v", took.Round(time.Second))
		if err := errors.Join(s.balanced(ctx), w.start(), s.balanced(ctx)); err != nil {
			return err
		}
	}
	return s.recover(ctx)
}

// balanced waits until each worker that runs hears its share of the rooms, a
// tenth more or less.
func (s *stage) balanced(ctx context.Context) error {
	running := 0
	for _, w := range s.workers {
		if w.child.Running() {
			running++
		}
	}
	rooms := len(s.kuaishou.rooms)
	share := float64(rooms) / float64(running)
	return process.Until(ctx, patience, time.Second, "the workers share the rooms to within a tenth", func() (bool, error) {
		fair, err := s.lookUp(ctx, `
SELECT (count(*) = $1 AND sum(rooms) = $2 AND min(rooms) >= $3 AND max(rooms) <= $4)::text
FROM (
	SELECT count(*) AS rooms FROM live_state s JOIN workers w ON w.name = s.owner
	WHERE slot_due_at(s.owner, s.lease_until, s.next_at, w.lease_until) > now() AND s.state = 'live' GROUP BY s.owner
) AS held`,
			running, rooms, 0.9*share, 1.1*share)
		return fair == "true", err
	})
}
