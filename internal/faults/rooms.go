package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"kslive/internal/process"
	"kslive/internal/simulator"
)

// ending is how many rooms end in the same second.
const ending = 1000

// roomScenarios break the rooms' sockets. Whatever was written to one must be
// stored, unless the worker had left it.
func roomScenarios() []*scenario {
	return []*scenario{
		{name: "rooms-cut", breaks: "connections end without a close message", short: true, inject: cutRooms},
		deserted(faulty("rooms-half-open", "connections are half-open: nothing is sent, read or closed", simulator.Faults{HalfOpen: true}, false)),
		deserted(faulty("rooms-silent", "connections stay open and say nothing", simulator.Faults{Silence: true}, false)),
		faulty("rooms-late-ack", "the answer to an entry comes 3 s late", simulator.Faults{AckDelay: 3 * time.Second}, true),
		faulty("rooms-no-ack", "the answer to an entry does not come within the worker's patience", simulator.Faults{AckDelay: 30 * time.Second}, true),
		faulty("rooms-heartbeat", "heartbeats are not answered", simulator.Faults{IgnoreHeartbeats: true}, false),
		faulty("rooms-token", "tokens are refused on reconnect", simulator.Faults{RefuseReconnect: true}, true),
		faulty("rooms-dead", "no URL of a room answers", simulator.Faults{DeadURLs: true}, true),
		faulty("rooms-garbage", "five broken frames come with each push", simulator.Faults{Garbage: 5}, false),
		{name: "rooms-burst", breaks: "some rooms push 100 times as much", short: true, inject: burst},
		{name: "rooms-giant", breaks: "giant frames, up to and beyond what the worker takes", inject: giants},
		{name: "rooms-all-end", breaks: "a thousand rooms end in the same second", rooms: ending + 12, rate: 1, flags: []string{"--lease=30s"}, inject: endAll},
	}
}

// faulty breaks half of the rooms for a while. cut says that the fault shows at
// the next connection.
func faulty(name, breaks string, faults simulator.Faults, cut bool) *scenario {
	return &scenario{name: name, breaks: breaks, inject: func(ctx context.Context, s *stage) error {
		rooms := s.choose(len(s.kuaishou.rooms) / 2)
		if err := s.setFaults(ctx, rooms, faults); err != nil {
			return err
		}
		s.injected += len(rooms)
		for _, room := range rooms {
			if !cut {
				break
			}
			if err := s.kuaishou.Cut(ctx, room); err != nil {
				return err
			}
		}
		if err := process.Pause(ctx, s.span(8*time.Second, 30*time.Second)); err != nil {
			return err
		}
		if err := s.setFaults(ctx, rooms, simulator.Faults{}); err != nil {
			return err
		}
		return s.reconnected(ctx)
	}}
}

// deserted says that a worker ends the connections by itself, so that what the
// server sends next, before it has seen that, may reach nobody.
func deserted(sc *scenario) *scenario {
	sc.sockets = true
	return sc
}

// reconnected waits until every room is heard again, and notes how long it took.
func (s *stage) reconnected(ctx context.Context) error {
	ended := time.Now()
	if err := s.connected(ctx, len(s.kuaishou.rooms)); err != nil {
		return err
	}
	if err := s.recover(ctx); err != nil {
		return err
	}
	s.recovered = max(s.recovered, time.Since(ended))
	return nil
}

func cutRooms(ctx context.Context, s *stage) error {
	for range s.times(3, 30) {
		if err := s.wait(ctx, 200*time.Millisecond, 2*time.Second); err != nil {
			return err
		}
		rooms := s.choose(1 + s.random.IntN(len(s.kuaishou.rooms)))
		for _, room := range rooms {
			if err := s.kuaishou.Cut(ctx, room); err != nil {
				return err
			}
		}
		s.injected += len(rooms)
	}
	return s.reconnected(ctx)
}

func burst(ctx context.Context, s *stage) error {
	rooms := s.choose(3)
	s.injected += len(rooms)
	return errors.Join(
		s.setFaults(ctx, rooms, simulator.Faults{Burst: 100}),
		s.wait(ctx, 4*time.Second, 6*time.Second),
		s.setFaults(ctx, rooms, simulator.Faults{}),
		s.reconnected(ctx))
}

// giants are at most what the worker takes, but for the last.
func giants(ctx context.Context, s *stage) error {
	for _, size := range []int{1 << 20, 8 << 20, 16<<20 - 8<<10, 17 << 20} {
		room := s.choose(1)[0]
		if err := s.kuaishou.PushGiant(ctx, room, size); err != nil {
			return err
		}
		s.injected++
		if err := s.reconnected(ctx); err != nil {
			return err
		}
	}
	cause := "SELECT count() FROM coverage FINAL WHERE cause = 'too_big'"
	return process.Until(ctx, patience, time.Second, "the table coverage tells of the frame that was too big", func() (bool, error) {
		n, err := s.number(ctx, cause)
		return n == 1, err
	})
}

// endAll ends all rooms but a few.
func endAll(ctx context.Context, s *stage) error {
	began := time.Now()
	var asking errgroup.Group
	asking.SetLimit(8)
	for _, room := range s.kuaishou.rooms[:ending] {
		asking.Go(func() error { return s.kuaishou.End(ctx, room) })
	}
	if err := asking.Wait(); err != nil {
		return err
	}
	s.injected += ending
	s.notes = append(s.notes, fmt.Sprintf("they ended within %.1f s", time.Since(began).Seconds()))
	if err := s.connected(ctx, len(s.kuaishou.rooms)-ending); err != nil {
		return err
	}
	err := process.Until(ctx, patience, time.Second, "live_status says that the rooms have ended", func() (bool, error) {
		// One that was looked up again since is offline.
		n, err := s.lookUp(ctx, "SELECT count(*)::text FROM live_status WHERE state IN ('ended', 'offline')")
		return n == strconv.Itoa(ending), err
	})
	return errors.Join(err, s.recover(ctx))
}
