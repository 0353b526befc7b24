//go:build browser

package main

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"kslive/ingest"
	"kslive/internal/simulator"
)

// The console in a real Chromium: see internal/console/browser/check.mjs. It has
// a build tag since it needs Chromium and npm's packages: `make console` has both
// and runs it.
func TestConsoleInChromium(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 1, Rate: 5, PushEvery: time.Second})
	const evil = "3xhostileroom22"
	playHostile(t, s, evil)
	base, p := startConsole(t, s)
	lives := []ingest.NewLive{{LiveID: evil, Note: hostile}}
	for _, id := range s.rooms(t, 12) {
		lives = append(lives, ingest.NewLive{LiveID: id})
	}
	spare := simulator.LiveID(1, 5000)
	if err := s.simulator.AddRoom(spare, simulator.RoomOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	add := func(lives []ingest.NewLive) {
		if _, err := p.lives.Add(t.Context(), lives); err != nil {
			t.Fatal(err)
		}
	}
	add(lives)
	eventually(t, "the rooms are heard", func() bool { return s.simulator.Stats().Connections == len(lives) })
	var quiet []ingest.NewLive
	for i := len(lives); i < 1000; i++ {
		id := simulator.LiveID(1, i)
		if err := s.simulator.AddRoom(id, simulator.RoomOptions{}); err != nil {
			t.Fatal(err)
		}
		quiet = append(quiet, ingest.NewLive{LiveID: id})
	}
	add(quiet)
	// The first paint is not measured while a thousand rooms are looked up.
	eventually(t, "the others were looked up", func() bool {
		list, err := p.lives.List(t.Context())
		return err == nil && len(list) == 1000 && !slices.ContainsFunc(list, func(live ingest.LiveStatus) bool {
			return live.State == string(ingest.StateQueued) || live.State == string(ingest.StateResolving)
		})
	})
	const token = "correct horse battery"
	guarded, _ := openConsole(t, s, "", token)
	secure, _ := openOverTLS(t, s, p, token)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	check := exec.CommandContext(ctx, "node", "check.mjs")
	check.Dir = "../../internal/console/browser"
	check.Env = append(os.Environ(), "CONSOLE="+base, "SPARE="+spare, "HOSTILE="+hostile, "GUARDED="+guarded, "SECURE="+secure, "TOKEN="+token)
	check.Stdout, check.Stderr = os.Stdout, os.Stderr
	if err := check.Run(); err != nil {
		t.Fatalf("node check.mjs: %v", err)
	}
}
