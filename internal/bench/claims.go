package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"kslive/ingest"
	"kslive/internal/process"
	"kslive/migrations"
)

var claimsBenchmark = benchmark{
	name: "claims",
	about: "Many rows in lives and ten workers, each of which holds a tenth of them. First the calls of one of them, one by one; then ten " +
		"`ingest run` that hold all rows and have nothing to do, since their look-ups wait for their turn: what Postgres, all its processes " +
		"together, does then.",
	run: runClaims,
}

const claimWorkers = 10

func runClaims(ctx context.Context, b *bench) (err error) {
	lives, rest := 20_000, 30*time.Second
	if b.full {
		lives, rest = 100_000, 2*time.Minute
	}
	s, err := b.openStage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.claimCalls(ctx, lives); err != nil {
		return err
	}
	return s.claimRest(ctx, lives, rest)
}

// insertLives makes the tables in a database of Postgres, and so many rooms.
func (s *stage) insertLives(ctx context.Context, database string, lives int) error {
	return s.execute(ctx, database, "INSERT INTO lives (live_id) SELECT 'live' || n FROM generate_series(1, $1) n", lives)
}

// claimCalls measures the calls of a worker that holds a tenth of the lives.
func (s *stage) claimCalls(ctx context.Context, lives int) (err error) {
	const database = "calls"
	if err := s.execute(ctx, "kslive", "CREATE DATABASE "+database); err != nil {
		return err
	}
	address := onDatabase(s.postgres.URL(), database)
	if err := migrations.Postgres(ctx, address, s.b.log); err != nil {
		return err
	}
	if err := s.insertLives(ctx, database, lives); err != nil {
		return err
	}
	var one *ingest.Lives
	var held map[int64]int64
	share := lives / claimWorkers
	for i := range claimWorkers {
		l, err := ingest.OpenLives(ctx, ingest.LivesOptions{URL: address, Worker: fmt.Sprint("worker", i), Lease: time.Hour, Logger: s.b.log})
		if err != nil {
			return err
		}
		defer l.Close()
		if _, err := l.Register(ctx, lives); err != nil {
			return err
		}
		var claimed []ingest.Live
		took, err := s.call(ctx, database, func() (err error) {
			claimed, err = l.Claim(ctx, ingest.Claims{Limit: share})
			return err
		})
		if err != nil || len(claimed) != share {
			return fmt.Errorf("%d of %d lives were claimed: %w", len(claimed), share, err)
		}
		if one == nil {
			one, held = l, make(map[int64]int64, share)
			for _, live := range claimed {
				held[live.ID] = live.Epoch
			}
			s.reportCall(lives, share, "claim", []call{took})
		}
	}
	var ids []int64
	for id := range held {
		ids = append(ids, id)
	}
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"renewal", func() error { _, _, err := one.Renew(ctx, held, lives); return err }},
		{"poll: what is not wanted any more", func() error { _, _, err := one.Unwanted(ctx, held); return err }},
		{"poll: who holds how much", func() error { _, err := one.Load(ctx); return err }},
		{"poll: claim of nothing", func() error { _, err := one.Claim(ctx, ingest.Claims{Limit: lives, Except: ids}); return err }},
	} {
		var took []call
		for range 5 {
			one, err := s.call(ctx, database, c.call)
			if err != nil {
				return err
			}
			took = append(took, one)
		}
		s.reportCall(lives, share, c.name, took)
	}
	return nil
}

// call is what a call took.
type call struct {
	usage       // of Postgres
	wal   int64 // bytes
}

// call measures a call.
func (s *stage) call(ctx context.Context, database string, do func() error) (c call, err error) {
	before, err := s.walPosition(ctx, database)
	if err != nil {
		return c, err
	}
	cpu, err := process.FamilyCPU(s.postgres.Pid())
	if err != nil {
		return c, err
	}
	began := time.Now()
	if err := do(); err != nil {
		return c, err
	}
	c.wall = time.Since(began)
	after, err := process.FamilyCPU(s.postgres.Pid())
	if err != nil {
		return c, err
	}
	c.cpu = after - cpu
	now, err := s.walPosition(ctx, database)
	c.wal = now - before
	return c, err
}

func (s *stage) walPosition(ctx context.Context, database string) (bytes int64, err error) {
	err = s.lookUp(ctx, database, "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint", &bytes)
	return bytes, err
}

