package main

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

func clickhouseScenarios() []*scenario {
	return []*scenario{
		{
			name: "clickhouse-stopped", breaks: "ClickHouse is stopped (SIGSTOP) for minutes",
			inject: func(ctx context.Context, s *stage) error {
				pids, err := descendants(ctx, s.engines.child.pid(), "embedded-clickhouse")
				if err != nil {
					return err
				}
				return s.during(ctx, s.span(5*time.Second, 2*time.Minute),
					func() error { return signalAll(pids, syscall.SIGSTOP) },
					func() error { return signalAll(pids, syscall.SIGCONT) })
			},
		},
		{
			name: "clickhouse-refuses", breaks: "ClickHouse refuses connections for a while", short: true,
			inject: func(ctx context.Context, s *stage) error {
				return s.during(ctx, s.span(5*time.Second, 30*time.Second),
					func() error { s.clickhouseProxy.close(); return nil }, s.clickhouseProxy.open)
			},
		},
		{
			name: "clickhouse-killed", breaks: "ClickHouse is killed (kill -9) again and again and comes up again", inject: killEngine,
		},
		played("clickhouse-cut", "connections break in the middle of an insert's rows", cutInsert),
		short(played("clickhouse-done-but-no", "inserts are done and the connection breaks before the answer", loseAnswer)),
		{
			name: "clickhouse-late", breaks: "inserts are done and answered after the worker gave up",
			flags: []string{"--insert-timeout=1s"}, inject: tricked(answerLate),
		},
		{
			name: "clickhouse-hangs", breaks: "ClickHouse takes every request and never answers",
			flags: []string{"--insert-timeout=3s"}, inject: tricked(hang),
		},
		played("clickhouse-slow", "every answer of ClickHouse takes a second", slow(time.Second)),
		short(played("clickhouse-read-only", "inserts are answered with 242 TABLE_IS_READ_ONLY", say(242, "TABLE_IS_READ_ONLY", false))),
		played("clickhouse-no-but-done", "inserts are done and answered with 241 MEMORY_LIMIT_EXCEEDED", say(241, "MEMORY_LIMIT_EXCEEDED", true)),
		played("clickhouse-password", "the password is wrong for a while (516)", say(516, "AUTHENTICATION_FAILED", false)),
	}
}

func short(sc *scenario) *scenario {
	sc.short = true
	return sc
}

// played is a scenario in which the proxy plays a trick for a while.
func played(name, breaks string, t trick) *scenario {
	return &scenario{name: name, breaks: breaks, inject: tricked(t)}
}

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

// during breaks something for a while, mends it and waits until rows are stored.
func (s *stage) during(ctx context.Context, d time.Duration, breaks, mend func() error) error {
	if err := breaks(); err != nil {
		return fmt.Errorf("breaking: %w", err)
	}
	s.injected++
	paused := pause(ctx, d)
	if err := mend(); err != nil {
		return fmt.Errorf("mending: %w", err)
	}
	if paused != nil {
		return paused
	}
	return s.recover(ctx)
}

func killEngine(ctx context.Context, s *stage) error {
	for range s.times(2, 10) {
		if err := s.wait(ctx, time.Second, 4*time.Second); err != nil {
			return err
		}
		pids, err := descendants(ctx, s.engines.child.pid(), "embedded-clickhouse")
		if err != nil {
			return err
		}
		if err := signalAll(pids, syscall.SIGKILL); err != nil {
			return err
		}
		s.injected++
		if err := s.recover(ctx); err != nil {
			return err
		}
	}
	return nil
}
