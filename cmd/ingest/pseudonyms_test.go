package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kslive/ingest"
	"kslive/internal/simulator"
)

// Two workers with one key store each event once, under pseudonyms; a replay with
// the key finds nothing to do, and without it is refused. A person can be erased
// by their own ID.
func TestPseudonymsOfWorkers(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 9, Rate: 100, PushEvery: 100 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 2))
	const secret = "00112233445566778899aabbccddeeff"
	file := filepath.Join(s.dir, "key")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	execute(t, s, "UPDATE lives SET replicas = 2")
	dir := filepath.Join(s.dir, "a")
	workers := []*child{
		s.startRun(t, s.engines.ClickHouse, "--worker=a", "--spool="+dir, "--pseudonymize-key-file", file),
		s.startRun(t, s.engines.ClickHouse, "--worker=b", "--spool="+filepath.Join(s.dir, "b"), "--pseudonymize-key-file", file),
	}
	eventually(t, "both hear, and rows are stored", func() bool {
		return s.count(t, "(SELECT live_id FROM comments GROUP BY live_id, event_time, event_id HAVING uniqExact(session_id) = 2)") > 200
	})
	s.simulator.StopPushing()
	for _, worker := range workers {
		worker.stop()
	}
	replay := func(want int, more ...string) (stdout, stderr string) {
		t.Helper()
		var out, log bytes.Buffer
		args := append([]string{"replay", "--data-dir", s.dir, "--spool", dir, "--dry-run", "--json"}, more...)
		if code := run(t.Context(), args, nil, &out, &log); code != want {
			t.Fatalf("exit code %d: %s", code, &log)
		}
		return out.String(), log.String()
	}
	if _, said := replay(exitFailed); !strings.Contains(said, "give --pseudonymize-key-file") {
		t.Errorf("without the key it says %s", said)
	}
	var met ingest.ReplayProgress
	out, _ := replay(exitOK, "--pseudonymize-key-file", file)
	if err := json.Unmarshal([]byte(out), &met); err != nil {
		t.Fatal(err)
	}
	for table, counts := range met.Tables {
		if counts != (ingest.TableReplay{Unchanged: counts.Unchanged}) {
			t.Errorf("%s: a replay would meet %+v", table, counts)
		}
	}
	// Who is in the frames is not in the table.
	names := make(map[string]bool)
	for name := range strings.Lines(s.value(t, "SELECT DISTINCT user_id FROM comments")) {
		names[strings.TrimSpace(name)] = true
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.done*"))
	people, someone := 0, ""
	for _, segment := range files {
		var rows, log bytes.Buffer
		if code := run(t.Context(), []string{"decode", segment}, nil, &rows, &log); code != exitOK {
			t.Fatal(&log)
		}
		for line := range strings.Lines(rows.String()) {
			var row struct {
				Table string `json:"table"`
				Row   struct {
					UserID string `json:"user_id"`
				} `json:"row"`
			}
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatal(err)
			}
			if row.Row.UserID != "" {
				people++
			}
			if row.Table == "comments" && row.Row.UserID != "" {
				someone = row.Row.UserID
			}
			if row.Row.UserID != "" && names[row.Row.UserID] {
				t.Fatalf("%s is in the frames and in the table", row.Row.UserID)
			}
		}
	}
	if people == 0 || len(names) < 10 {
		t.Errorf("%d rows of people in the frames, %d people in the table", people, len(names))
	}

	for _, spool := range []string{"a", "b"} { // of which each run reaches one
		var out, log bytes.Buffer
		code := run(t.Context(), []string{"erase", "--data-dir", s.dir, "--spool", filepath.Join(s.dir, spool), "--user", someone, "--wait=0s", "--pseudonymize-key-file", file}, nil, &out, &log)
		if last := spool == "b"; last != (code == exitOK) {
			t.Fatalf("exit code %d: %s", code, &log)
		}
	}
	if n := s.count(t, "(SELECT DISTINCT user_id FROM comments)"); n != uint64(len(names)-1) {
		t.Errorf("%d people are left of %d", n, len(names))
	}
	out, _ = replay(exitOK, "--pseudonymize-key-file", file)
	met = ingest.ReplayProgress{}
	if err := json.Unmarshal([]byte(out), &met); err != nil {
		t.Fatal(err)
	}
	if counts := met.Tables["comments"]; counts != (ingest.TableReplay{Unchanged: counts.Unchanged}) || counts.Unchanged == 0 {
		t.Errorf("a replay would meet %+v", counts)
	}
}