func (s *stage) reportCall(lives, share int, name string, took []call) {
	of := func(pick func(call) float64) float64 {
		values := make([]usage, len(took))
		for i, c := range took {
			values[i].wall = time.Duration(pick(c))
		}
		return float64(median(values, func(u usage) time.Duration { return u.wall }))
	}
	s.b.report(result{
		What: fmt.Sprintf("%d lives, %s", lives, name), Value: of(func(c call) float64 { return float64(c.wall) }) / 1e6, Unit: "ms",
		Note: fmt.Sprintf("%d rows held; CPU of Postgres %.0f ms, WAL %.0f KiB", share,
			of(func(c call) float64 { return float64(c.cpu) })/1e6, of(func(c call) float64 { return float64(c.wal) })/1024),
	})
}

// claimRest measures ten workers at rest.
func (s *stage) claimRest(ctx context.Context, lives int, lasts time.Duration) (err error) {
	const database = "rest"
	if err := errors.Join(s.execute(ctx, "kslive", "CREATE DATABASE "+database), s.migrate(ctx, database)); err != nil {
		return err
	}
	var workers []*process.Process
	defer func() {
		for _, w := range workers {
			w.Kill()
		}
	}()
	for i := range claimWorkers {
		w, err := s.program.Start(fmt.Sprint("worker", i), "run",
			"--data-dir", filepath.Join(s.b.dir, fmt.Sprint("worker", i)), fmt.Sprint("--worker=worker", i), "--kuaishou-url=http://127.0.0.1:9",
			"--postgres", onDatabase(s.postgres.URL(), database), "--clickhouse", s.clickhouse.DSN(), "--no-migrate",
			"--http-listen=", "--page-interval=1h", "--max-rooms", strconv.Itoa(lives), "--log-level=warn")
		if err != nil {
			return err
		}
		workers = append(workers, w)
	}
	wait := func(what, sql string, want int) error {
		return process.Until(ctx, patience, time.Second, what, func() (bool, error) {
			var n int
			err := s.lookUp(ctx, database, sql, &n)
			for _, w := range workers {
				err = errors.Join(err, w.Alive())
			}
			return n >= want, err
		})
	}
	if err := wait("all workers have registered", "SELECT count(*) FROM workers", claimWorkers); err != nil {
		return err
	}
	// All but the ten whose turn it is, of which nothing can be learned.
	began := time.Now()
	if err := s.insertLives(ctx, database, lives); err != nil {
		return err
	}
	if err := wait("the lives are claimed", "SELECT count(*) FROM live_state WHERE owner IS NOT NULL", lives-2*claimWorkers); err != nil {
		return err
	}
	s.b.report(result{What: fmt.Sprintf("%d lives, inserted at once, until ten workers have claimed them", lives), Value: time.Since(began).Seconds(), Unit: "s"})
	return s.measureRest(ctx, database, lives, lasts)
}

// migrate makes the tables of both engines.
func (s *stage) migrate(ctx context.Context, database string) error {
	return migrations.Run(ctx, onDatabase(s.postgres.URL(), database), s.clickhouse.DSN(), s.b.log)
}

// measureRest measures what Postgres does for a while.
func (s *stage) measureRest(ctx context.Context, database string, lives int, lasts time.Duration) error {
	// What claiming left behind is vacuumed first.
	if err := process.Pause(ctx, 90*time.Second); err != nil {
		return err
	}
	var updated, hot, dead [2]int64
	const written = "SELECT sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint, sum(n_dead_tup)::bigint FROM pg_stat_user_tables"
	look := func(i int) error { return s.lookUp(ctx, database, written, &updated[i], &hot[i], &dead[i]) }
	if err := look(0); err != nil {
		return err
	}
	took, err := s.call(ctx, database, func() error { return process.Pause(ctx, lasts) })
	if err != nil {
		return err
	}
	if err := look(1); err != nil {
		return err
	}
	seconds := took.wall.Seconds()
	share := 100 * took.cpu.Seconds() / seconds
	r := result{What: fmt.Sprintf("%d lives, ten workers at rest, CPU of Postgres", lives), Value: share, Unit: "% of a core", Target: atMost(5, share)}
	r.Note = fmt.Sprintf("%.0f rows updated a second, %.0f %% of them in place, WAL %.0f KiB/s, %d dead rows",
		float64(updated[1]-updated[0])/seconds, 100*float64(hot[1]-hot[0])/max(1, float64(updated[1]-updated[0])), float64(took.wal)/1024/seconds, dead[1])
	s.b.report(r)
	return nil
}
