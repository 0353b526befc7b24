package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"kslive/internal/process"
	"kslive/schema"
)

// soakScenario has one worker hear 500 rooms for so long, while one thing after
// the other goes wrong, and watches its memory and goroutines.
func soakScenario(lasts time.Duration) (*scenario, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("looking for a free port: %w", err)
	}
	address := listener.Addr().String()
	listener.Close() // the worker takes it
	return &scenario{
		name: "soak", breaks: fmt.Sprintf("one thing after the other for %v, under 500 rooms", lasts), sockets: true, rooms: 500, rate: 2,
		// Segments of the usual size, and merges: it lasts too long without.
		flags: append([]string{"--http-listen=" + address, "--segment-bytes=16777216"}, impatient...), twice: true,
		inject: func(ctx context.Context, s *stage) error { return soak(ctx, s, address, lasts) },
	}, nil
}

// weight is what the worker's process holds while all rooms are heard.
type weight struct {
	after      time.Duration
	rss        int64 // bytes
	goroutines int
}

// soak leaves the process itself alone, whose weight is to be seen.
func soak(ctx context.Context, s *stage, address string, lasts time.Duration) error {
	for _, table := range schema.Tables {
		if err := s.do(ctx, "SYSTEM START MERGES "+s.name+"."+table.Name); err != nil {
			return err
		}
	}
	all := mishaps()
	lists := [][]mishap{all[0], all[1], all[3]}
	began := time.Now()
	var weights []weight
	for time.Since(began) < lasts {
		list := lists[s.random.IntN(len(lists))]
		m := list[s.random.IntN(len(list))]
		if err := m.happen(ctx, s, 0, time.Second+time.Duration(s.random.Int64N(int64(2*lease)))); err != nil {
			return err
		}
		s.injected++
		if err := s.supervise(ctx); err != nil {
			return fmt.Errorf("after %s: %w", m.name, err)
		}
		if err := process.Pause(ctx, 5*time.Second); err != nil {
			return err
		}
		now, err := s.weigh(ctx, address)
		if err != nil {
			return err
		}
		now.after = time.Since(began)
		weights = append(weights, now)
	}
	s.judgeWeights(weights, lasts)
	return nil
}

// judgeWeights compares the end with the sixth part of the time, which is minute
// 5 of 30. Both are medians: what is weighed swings with the garbage collector.
func (s *stage) judgeWeights(weights []weight, lasts time.Duration) {
	median := func(from, to time.Duration) (rss int64, goroutines, n int) {
		var sizes []int64
		var counts []int
		for _, w := range weights {
			if w.after >= from && w.after < to {
				sizes, counts = append(sizes, w.rss), append(counts, w.goroutines)
			}
		}
		if len(sizes) == 0 {
			return 0, 0, 0
		}
		slices.Sort(sizes)
		slices.Sort(counts)
		return sizes[len(sizes)/2], counts[len(counts)/2], len(sizes)
	}
	rss, goroutines, first := median(lasts/10, lasts*7/30)
	rssEnd, goroutinesEnd, last := median(lasts*26/30, 2*lasts)
	s.notes = append(s.notes, fmt.Sprintf("resident memory %d MiB after a sixth of the time and %d MiB at the end, goroutines %d and %d (medians of %d and %d)",
		rss>>20, rssEnd>>20, goroutines, goroutinesEnd, first, last))
	s.expect(first >= 3 && last >= 3, "the worker was weighed too rarely")
	s.expect(rssEnd <= rss+rss/10, "resident memory has grown by more than a tenth, from %d to %d MiB", rss>>20, rssEnd>>20)
	s.expect(goroutinesEnd <= goroutines+goroutines/100, "goroutines have grown from %d to %d", goroutines, goroutinesEnd)
}

// weigh weighs the first worker.
func (s *stage) weigh(ctx context.Context, address string) (w weight, err error) {
	w.rss, err = process.Memory(s.workers[0].child.PID())
	request, requestErr := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err = errors.Join(err, requestErr); err != nil {
		return w, fmt.Errorf("weighing the worker: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return w, fmt.Errorf("weighing the worker: %w", err)
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "go_goroutines "); ok {
			w.goroutines, err = strconv.Atoi(value)
		}
	}
	if err != nil || w.rss == 0 || w.goroutines == 0 {
		return w, fmt.Errorf("weighing the worker: %d bytes, %d goroutines: %w", w.rss, w.goroutines, err)
	}
	return w, nil
}
