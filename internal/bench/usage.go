package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"

	"kslive/internal/process"
)

// usage is what something took: CPU time of all threads, the kernel's for them
// included, and time on the clock.
type usage struct{ cpu, wall time.Duration }

// meter measures usage of this process and of others.
type meter struct {
	pids []int
	at   time.Time
	cpu  time.Duration
}

// startMeter begins to measure this process and those with pids.
func startMeter(pids ...int) (meter, error) {
	cpu, err := cpuOf(pids)
	return meter{pids: pids, at: time.Now(), cpu: cpu}, err
}

// stop is the usage since the meter was started.
func (m meter) stop() (usage, error) {
	wall := time.Since(m.at)
	cpu, err := cpuOf(m.pids)
	return usage{cpu: cpu - m.cpu, wall: wall}, err
}

// cpuOf is the CPU time so far of this process and of those with pids.
func cpuOf(pids []int) (time.Duration, error) {
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return 0, fmt.Errorf("reading the CPU time: %w", err)
	}
	sum := time.Duration(own.Utime.Nano() + own.Stime.Nano())
	for _, pid := range pids {
		cpu, err := process.CPU(pid)
		if err != nil {
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}

// way is one of several that do the same work. It answers what it took.
type way func() (usage, error)

// self measures work of this process alone. Garbage of what went before is
// collected first, so that each way pays for its own.
func self(work func() error) way {
	return func() (usage, error) {
		runtime.GC()
		m, err := startMeter()
		if err != nil {
			return usage{}, err
		}
		if err := work(); err != nil {
			return usage{}, err
		}
		return m.stop()
	}
}

// sideBySide goes each way once a round, in turn, after one round that does not
// count, and answers the medians.
func sideBySide(ctx context.Context, rounds int, ways ...way) ([]usage, error) {
	all := make([][]usage, len(ways))
	for round := range rounds + 1 {
		for i, try := range ways {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			took, err := try()
			if err != nil {
				return nil, err
			}
			if round > 0 {
				all[i] = append(all[i], took)
			}
		}
	}
	medians := make([]usage, len(ways))
	for i := range all {
		medians[i] = usage{cpu: median(all[i], func(u usage) time.Duration { return u.cpu }), wall: median(all[i], func(u usage) time.Duration { return u.wall })}
	}
	return medians, nil
}

func median[T any](all []T, of func(T) time.Duration) time.Duration {
	values := make([]time.Duration, 0, len(all))
	for _, u := range all {
		values = append(values, of(u))
	}
	slices.Sort(values)
	return values[len(values)/2]
}
