package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"kslive/internal/process"
)

var endToEndBenchmark = benchmark{
	name: "end-to-end",
	about: "A simulator that pushes the frames of the corpus, a worker and the engines, each a process of its own: from the socket until " +
		"ClickHouse has taken the rows. An event is a row of what somebody did: neither counters nor the hidden comment that comes with a " +
		"like. CPU is that of each process per event. Lag is from a frame's receipt until its rows can be queried.",
	run: runEndToEnd,
}

// setting is one form of the benchmark.
type setting struct {
	rooms  int
	secure bool
	events float64 // a second, about
	lasts  time.Duration
	// The targets at this rate: the lag's 99th percentile in seconds, 0: none.
	lag float64
}

func (p setting) String() string {
	over := "plain"
	if p.secure {
		over = "TLS"
	}
	if p.events != ordinary {
		over += fmt.Sprintf(", %.0f events/s", p.events)
	}
	return fmt.Sprintf("%d rooms, %s", p.rooms, over)
}

// ordinary is how many events a second most settings have.
const ordinary = 20_000

// eventsPerFrame is about how many the corpus has.
const eventsPerFrame = 5.8

func runEndToEnd(ctx context.Context, b *bench) (err error) {
	s, err := b.openStage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	lasts, most := 10*time.Second, 1_000
	if b.full {
		lasts, most = time.Minute, 10_000
	}
	spent := make(map[setting]float64) // CPU of the worker and the engine per event
	for rooms := 1; rooms <= most; {
		for _, secure := range []bool{false, true} {
			p := setting{rooms: rooms, secure: secure, events: ordinary, lasts: lasts, lag: 1.5}
			if p.rooms, err = withinFiles(rooms); err != nil {
				return err
			}
			if spent[setting{rooms: rooms, secure: secure}], err = s.endToEnd(ctx, p); err != nil {
				return fmt.Errorf("%v: %w", p, err)
			}
		}
		rooms = map[int]int{1: 100, 100: 1_000, 1_000: 10_000, 10_000: 100_000}[rooms]
	}
	few, many := spent[setting{rooms: 100, secure: true}], spent[setting{rooms: most, secure: true}]
	s.b.report(result{
		What: fmt.Sprintf("CPU per event, %d rooms by 100", most), Value: many / few, Unit: "times", Target: atMost(1.25, many/few),
	})
	if !b.full {
		return nil
	}
	_, err = s.endToEnd(ctx, setting{rooms: 1_000, secure: true, events: 200_000, lasts: 10 * time.Minute, lag: 3})
	return err
}

// endToEnd measures one setting, and answers the CPU time per event of the worker
// and the engine in us.
func (s *stage) endToEnd(ctx context.Context, p setting) (spent float64, err error) {
	frames := p.events / eventsPerFrame / float64(p.rooms) // a second and room
	every := max(10*time.Millisecond, time.Duration(float64(time.Second)/frames))
	simulate := []string{"--push-every", every.String(), "--rate", strconv.FormatFloat(frames, 'g', -1, 64)}
	if err := s.play(ctx, p.rooms, p.secure, simulate, nil); err != nil {
		return 0, err
	}
	if _, err := s.watch(ctx); err != nil {
		return 0, err
	}
	if err := process.Pause(ctx, 5*time.Second); err != nil {
		return 0, err
	}
	l, err := s.load(ctx, p.lasts)
	if err != nil {
		return 0, err
	}
	s.reportLoad(p, l)
	return (l.worker + l.engine).Seconds() * 1e6 / l.events, s.strike(ctx)
}

// load is what happened for a while.
type load struct {
	wall                      time.Duration
	frames, rows, events      float64
	worker, engine, simulator time.Duration // CPU
	lag                       [3]float64    // p50, p95, p99 in seconds
	spool                     float64       // bytes at most
	behind                    float64       // bytes in it at the end
	memory                    int64         // of the worker, at most
	parts                     []float64     // of the partition that has most, by the time
}

