package main

import (
	"context"
	"fmt"
	"strconv"

	"kslive/internal/process"
	"kslive/internal/simulator"
)

// kuaishou is `ingest simulate` in a process of its own, steered by HTTP.
type kuaishou struct {
	simulator.Client
	child *process.Process
	rooms []string // live IDs
}

// startKuaishou starts a simulator whose heartbeats are short, so that silence
// is noticed after 5 s, and that has clients confirm what they have read. With a
// thousand rooms it may itself be late by seconds, and silence is 25 s.
func startKuaishou(ctx context.Context, p process.Program, seed uint64, rooms int, rate float64) (*kuaishou, error) {
	heartbeat := "2s"
	if rooms > 500 {
		heartbeat = "10s"
	}
	c, err := p.Start("kuaishou", "simulate", "--listen=127.0.0.1:0", "--heartbeat="+heartbeat, "--push-every=500ms", "--confirm",
		"--seed="+strconv.FormatUint(seed, 10), "--rooms="+strconv.Itoa(rooms), "--rate="+strconv.FormatFloat(rate, 'g', -1, 64))
	if err != nil {
		return nil, err
	}
	k := &kuaishou{child: c}
	if k.URL, err = c.Setting(ctx, "INGEST_KUAISHOU_URL"); err != nil {
		c.Kill()
		return nil, err
	}
	for i := range rooms {
		k.rooms = append(k.rooms, simulator.LiveID(seed, i))
	}
	return k, nil
}

// connections is how many sockets are open.
func (k *kuaishou) connections(ctx context.Context) (int, error) {
	stats, err := k.Stats(ctx)
	return stats.Connections, err
}

// choose answers n rooms by chance.
func (s *stage) choose(n int) []string {
	var rooms []string
	for _, i := range s.random.Perm(len(s.kuaishou.rooms))[:min(n, len(s.kuaishou.rooms))] {
		rooms = append(rooms, s.kuaishou.rooms[i])
	}
	return rooms
}

// setFaults makes rooms so.
func (s *stage) setFaults(ctx context.Context, rooms []string, faults simulator.Faults) error {
	for _, room := range rooms {
		if err := s.kuaishou.SetFaults(ctx, room, faults); err != nil {
			return fmt.Errorf("breaking a room: %w", err)
		}
	}
	return nil
}
