package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"kslive/internal/process"
	"kslive/schema"
)

// stage is what a scenario plays on: databases of its own in the real engines,
// the proxies before them, a Kuaishou, and workers. It belongs to the goroutine
// that plays the scenario; several goroutines may use the proxies and ask.
type stage struct {
	*databases
	scenario        *scenario
	program         process.Program
	kuaishou        *kuaishou
	clickhouseProxy *clickhouseProxy
	postgresProxy   *postgresProxy
	workers         []*worker
	random          *rand.Rand // everything by chance comes from it, and so from the seed
	minutes         float64    // how long the whole list may take: longer, more faults

	received *received   // what was in the spool of a worker that was killed
	silences []time.Time // when rooms cannot have been heard; gaps must say so

	injected  int           // faults
	recovered time.Duration // the longest from the end of a fault to a new row
	unmet     []error       // expectations
	notes     []string      // said beside the verdict
	immutable []string      // folders that were made read-only
	mounted   []string      // folders on which file systems were mounted
}

// patience is how long things may take to be well again on a machine that is
// slow or busy. How long they took is in the table.
const patience = 5 * time.Minute

// open makes the stage and starts everything on it. The caller must close it.
func open(ctx context.Context, e *engines, sc *scenario, o *options) (_ *stage, err error) {
	s := &stage{scenario: sc, minutes: o.Minutes, random: o.randomOf(sc.name), received: newReceived()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	s.program = process.Program{Binary: o.program.Binary, Dir: filepath.Join(o.dir, sc.name)}
	if err := os.MkdirAll(s.program.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the scenario's folder: %w", err)
	}
	if s.databases, err = e.make(ctx, sc.database()); err != nil {
		return nil, err
	}
	if s.clickhouseProxy, err = newClickhouseProxy(e.clickhouse.Host); err != nil {
		return nil, err
	}
	if s.postgresProxy, err = newPostgresProxy(e.postgres.Host); err != nil {
		return nil, err
	}
	if s.kuaishou, err = startKuaishou(ctx, s.program, s.random.Uint64()>>1, sc.rooms, sc.rate); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	for i := range sc.workers {
		w := newWorker(s, fmt.Sprintf("worker%d", i+1), sc.flags)
		s.workers = append(s.workers, w)
		if err := w.start(); err != nil {
			return nil, err
		}
	}
	return s, s.heard(ctx)
}

// prepare makes the tables and inserts the rooms.
func (s *stage) prepare(ctx context.Context) error {
	migrate, err := s.program.Start("migrate", "migrate",
		"--postgres", s.postgres(s.postgresProxy.address), "--clickhouse", s.clickhouse(s.clickhouseProxy.address))
	if err != nil {
		return err
	}
	defer migrate.Kill()
	if err := migrate.Wait(ctx); err != nil {
		return err
	}
	// A merge would hide a row that was stored twice.
	for _, table := range schema.Tables {
		if err := s.do(ctx, "SYSTEM STOP MERGES "+s.name+"."+table.Name); err != nil {
			return err
		}
	}
	return s.execute(ctx, "INSERT INTO lives (live_id) SELECT unnest($1::text[])", s.kuaishou.rooms)
}

// heard waits until every room is connected and rows are stored.
func (s *stage) heard(ctx context.Context) error {
	return process.Until(ctx, patience, time.Second, "every room is heard and rows are stored", func() (bool, error) {
		open, err := s.kuaishou.connections(ctx)
		if err != nil || open < len(s.kuaishou.rooms) {
			return false, err
		}
		n, err := s.number(ctx, "SELECT count() FROM comments")
		return n > 0, err
	})
}

// connected waits until so many rooms are.
func (s *stage) connected(ctx context.Context, rooms int) error {
	return process.Until(ctx, patience, time.Second, fmt.Sprintf("%d rooms are connected", rooms), func() (bool, error) {
		open, err := s.kuaishou.connections(ctx)
		return open == rooms, err
	})
}

// recover waits until a row is stored that was received after now, when a fault
// has ended, and notes how long that took.
func (s *stage) recover(ctx context.Context) error {
	ended := time.Now()
	query := fmt.Sprintf("SELECT count() FROM comments WHERE received_at > fromUnixTimestamp64Milli(%d)", ended.UnixMilli())
	err := process.Until(ctx, patience, time.Second, "a row is stored that was received after the fault", func() (bool, error) {
		n, err := s.number(ctx, query)
		return n > 0, err
	})
	s.recovered = max(s.recovered, time.Since(ended))
	return err
}

// expect notes an expectation that was not met.
func (s *stage) expect(met bool, format string, args ...any) {
	if !met {
		s.unmet = append(s.unmet, fmt.Errorf(format, args...))
	}
}

// span is d in a full run of 20 minutes, less in a shorter one, but at least low.
func (s *stage) span(low, d time.Duration) time.Duration {
	return max(low, time.Duration(float64(d)*min(1, s.minutes/fullRun)))
}

// times is n in a full run of 20 minutes, and more or less in others.
func (s *stage) times(low, n int) int { return max(low, int(float64(n)*s.minutes/fullRun)) }

// wait waits a random time.
func (s *stage) wait(ctx context.Context, from, to time.Duration) error {
	return process.Pause(ctx, from+time.Duration(s.random.Int64N(int64(to-from)+1)))
}

// close ends everything on the stage at once; its files stay.
func (s *stage) close() error {
	for _, w := range s.workers {
		if w.child != nil {
			w.child.Kill()
		}
	}
	if s.kuaishou != nil {
		s.kuaishou.child.Kill()
	}
	if s.clickhouseProxy != nil {
		s.clickhouseProxy.close()
	}
	if s.postgresProxy != nil {
		s.postgresProxy.close()
	}
	return s.restoreFiles()
}