// load watches the worker for a while.
func (s *stage) load(ctx context.Context, lasts time.Duration) (l load, err error) {
	before, err := s.read(ctx)
	if err != nil {
		return l, err
	}
	cpu, err := s.cpu()
	if err != nil {
		return l, err
	}
	began := time.Now()
	for now := before; time.Since(began) < lasts; {
		if err := process.Pause(ctx, time.Second); err != nil {
			return l, err
		}
		if now, err = s.read(ctx); err != nil {
			return l, err
		}
		l.behind = now.sum("ingest_spool_bytes")
		l.spool = max(l.spool, l.behind)
		memory, err := process.Memory(s.worker.PID())
		if err != nil {
			return l, err
		}
		l.memory = max(l.memory, memory)
		parts, err := s.number(ctx, "SELECT max(n) FROM (SELECT count() AS n FROM system.parts WHERE active AND database = '"+s.database+"' GROUP BY table, partition)")
		if err != nil {
			return l, err
		}
		l.parts = append(l.parts, parts)
	}
	after, err := s.cpu()
	if err != nil {
		return l, err
	}
	l.wall, l.worker, l.engine, l.simulator = time.Since(began), after[0]-cpu[0], after[1]-cpu[1], after[2]-cpu[2]
	now, err := s.read(ctx)
	if err != nil {
		return l, err
	}
	l.frames = now.sum("ingest_frames_total") - before.sum("ingest_frames_total")
	l.rows, l.events = now.sum("ingest_rows_total")-before.sum("ingest_rows_total"), now.events()-before.events()
	for i, q := range []float64{0.5, 0.95, 0.99} {
		l.lag[i] = now.quantile("ingest_lag_seconds", q, before)
	}
	if l.events <= 0 {
		return l, errors.New("no rows were stored")
	}
	return l, nil
}

// cpu is the CPU time so far of the worker, ClickHouse and the simulator.
func (s *stage) cpu() (times [3]time.Duration, err error) {
	for i, pid := range []int{s.worker.PID(), s.clickhouse.Pid(), s.simulated.PID()} {
		if times[i], err = process.CPU(pid); err != nil {
			return times, err
		}
	}
	return times, nil
}

func (s *stage) reportLoad(p setting, l load) {
	report := func(what string, value float64, unit, target, note string) {
		s.b.report(result{What: fmt.Sprintf("%v, %s", p, what), Value: value, Unit: unit, Target: target, Note: note})
	}
	seconds := l.wall.Seconds()
	rate := l.events / seconds
	report("events", rate, "events/s", atLeast(0.95*p.events, rate), fmt.Sprintf("%.0f frames and %.0f rows a second, for %.0f s", l.frames/seconds, l.rows/seconds, seconds))
	us := func(cpu time.Duration) float64 { return cpu.Seconds() * 1e6 / l.events }
	report("CPU, ingest", us(l.worker), "us/event", "", fmt.Sprintf("%.1f us a frame, %d MiB of memory at most", l.worker.Seconds()*1e6/l.frames, l.memory>>20))
	report("CPU, ClickHouse", us(l.engine), "us/event", "", "with the merges of that time")
	report("CPU, simulator", us(l.simulator), "us/event", "", "")
	report("lag, p99", l.lag[2], "s", atMost(p.lag, l.lag[2]), fmt.Sprintf("p50 %s s, p95 %s s", figure(l.lag[0]), figure(l.lag[1])))
	third := max(1, len(l.parts)/3)
	report("parts in a partition, at most", most(l.parts), "parts", "", fmt.Sprintf("%.0f in the first third, %.0f in the last", most(l.parts[:third]), most(l.parts[len(l.parts)-third:])))
	report("spool, at most", l.spool/(1<<20), "MiB", "", fmt.Sprintf("%.1f MiB at the end", l.behind/(1<<20)))
}

func most(values []float64) (most float64) {
	for _, value := range values {
		most = max(most, value)
	}
	return most
}
