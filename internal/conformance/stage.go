package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kslive/internal/simulator"
)

// stage is what a scenario is played on: a Kuaishou with one room on air, and
// the client that is to watch it.
type stage struct {
	ctx       context.Context
	simulator *simulator.Simulator
	liveID    string
	command   []string // of the client
	client    *client
	others    []*client // that watch further rooms
	record    record

	acted  time.Time // when the server last did something to the client
	seen   int       // attempts that there were then
	called int       // calls that there were then
}

func newStage(ctx context.Context, s scenario) (*stage, error) {
	options := simulator.Options{
		Seed: 1, Rate: 10, PushEvery: 300 * time.Millisecond, Trace: true,
		Heartbeat: heartbeat, MinReconnect: minReconnect, MaxReconnect: maxReconnect,
	}
	if s.options != nil {
		s.options(&options)
	}
	kuaishou, err := simulator.Start(ctx, options)
	if err != nil {
		return nil, err
	}
	st := &stage{ctx: ctx, simulator: kuaishou, liveID: simulator.LiveID(options.Seed, 0), acted: time.Now()}
	if err := kuaishou.AddRoom(st.liveID, simulator.RoomOptions{Live: true}); err != nil {
		return nil, errors.Join(err, kuaishou.Close())
	}
	return st, nil
}

// startOther puts another room on air and has another client watch it.
func (s *stage) startOther() error {
	liveID := simulator.LiveID(1, len(s.others)+1)
	if err := s.simulator.AddRoom(liveID, simulator.RoomOptions{Live: true}); err != nil {
		return err
	}
	other, err := startClient(s.command, s.simulator.URL(), liveID)
	if err != nil {
		return err
	}
	s.others = append(s.others, other)
	return nil
}

func (s *stage) close() {
	var stopping sync.WaitGroup
	for _, client := range append(s.others, s.client) {
		if client != nil {
			stopping.Go(func() { client.stop(s.ctx) })
		}
	}
	stopping.Wait()
	_ = s.simulator.Close() // has nothing to say
}

// look reads what has happened since the last look.
func (s *stage) look() { s.record.take(s.simulator.Trace(s.record.read)) }

// await looks until it holds, and fails when that takes longer than within.
func (s *stage) await(within time.Duration, holds func() bool) error {
	deadline := time.Now().Add(within)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		s.look()
		if holds() {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it did not within %v", within)
		}
		select {
		case <-ticker.C:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
}

// watch looks for a time, or until the client has exited and can do no more, and
// fails as soon as it does not hold.
func (s *stage) watch(during time.Duration, holds func() error) error {
	deadline := time.Now().Add(during)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for time.Now().Before(deadline) {
		gone := s.client.gone() // before the look, which then sees all
		s.look()
		if err := holds(); err != nil || gone {
			return err
		}
		select {
		case <-ticker.C:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	return nil
}

// act does something to the client, and notes when.
func (s *stage) act(does func() error) error {
	s.look()
	s.acted, s.seen, s.called = time.Now(), len(s.record.attempts), len(s.simulator.Calls())
	return does()
}

// since are the calls since the server last acted.
func (s *stage) since() []simulator.Call { return s.simulator.Calls()[s.called:] }

// count is how many calls of a name are among calls.
func count(calls []simulator.Call, name string) int {
	n := 0
	for _, call := range calls {
		if call.Name == name {
			n++
		}
	}
	return n
}

// maxInfos is how often websocketinfo may be asked in any 5 s, whatever happens:
// asked in a loop, it prolongs every block. It is that of each client.
const maxInfos = 3

// lawful is what holds in every scenario.
func (s *stage) lawful() error {
	s.look()
	if s.record.broken != nil {
		return s.record.broken
	}
	for _, a := range s.record.attempts {
		if a.query != "" {
			return errors.New("it added a query to the websocket URL (2.1)")
		}
	}
	infos := simulator.Report(s.simulator.Calls(), 5*time.Second).Calls[simulator.CallWebsocketInfo]
	if infos.Busiest > maxInfos*(1+len(s.others)) {
		return fmt.Errorf("it asked websocketinfo %d times within 5 s (1.3)", infos.Busiest)
	}
	return nil
}
