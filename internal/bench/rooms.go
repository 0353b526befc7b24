package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"kslive/internal/process"
	"kslive/internal/simulator"
)

var roomsBenchmark = benchmark{
	name: "rooms",
	about: "One worker and many rooms over TLS: from a cold start, with look-ups that cost no waiting, until all are heard; idle, with a " +
		"heartbeat every 20 s; a thousand that end at once; and at one frame a second each, with ClickHouse frozen, so that what is measured " +
		"ends with the spool's segments. Memory is resident memory above what the worker has before it knows of a room.",
	run: runRooms,
}

func runRooms(ctx context.Context, b *bench) (err error) {
	rooms, rest := 200, 10*time.Second
	if b.full {
		rooms, rest = 10_000, time.Minute
	}
	if rooms, err = withinFiles(rooms); err != nil {
		return err
	}
	s, err := b.openStage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.idleRooms(ctx, rooms, rest); err != nil {
		return err
	}
	return s.busyRooms(ctx, rooms, rest)
}

// withinFiles is how many of so many rooms one process may have sockets of.
func withinFiles(rooms int) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("asking how many files a process may open: %w", err)
	}
	const others = 500
	return int(min(uint64(rooms), max(limit.Max, others)-others)), nil
}

// idleRooms measures rooms that say nothing.
func (s *stage) idleRooms(ctx context.Context, rooms int, rest time.Duration) error {
	// A rate of hundreds of frames a push would have the simulator drop the socket.
	if err := s.play(ctx, rooms, true, []string{"--push-every=1h", "--rate=0.0001"}, nil); err != nil {
		return err
	}
	base, err := process.Memory(s.worker.PID())
	if err != nil {
		return err
	}
	before, err := process.CPU(s.worker.PID())
	if err != nil {
		return err
	}
	took, err := s.watch(ctx)
	if err != nil {
		return err
	}
	after, err := process.CPU(s.worker.PID())
	if err != nil {
		return err
	}
	calls, err := s.kuaishou.Calls(ctx)
	if err != nil {
		return err
	}
	burst := simulator.TrafficBy(calls, time.Second, func(c simulator.Call) string { return c.Name })[simulator.CallSocket].Busiest
	s.report(rooms, "from a cold start until all are heard", took.Seconds(), "s", 60)
	s.report(rooms, "most sockets opened in one second", float64(burst), "sockets", 0)
	s.report(rooms, "CPU to look a room up and enter it", perRoom(after-before, rooms), "ms", 0)
	if err := s.rest(ctx, rooms, base, rest); err != nil {
		return err
	}
	if err := s.endMany(ctx, min(1000, rooms/2)); err != nil {
		return err
	}
	return s.strike(ctx)
}

// rest measures what the rooms cost when nothing happens.
func (s *stage) rest(ctx context.Context, rooms int, base int64, lasts time.Duration) error {
	if err := process.Pause(ctx, 10*time.Second); err != nil { // what entering them has left behind
		return err
	}
	before, err := process.CPU(s.worker.PID())
	if err != nil {
		return err
	}
	if err := process.Pause(ctx, lasts); err != nil {
		return err
	}
	after, err := process.CPU(s.worker.PID())
	if err != nil {
		return err
	}
	memory, err := process.Memory(s.worker.PID())
	if err != nil {
		return err
	}
	s.report(rooms, "idle, CPU", 1000*perRoom(after-before, rooms)/lasts.Seconds(), "us/s and room", 0)
	s.report(rooms, "idle, memory", float64(memory-base)/1024/float64(rooms), "KiB/room", 0)
	return nil
}

