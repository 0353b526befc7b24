package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"kslive/internal/process"
	"kslive/internal/simulator"
)

// severalScenarios break several things at once, chosen by the seed.
func severalScenarios() []*scenario {
	return []*scenario{
		{name: "several-at-once", breaks: "two to four of everything at once, chosen by the seed", sockets: true, short: true, flags: impatient, inject: several},
		{
			name: "several-two-workers", breaks: "the same with two workers", sockets: true, twice: true, workers: 2,
			flags: impatient, inject: several,
		},
	}
}

// mishap is something that can go wrong while other things do, for a while.
// It may only use what no other mishap uses, and not s.random.
type mishap struct {
	name         string
	breaks, mend func(ctx context.Context, s *stage) error
}

// mishaps are one list for each part that can be broken: at most one of a list
// is chosen at a time.
func mishaps() [][]mishap {
	return [][]mishap{
		{
			trickery("insert-cut", cutInsert(nil)), trickery("done-but-no", loseAnswer), trickery("late", answerLate), trickery("hangs", hang),
			trickery("slow", slow(700*time.Millisecond)), trickery("read-only", say(242, "TABLE_IS_READ_ONLY", notDone)),
			trickery("no-but-done", say(319, "UNKNOWN_STATUS_OF_INSERT", done)), trickery("memory", with("max_memory_usage=1000")),
			{
				"refuses",
				func(_ context.Context, s *stage) error { s.clickhouseProxy.close(); return nil },
				func(_ context.Context, s *stage) error { return s.clickhouseProxy.open() },
			},
		},
		{
			{
				"postgres-refuses",
				func(_ context.Context, s *stage) error { s.postgresProxy.close(); return nil },
				func(_ context.Context, s *stage) error { return s.postgresProxy.open() },
			},
			{
				"postgres-slow",
				func(_ context.Context, s *stage) error { s.postgresProxy.setDelay(300 * time.Millisecond); return nil },
				func(_ context.Context, s *stage) error { s.postgresProxy.setDelay(0); return nil },
			},
			{
				"claims-cut",
				func(_ context.Context, s *stage) error { s.postgresProxy.setCutClaim(true); return nil },
				func(_ context.Context, s *stage) error { s.postgresProxy.setCutClaim(false); return nil },
			},
		},
		{
			{"killed", killOne, func(_ context.Context, s *stage) error { return s.workers[0].start() }},
			{
				"frozen",
				func(_ context.Context, s *stage) error { return s.workers[0].child.Signal(syscall.SIGSTOP) },
				func(_ context.Context, s *stage) error { return s.workers[0].child.Signal(syscall.SIGCONT) },
			},
		},
		{
			roomTrouble("rooms-cut", simulator.Faults{}), roomTrouble("half-open", simulator.Faults{HalfOpen: true}),
			roomTrouble("tokens", simulator.Faults{RefuseReconnect: true}), roomTrouble("dead-urls", simulator.Faults{DeadURLs: true}),
			roomTrouble("late-acks", simulator.Faults{AckDelay: 2 * time.Second}), roomTrouble("garbage", simulator.Faults{Garbage: 3}),
		},
	}
}

func trickery(name string, t trick) mishap {
	return mishap{
		name,
		func(_ context.Context, s *stage) error { s.clickhouseProxy.play(t); return nil },
		func(_ context.Context, s *stage) error { s.clickhouseProxy.play(nil); return nil },
	}
}

// roomTrouble breaks every room at its next connection, which is soon.
func roomTrouble(name string, faults simulator.Faults) mishap {
	return mishap{
		name,
		func(ctx context.Context, s *stage) error {
			return errors.Join(s.kuaishou.SetFaults(ctx, "", faults), s.kuaishou.Cut(ctx, ""))
		},
		func(ctx context.Context, s *stage) error { return s.kuaishou.SetFaults(ctx, "", simulator.Faults{}) },
	}
}

// killOne tells of a silence only when nobody else can have taken over.
func killOne(_ context.Context, s *stage) error {
	w := s.workers[0]
	w.child.Kill()
	_, err := s.received.read(w.spool)
	return err
}

func several(ctx context.Context, s *stage) error {
	for round := range s.times(2, 12) {
		chosen := s.chooseMishaps()
		var names []string
		var wait []time.Duration
		for _, m := range chosen {
			names = append(names, m.name)
			wait = append(wait, time.Duration(s.random.Int64N(int64(2*time.Second))), time.Second+time.Duration(s.random.Int64N(int64(2*lease))))
		}
		var going sync.WaitGroup
		errs := make([]error, len(chosen))
		for i, m := range chosen {
			going.Go(func() { errs[i] = m.happen(ctx, s, wait[2*i], wait[2*i+1]) })
		}
		going.Wait()
		s.injected += len(chosen)
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("round %d, %v: %w", round, names, err)
		}
		if err := s.supervise(ctx); err != nil {
			return fmt.Errorf("after round %d, %v: %w", round, names, err)
		}
	}
	return nil
}

// supervise waits until every room is heard. A worker that was started while a
// database was away has ended, and is started again, as a supervisor does.
func (s *stage) supervise(ctx context.Context) error {
	err := process.Until(ctx, patience, time.Second, "every room is connected", func() (bool, error) {
		for _, w := range s.workers {
			if !w.child.Running() {
				if err := w.start(); err != nil {
					return false, err
				}
			}
		}
		open, err := s.kuaishou.connections(ctx)
		return open == len(s.kuaishou.rooms), err
	})
	return errors.Join(err, s.recover(ctx))
}

// chooseMishaps chooses two to four, of different parts.
func (s *stage) chooseMishaps() []mishap {
	lists := mishaps()
	var chosen []mishap
	for _, i := range s.random.Perm(len(lists))[:2+s.random.IntN(len(lists)-1)] {
		chosen = append(chosen, lists[i][s.random.IntN(len(lists[i]))])
	}
	return chosen
}

// happen breaks, waits and mends.
func (m mishap) happen(ctx context.Context, s *stage, after, lasts time.Duration) error {
	if err := process.Pause(ctx, after); err != nil {
		return err
	}
	err := m.breaks(ctx, s)
	if err == nil {
		err = process.Pause(ctx, lasts)
	}
	if err := errors.Join(err, m.mend(ctx, s)); err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	return nil
}
