package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"kslive/internal/process"
)

// postgresScenarios break the store of rooms and leases. What was sent must be
// stored: a worker that leaves a room reads on until the server has closed.
func postgresScenarios() []*scenario {
	return []*scenario{
		{name: "postgres-stopped", alone: true, breaks: "Postgres is stopped (SIGSTOP) for longer than the leases", short: true, inject: freezePostgres},
		{name: "postgres-refuses", breaks: "Postgres refuses connections for longer than the leases", inject: refusePostgres},
		{name: "postgres-restarted", alone: true, breaks: "Postgres crashes (kill -9 of a backend) and recovers", flags: []string{"--lease=" + usualLease.String()}, inject: restartPostgres},
		{name: "postgres-slow", breaks: "Postgres hears everything half a second late", inject: slowPostgres},
		{name: "postgres-claim-cut", breaks: "connections break in the middle of claims: Postgres has them, the worker does not know", inject: cutClaims},
		{name: "postgres-emptied", breaks: "Postgres fails over to an empty database, and back", inject: emptyPostgres},
	}
}

// outage keeps Postgres away for longer than the leases: every room is left, as
// gaps tells, and none is lost.
func (s *stage) outage(ctx context.Context, breaks, mend func() error) error {
	if err := breaks(); err != nil {
		return fmt.Errorf("breaking: %w", err)
	}
	s.injected++
	err := s.connected(ctx, 0)
	s.silences = append(s.silences, time.Now())
	if err == nil {
		err = process.Pause(ctx, s.span(time.Second, 20*time.Second))
	}
	if err := errors.Join(err, mend()); err != nil {
		return fmt.Errorf("mending: %w", err)
	}
	if err := s.recover(ctx); err != nil {
		return err
	}
	return s.connected(ctx, len(s.kuaishou.rooms))
}

// postgresPIDs are all processes of the engine.
func (s *stage) postgresPIDs(ctx context.Context) ([]int, error) {
	return descendants(ctx, s.engines.child.PID(), "postgres")
}

func freezePostgres(ctx context.Context, s *stage) error {
	pids, err := s.postgresPIDs(ctx)
	if err != nil {
		return err
	}
	return s.outage(ctx,
		func() error { return signalAll(pids, syscall.SIGSTOP) },
		func() error { return signalAll(pids, syscall.SIGCONT) })
}

func refusePostgres(ctx context.Context, s *stage) error {
	return s.outage(ctx, func() error { s.postgresProxy.close(); return nil }, s.postgresProxy.open)
}

// restartPostgres kills one backend, whereupon Postgres ends all others and
// recovers as after a crash. Rooms stay connected meanwhile.
func restartPostgres(ctx context.Context, s *stage) error {
	for range s.times(2, 20) {
		if err := s.wait(ctx, time.Second, 3*time.Second); err != nil {
			return err
		}
		var pid string
		err := process.Until(ctx, patience, time.Second, "the worker has a connection to Postgres", func() (ok bool, err error) {
			pid, err = s.lookUp(ctx, "SELECT coalesce(min(pid), 0)::text FROM pg_stat_activity WHERE application_name LIKE 'ingest %'")
			return err == nil && pid != "0", err
		})
		if err == nil {
			err = s.terminate(pid)
		}
		if err != nil {
			return err
		}
		s.injected++
		if err := s.recover(ctx); err != nil {
			return err
		}
		open, err := s.kuaishou.connections(ctx)
		s.expect(err != nil || open == len(s.kuaishou.rooms), "only %d rooms stayed connected while Postgres recovered", open)
	}
	return nil
}

func (s *stage) terminate(pid string) error {
	var backend int
	if _, err := fmt.Sscan(pid, &backend); err != nil {
		return fmt.Errorf("reading the number of a process: %w", err)
	}
	return signalAll([]int{backend}, syscall.SIGKILL)
}

func slowPostgres(ctx context.Context, s *stage) error {
	return s.during(ctx, s.span(3*lease, time.Minute),
		func() error { s.postgresProxy.setDelay(500 * time.Millisecond); return nil },
		func() error { s.postgresProxy.setDelay(0); return nil })
}

// cutClaims has all rooms given back and claimed again on connections that
// break. The claims that nobody knows of end with their leases.
func cutClaims(ctx context.Context, s *stage) error {
	s.postgresProxy.setCutClaim(true)
	err := s.execute(ctx, "UPDATE lives SET enabled = false")
	if err == nil {
		err = s.connected(ctx, 0)
	}
	if err == nil {
		err = s.execute(ctx, "UPDATE lives SET enabled = true")
	}
	if err == nil {
		err = process.Pause(ctx, s.span(5*time.Second, 20*time.Second))
	}
	s.postgresProxy.setCutClaim(false)
	s.injected += s.postgresProxy.claimsCut()
	if err != nil {
		return err
	}
	healed := time.Now()
	if err := s.connected(ctx, len(s.kuaishou.rooms)); err != nil {
		return err
	}
	took := time.Since(healed)
	s.expect(took < lease+5*time.Second, "claims that the worker did not know of kept rooms unheard for %v", took.Round(time.Second))
	return s.recover(ctx)
}

// emptyPostgres puts an empty database in the place of the worker's. It must
// say so, and a worker that starts meanwhile must refuse.
func emptyPostgres(ctx context.Context, s *stage) error {
	w := s.workers[0]
	admin := strings.TrimPrefix(s.engines.postgres.Path, "/")
	swap := func(statements ...string) error {
		s.postgresProxy.close() // a database that is in use cannot be renamed
		for _, sql := range statements {
			if err := s.exec(ctx, admin, sql); err != nil {
				return err
			}
		}
		return s.postgresProxy.open()
	}
	away := s.name + "_away"
	err := s.outage(ctx, func() error {
		return swap("ALTER DATABASE "+s.name+" RENAME TO "+away, "CREATE DATABASE "+s.name)
	}, func() error {
		late := newWorker(s, "late", nil)
		err := late.start()
		if err == nil {
			err = s.refusedToStart(ctx, late.child, "ingest migrate")
		}
		return errors.Join(err, swap("DROP DATABASE "+s.name, "ALTER DATABASE "+away+" RENAME TO "+s.name))
	})
	s.expect(w.child.Said("the tables are missing or old: run `ingest migrate`"), "the log does not say that the database is empty")
	return err
}