// endMany ends many rooms at once, and waits until the worker has given them back.
func (s *stage) endMany(ctx context.Context, ending int) error {
	before, err := process.CPU(s.worker.PID())
	if err != nil {
		return err
	}
	began := time.Now()
	var asking errgroup.Group
	asking.SetLimit(8)
	for _, room := range s.rooms[:ending] {
		asking.Go(func() error { return s.kuaishou.End(ctx, room) })
	}
	if err := asking.Wait(); err != nil {
		return err
	}
	ended := time.Since(began)
	err = process.Until(ctx, patience, 100*time.Millisecond, "the rooms that have ended are given back", func() (bool, error) {
		var given int
		err := s.lookUp(ctx, s.database, "SELECT count(*) FROM live_state WHERE state = 'ended' AND owner IS NULL", &given)
		return given >= ending, err
	})
	if err != nil {
		return err
	}
	took := time.Since(began)
	after, err := process.CPU(s.worker.PID())
	if err != nil {
		return err
	}
	what := fmt.Sprintf("%s end at once, until all are given back", figure(float64(ending)))
	s.b.report(result{What: what, Value: took.Seconds(), Unit: "s", Note: fmt.Sprintf("they ended within %.1f s", ended.Seconds())})
	s.b.report(result{What: what + ", CPU", Value: perRoom(after-before, ending), Unit: "ms/room"})
	return nil
}

// busyRooms measures rooms at one frame a second each, as far as the spool.
func (s *stage) busyRooms(ctx context.Context, rooms int, lasts time.Duration) error {
	if err := s.play(ctx, rooms, true, []string{"--push-every=1s", "--rate=1"}, nil); err != nil {
		return err
	}
	base, err := process.Memory(s.worker.PID())
	if err != nil {
		return err
	}
	if _, err := s.watch(ctx); err != nil {
		return err
	}
	engine := s.clickhouse.Pid()
	if err := syscall.Kill(engine, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("freezing ClickHouse: %w", err)
	}
	defer syscall.Kill(engine, syscall.SIGCONT)               // also when the work below fails
	if err := process.Pause(ctx, 5*time.Second); err != nil { // until the loader waits
		return err
	}
	m, err := s.read(ctx)
	if err != nil {
		return err
	}
	before, err := process.CPU(s.worker.PID())
	if err != nil {
		return err
	}
	began := time.Now()
	var peak int64
	for time.Since(began) < lasts {
		if err := process.Pause(ctx, time.Second); err != nil {
			return err
		}
		memory, err := process.Memory(s.worker.PID())
		if err != nil {
			return err
		}
		peak = max(peak, memory)
	}
	after, err := process.CPU(s.worker.PID())
	if err != nil {
		return err
	}
	wall := time.Since(began)
	now, err := s.read(ctx)
	if err != nil {
		return err
	}
	const counter = "ingest_frames_total"
	frames := now.sum(counter) - m.sum(counter)
	s.report(rooms, "at a frame a second, from socket to segment, CPU", float64((after-before).Microseconds())/frames, "us/frame", 15)
	s.report(rooms, "at a frame a second, CPU", (after-before).Seconds()/wall.Seconds(), "cores", 0.5)
	s.report(rooms, "at a frame a second, frames", frames/wall.Seconds(), "frames/s", 0)
	s.report(rooms, "at a frame a second, memory above the base", float64(peak-base)/(1<<20), "MiB", 400)
	if err := syscall.Kill(engine, syscall.SIGCONT); err != nil {
		return fmt.Errorf("waking ClickHouse: %w", err)
	}
	return s.strike(ctx)
}

// report reports a figure. Its limit, if any, is for 10,000 rooms.
func (s *stage) report(rooms int, what string, value float64, unit string, limit float64) {
	r := result{What: fmt.Sprintf("%d rooms, %s", rooms, what), Value: value, Unit: unit}
	if limit > 0 && rooms == 10_000 {
		r.Target = atMost(limit, value)
	} else if limit > 0 {
		r.Note = fmt.Sprintf("with 10,000 rooms at most %s", figure(limit))
	}
	s.b.report(r)
}

// perRoom is CPU time in ms for each.
func perRoom(cpu time.Duration, rooms int) float64 {
	return float64(cpu.Microseconds()) / 1000 / float64(rooms)
}
