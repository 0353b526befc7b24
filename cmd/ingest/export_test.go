package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kslive/internal/simulator"
)

// What is exported, as JSON lines and as Parquet, is what the views read: each
// event once, of the room and the time that were asked for.
func TestExport(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 7, Rate: 100, PushEvery: 100 * time.Millisecond})
	rooms := s.rooms(t, 3)
	insertLives(t, s, rooms)
	worker := s.startRun(t, s.engines.ClickHouse)
	eventually(t, "rows are stored", func() bool { return s.audit(t).Stored > 2000 })
	s.simulator.StopPushing()
	worker.stop()
	s.execute(t, "INSERT INTO comments SELECT * REPLACE (now64(3) AS inserted_at) FROM comments") // all twice
	export := func(want int, args ...string) (stdout, stderr string) {
		t.Helper()
		var out, log bytes.Buffer
		if code := run(t.Context(), append([]string{"export", "--data-dir", s.dir}, args...), nil, &out, &log); code != want {
			t.Fatalf("%q: exit code %d: %s", args, code, &log)
		}
		return out.String(), log.String()
	}
	var until time.Time
	if err := json.Unmarshal([]byte(s.value(t, "SELECT toJSONString(formatDateTime(quantile(0.5)(event_time), '%FT%TZ')) FROM comments")), &until); err != nil {
		t.Fatal(err)
	}
	where := fmt.Sprintf("WHERE live_id = '%s' AND event_time < fromUnixTimestamp(%d)", rooms[0], until.Unix())
	want := s.value(t, "SELECT concat(count(), ' ', sum(event_id)) FROM comments_unique "+where)

	narrow := []string{"--live", rooms[0], "--until", until.Format(time.RFC3339), "--table", "comments"}
	lines, _ := export(exitOK, append(narrow, "-o", "-")...)
	var count, sum uint64
	for line := range strings.Lines(lines) {
		var row struct {
			EventID uint64 `json:"event_id"`
			LiveID  string `json:"live_id"`
			Content *string
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil || row.LiveID != rooms[0] || row.Content == nil {
			t.Fatalf("%s: %v", line, err)
		}
		count, sum = count+1, sum+row.EventID
	}
	if got := fmt.Sprint(count, " ", sum); got != want || count == 0 {
		t.Errorf("exported %s, want %s", got, want)
	}

	dir := filepath.Join(t.TempDir(), "out")
	export(exitOK, append(narrow, "--format", "parquet", "-o", dir)...)
	file := filepath.Join(dir, "comments-00001.parquet")
	data, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(data, []byte("PAR1")) || !bytes.HasSuffix(data, []byte("PAR1")) {
		t.Fatalf("not a Parquet file of %d bytes: %v", len(data), err)
	}
	if got := s.parquet(t, data); got != want {
		t.Errorf("the Parquet file has %s, want %s", got, want)
	}
	if _, said := export(exitFailed, append(narrow, "--format", "parquet", "-o", dir)...); !strings.Contains(said, "is there already") {
		t.Errorf("a second export into the same folder says %s", said)
	}
	export(exitOK, "-o", dir)
	whole, err := os.Open(filepath.Join(dir, "gifts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	gifts := 0
	for scanner := bufio.NewScanner(whole); scanner.Scan(); {
		gifts++
	}
	if want := s.value(t, "SELECT count() FROM gifts_unique"); fmt.Sprint(gifts) != want {
		t.Errorf("%d gifts are exported, want %s", gifts, want)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// parquet has ClickHouse read a Parquet file, and answers its events as the test
// of exports counts them.
func (s *setting) parquet(t *testing.T, data []byte) string {
	t.Helper()
	s.execute(t, "CREATE OR REPLACE TABLE imported (live_id String, event_time DateTime64(3, 'UTC'), event_id UInt64, content String) ENGINE = MergeTree ORDER BY event_time")
	query := url.Values{"query": {"INSERT INTO imported FORMAT Parquet"}}
	response, err := http.Post(s.curl(t)+"?"+query.Encode(), "", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if said, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		t.Fatalf("reading it back: %s", said)
	}
	return s.value(t, "SELECT concat(count(), ' ', sum(event_id)) FROM imported")
}

// An export that fails in the middle leaves no file, and says why.
func TestExportLeavesNoPart(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 8})
	s.execute(t, "INSERT INTO comments (live_id, event_time, event_id) VALUES ('3xabcdefgh23456', now64(3), 1)")
	s.execute(t, "DROP VIEW comments_unique")
	for _, format := range []string{"jsonl", "parquet"} {
		dir := t.TempDir()
		var out, log bytes.Buffer
		if code := run(t.Context(), []string{"export", "--data-dir", s.dir, "--table", "comments", "--format", format, "-o", dir}, nil, &out, &log); code != exitFailed || !strings.Contains(log.String(), "comments_unique") {
			t.Errorf("%s: exit code %d: %s", format, code, &log)
		}
		if files, _ := os.ReadDir(dir); len(files) > 0 {
			t.Errorf("%s: %v are left", format, files)
		}
	}
}
