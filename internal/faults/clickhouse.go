package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"kslive/internal/process"
)

// clickhouseScenarios break the store of rows. Where the engine itself can be
// brought to fail, it does; the proxy plays the rest.
func clickhouseScenarios() []*scenario {
	return []*scenario{
		{name: "clickhouse-stopped", alone: true, breaks: "ClickHouse is stopped for minutes (SIGSTOP)", inject: freezeEngine},
		{
			name: "clickhouse-refuses", breaks: "ClickHouse refuses connections for a while", short: true,
			inject: func(ctx context.Context, s *stage) error {
				return s.during(ctx, s.span(5*time.Second, 30*time.Second),
					func() error { s.clickhouseProxy.close(); return nil }, s.clickhouseProxy.open)
			},
		},
		{name: "clickhouse-killed", alone: true, breaks: "ClickHouse is killed (kill -9) in the middle of inserts, and comes up again", short: true, inject: killEngine},
		{name: "clickhouse-cut", breaks: "connections break in the middle of an insert's rows", inject: tricked(cutInsert(nil))},
		{name: "clickhouse-done-but-no", breaks: "inserts are done, and the connection breaks before the answer", short: true, inject: tricked(loseAnswer)},
		{name: "clickhouse-late", breaks: "inserts are done, and answered after the worker gave up", flags: impatient, inject: tricked(answerLate)},
		{name: "clickhouse-hangs", breaks: "ClickHouse takes every request and never answers", flags: impatient, inject: tricked(hang)},
		{name: "clickhouse-slow", breaks: "every answer of ClickHouse takes a second", inject: tricked(slow(time.Second))},
		{name: "clickhouse-read-only", breaks: "inserts are answered with 242 TABLE_IS_READ_ONLY", short: true, inject: tricked(say(242, "TABLE_IS_READ_ONLY", notDone))},
		{name: "clickhouse-no-but-done", breaks: "inserts are done, and answered with 319 UNKNOWN_STATUS_OF_INSERT", inject: tricked(say(319, "UNKNOWN_STATUS_OF_INSERT", done))},
		{name: "clickhouse-password", breaks: "the password is wrong for a while: all is answered with 516 AUTHENTICATION_FAILED", inject: tricked(say(516, "AUTHENTICATION_FAILED", everything)), check: shouted},
		{name: "clickhouse-memory", breaks: "the engine's memory limit refuses inserts (241)", inject: tricked(with("max_memory_usage=1000"))},
		{name: "clickhouse-parts", breaks: "a table has too many parts (252)", inject: altered(
			"ALTER TABLE comments MODIFY SETTING parts_to_throw_insert = 1", "ALTER TABLE comments RESET SETTING parts_to_throw_insert")},
		{name: "clickhouse-no-table", breaks: "a table is missing (60)", short: true, inject: altered(
			"RENAME TABLE comments TO comments_away", "RENAME TABLE comments_away TO comments"), check: shouted},
		{name: "clickhouse-no-column", breaks: "a column is missing (16)", inject: renamed, check: shouted},
		{
			name: "clickhouse-bad-row", breaks: "a few rows in good batches are refused (469): they alone are in dead_letters", short: true, refused: true,
			inject: altered("ALTER TABLE comments ADD CONSTRAINT picky CHECK event_id % 97 != 0", "ALTER TABLE comments DROP CONSTRAINT picky"),
			check: func(ctx context.Context, s *stage) error {
				wrong, err := s.number(ctx, "SELECT countIf(JSONExtractUInt(row, 'event_id') % 97 != 0 OR table_name != 'comments' OR frame = '') FROM dead_letters")
				s.expect(wrong == 0, "%d dead letters are not rows that the constraint refuses, with their frames", wrong)
				return err
			},
		},
	}
}

// impatient workers give an insert up soon.
var impatient = []string{"--insert-timeout=2s"}

// tricked has the proxy play a trick for a while.
func tricked(t trick) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		before := s.clickhouseProxy.spoiled()
		err := s.during(ctx, s.span(5*time.Second, 15*time.Second),
			func() error { s.clickhouseProxy.play(t); return nil },
			func() error { s.clickhouseProxy.play(nil); return nil })
		s.injected += s.clickhouseProxy.spoiled() - before - 1 // during counted one
		return err
	}
}

// altered changes a table for a while.
func altered(breaks, mends string) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		return s.during(ctx, s.span(5*time.Second, 15*time.Second),
			func() error { return s.do(ctx, breaks) }, func() error { return s.do(ctx, mends) })
	}
}

// renamed takes a column away. A column is renamed by a merge.
func renamed(ctx context.Context, s *stage) error {
	if err := s.do(ctx, "SYSTEM START MERGES "+s.name+".comments"); err != nil {
		return err
	}
	return altered("ALTER TABLE comments RENAME COLUMN content TO content_away", "ALTER TABLE comments RENAME COLUMN content_away TO content")(ctx, s)
}

// during breaks something for a while, mends it and waits until rows are stored.
func (s *stage) during(ctx context.Context, d time.Duration, breaks, mend func() error) error {
	if err := breaks(); err != nil {
		return fmt.Errorf("breaking: %w", err)
	}
	s.injected++
	paused := process.Pause(ctx, d)
	if err := mend(); err != nil {
		return fmt.Errorf("mending: %w", err)
	}
	if paused != nil {
		return paused
	}
	return s.recover(ctx)
}

// shouted expects the log to say that somebody must act.
func shouted(_ context.Context, s *stage) error {
	s.expect(s.workers[0].child.Said("ClickHouse refuses rows until somebody acts"), "the log does not say that somebody must act")
	return nil
}

// clickhousePIDs are the processes of the engine.
func (s *stage) clickhousePIDs(ctx context.Context) ([]int, error) {
	return descendants(ctx, s.engines.child.PID(), "embedded-clickhouse")
}

func freezeEngine(ctx context.Context, s *stage) error {
	pids, err := s.clickhousePIDs(ctx)
	if err != nil {
		return err
	}
	return s.during(ctx, s.span(5*time.Second, 2*time.Minute),
		func() error { return signalAll(pids, syscall.SIGSTOP) },
		func() error { return signalAll(pids, syscall.SIGCONT) })
}

// killEngine kills the engine when it has half of an insert.
func killEngine(ctx context.Context, s *stage) error {
	for range s.times(2, 10) {
		if err := s.wait(ctx, time.Second, 4*time.Second); err != nil {
			return err
		}
		pids, err := s.clickhousePIDs(ctx)
		if err != nil {
			return err
		}
		killed := make(chan error, 1)
		s.clickhouseProxy.play(cutInsert(func() {
			select {
			case killed <- signalAll(pids, syscall.SIGKILL):
			default: // it is dead already
			}
		}))
		select {
		case err = <-killed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		s.clickhouseProxy.play(nil)
		if err != nil {
			return err
		}
		s.injected++
		if err := s.recover(ctx); err != nil {
			return err
		}
	}
	return nil
}
