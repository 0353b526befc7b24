package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"kslive/ingest"
	"kslive/internal/simulator"
)

// Killed again and again while it puts damaged tables right, beside a worker
// that goes on, the replay ends with every event stored once.
func TestReplayKilled(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 5, Rate: 200, PushEvery: 50 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 5))
	worker := s.startRun(t, s.engines.ClickHouse)
	eventually(t, "rows are stored", func() bool { return s.audit(t).Stored > 2000 })
	for _, table := range []string{"comments", "gifts", "likes", "undecoded"} {
		s.execute(t, "DELETE FROM "+table+" WHERE event_id % 3 = 0")
	}
	s.execute(t, "INSERT INTO comments (live_id, event_time, event_id, received_at, session_id, frame_number) SELECT live_id, event_time, event_id + 1, received_at, session_id, frame_number FROM comments WHERE event_id % 3 = 1 AND session_id > 0")
	args := []string{"replay", "--data-dir", s.dir, "--clickhouse", s.engines.ClickHouse}
	for range 6 {
		replay := s.start(t, args...)
		select {
		case <-replay.ended: // sooner than it was killed
		case <-time.After(rand.N(1500 * time.Millisecond)):
			replay.kill()
		}
	}
	s.simulator.StopPushing()
	worker.stop()
	last := s.start(t, args...)
	<-last.ended
	if last.err != nil {
		t.Fatal(last.err)
	}
	if audit := s.audit(t); audit.Missing > 0 || audit.Doubled > 0 || audit.Extra > 0 {
		t.Errorf("missing, doubled or never sent: %+v", audit)
	}
	var out, log bytes.Buffer
	if code := run(t.Context(), append(args, "--dry-run", "--json"), nil, &out, &log); code != exitOK {
		t.Fatalf("exit code %d: %s", code, &log)
	}
	var met ingest.ReplayProgress
	if err := json.Unmarshal(out.Bytes(), &met); err != nil {
		t.Fatal(err)
	}
	for table, counts := range met.Tables {
		if counts != (ingest.TableReplay{Unchanged: counts.Unchanged}) {
			t.Errorf("%s: a replay after that one would meet %+v", table, counts)
		}
	}
	if met.Tables["comments"].Unchanged == 0 || met.Gone+met.Unreadable > 0 {
		t.Errorf("met %+v", met)
	}
}

// execute runs a statement in ClickHouse.
func (s *setting) execute(t *testing.T, statement string) {
	t.Helper()
	response, err := http.Post(s.curl(t), "text/plain", strings.NewReader(statement))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", statement, answer)
	}
}

// Without a terminal the view is whole lines, on one a line that is drawn anew and
// in the end taken away.
func TestReplayView(t *testing.T) {
	var out bytes.Buffer
	v := newReplayView(&out)
	v.every = 0
	v.show(ingest.ReplayProgress{Segments: 1, Of: 4, Bytes: 100, OfBytes: 400, Frames: 9, Tables: map[string]ingest.TableReplay{"likes": {Unchanged: 3, Stale: 1}}})
	v.show(ingest.ReplayProgress{Segments: 4, Of: 4, Bytes: 400, OfBytes: 400})
	v.end()
	want := "[#####...............]  25%  1 of 4 segments, 9 frames, rows: 3 unchanged, 0 missing, 0 changed, 1 stale\n" +
		"[####################] 100%  4 of 4 segments, 0 frames, rows: 0 unchanged, 0 missing, 0 changed, 0 stale, 0s left\n"
	if out.String() != want {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	v.terminal = true
	v.show(ingest.ReplayProgress{})
	v.end()
	if got := out.String(); !strings.HasPrefix(got, eraseLine+"[") || !strings.HasSuffix(got, eraseLine) || strings.Contains(got, "\n") {
		t.Errorf("%q", out.String())
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	for given, want := range map[string]time.Time{
		"": {}, "36h": now.Add(-36 * time.Hour), "2026-01-31T20:00:00+08:00": time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
	} {
		if got, err := parseTime(now, given); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", given, got, err)
		}
	}
	if _, err := parseTime(now, "2026-01-31"); err == nil {
		t.Error("a day without a time is taken")
	}
}
