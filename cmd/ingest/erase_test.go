package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kslive/internal/simulator"
)

// value is what ClickHouse answers to a query, as text.
func (s *setting) value(t *testing.T, query string) string {
	t.Helper()
	response, err := http.Post(s.curl(t), "text/plain", strings.NewReader(query+" FORMAT TSVRaw"))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", query, answer, err)
	}
	return strings.TrimSpace(string(answer))
}

// A person is gone from the tables and from the frames of two workers that run,
// and a replay of both brings nothing back; of all others nothing is lost.
func TestEraseBesideWorkers(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 6, Rate: 100, PushEvery: 100 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 4))
	spools := map[string]string{"a": filepath.Join(s.dir, "a"), "b": filepath.Join(s.dir, "b")}
	for name, dir := range spools {
		s.startWorker(t, name, dir)
	}
	eventually(t, "rows are stored", func() bool { return s.audit(t).Stored > 3000 })
	s.simulator.StopPushing()
	eventually(t, "all is stored", func() bool { return s.audit(t).Missing == 0 })
	user := s.value(t, "SELECT user_id FROM (SELECT user_id FROM comments UNION ALL SELECT user_id FROM gifts WHERE user_id IN (SELECT user_id FROM comments)) GROUP BY user_id ORDER BY count() DESC, user_id LIMIT 1")
	others := func() string {
		return s.value(t, fmt.Sprintf("SELECT count(), sum(cityHash64(event_id, user_id, gift_id, combo_count)) FROM gifts FINAL WHERE user_id != '%s'", user))
	}
	before, all := others(), s.count(t, "comments FINAL")
	mine := s.count(t, fmt.Sprintf("comments FINAL WHERE user_id = '%s'", user))
	erase := func(more ...string) (summary eraseSummary) {
		t.Helper()
		var out, log bytes.Buffer
		args := append([]string{"erase", "--data-dir", s.dir, "--clickhouse", s.engines.ClickHouse, "--postgres", s.engines.Postgres, "--json", "--user", user}, more...)
		if code := run(t.Context(), args, nil, &out, &log); code != exitOK {
			t.Fatalf("exit code %d: %s %s", code, &out, &log)
		}
		if err := json.Unmarshal(out.Bytes(), &summary); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String()+log.String(), user) {
			t.Errorf("it says who it was: %s %s", &out, &log)
		}
		return summary
	}
	if foretold := erase("--dry-run"); foretold.Tables["comments"].Deleted == 0 || s.count(t, "comments FINAL") != all {
		t.Fatalf("dry run: %+v, %d comments before, %d after", foretold, all, s.count(t, "comments FINAL"))
	}
	done := erase()
	if !done.Finished || len(done.Spools) != 2 || done.Spools[0].Frames+done.Spools[1].Frames == 0 || done.Tables["comments"].Deleted < mine {
		t.Errorf("%+v, for %d comments", done, mine)
	}
	for _, dir := range spools {
		var out, log bytes.Buffer
		if code := run(t.Context(), []string{"replay", "--data-dir", s.dir, "--clickhouse", s.engines.ClickHouse, "--spool", dir}, nil, &out, &log); code != exitOK {
			t.Fatalf("exit code %d: %s", code, &log)
		}
	}
	if n := s.count(t, fmt.Sprintf("comments FINAL WHERE user_id = '%s'", user)); n > 0 || s.count(t, "comments FINAL") != all-mine {
		t.Errorf("%d of %d comments are left of the person, %d in all of %d", n, mine, s.count(t, "comments FINAL"), all)
	}
	if after := others(); after != before {
		t.Errorf("gifts of others are %s, were %s", after, before)
	}
	for _, dir := range spools {
		files, err := filepath.Glob(filepath.Join(dir, "*.done*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%q: %v", files, err)
		}
		for _, file := range files {
			frames, err := readSegment(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, frame := range frames {
				if bytes.Contains(frame.Data, []byte(user)) { // of those that are not compressed
					t.Fatalf("%s has the person", file)
				}
			}
		}
	}
}
