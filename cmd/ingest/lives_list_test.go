package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"kslive/internal/simulator"
)

// The list says of each room how much of it was heard.
func TestListSaysWhatWasHeard(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 11, Rate: 20, PushEvery: 100 * time.Millisecond})
	ids := s.rooms(t, 2)
	insertLives(t, s, ids[:1])
	execute(t, s, "INSERT INTO lives (live_id, enabled) VALUES ($1, false)", ids[1])
	s.startRun(t, s.engines.ClickHouse)
	eventually(t, "coverage is stored", func() bool { return s.count(t, "coverage") > 0 })

	list := func(args ...string) string {
		t.Helper()
		var out, complaints bytes.Buffer
		if code := run(t.Context(), append([]string{"lives", "--data-dir", s.dir, "list"}, args...), strings.NewReader(""), &out, &complaints); code != exitOK {
			t.Fatalf("exit code %d: %s", code, complaints.String())
		}
		if complaints.Len() > 0 {
			t.Errorf("it complains: %s", complaints.String())
		}
		return out.String()
	}
	if shown := list(); strings.Count(shown, "100.0%") != 1 || !strings.Contains(shown, "disabled") {
		t.Errorf("the list is\n%s", shown)
	}
	for line := range strings.Lines(list("--json")) {
		var row listedLive
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		switch heard := row.Coverage; {
		case row.LiveID == ids[1] && heard != nil:
			t.Errorf("a room that was never tried was heard: %+v", heard)
		case row.LiveID == ids[0] && (heard == nil || heard.HeardSeconds <= 0 || heard.GapSeconds > 0):
			t.Errorf("the room was heard: %+v", heard)
		}
	}
}

// However many rooms there are, the watched list fits on the terminal, and says how
// many are in each state.
func TestDrawLives(t *testing.T) {
	list := make([]listedLive, 1000)
	for i := range list {
		list[i].LiveID, list[i].State, list[i].Reason = "3xabcdefgh23456", "live", strings.Repeat("长", 100)
	}
	list[7].State = "captcha"
	var screen bytes.Buffer
	if err := drawLives(&screen, list); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(screen.String(), "\n"); lines != 23 {
		t.Errorf("it has %d lines", lines)
	}
	for _, want := range []string{"1000 rooms: captcha 1, live 999", "… and 981 more"} {
		if !strings.Contains(screen.String(), want) {
			t.Errorf("%q is not in\n%s", want, &screen)
		}
	}
}
