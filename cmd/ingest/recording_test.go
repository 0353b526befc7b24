package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kslive/internal/simulator"
)

// asProcess is ingest as a process of its own, not started yet.
func asProcess(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), binaryEnv+"=1")
	cmd.SysProcAttr = dieWithParent()
	return cmd
}

// output runs ingest to its end, which must be a good one.
func output(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, notes bytes.Buffer
	cmd := asProcess(args...)
	cmd.Stdout, cmd.Stderr = &out, &notes
	if err := cmd.Run(); err != nil {
		t.Fatalf("ingest %s: %v: %s", args, err, &notes)
	}
	return out.String(), notes.String()
}

// play starts a simulator that plays a recording, and answers where it is and
// which room.
func play(t *testing.T, recording string) (url, liveID string) {
	t.Helper()
	cmd := asProcess("simulate", "--listen=127.0.0.1:0", "--play="+recording, "--play-speed=1000")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		t.Fatal("it prints no address")
	}
	url, _ = strings.CutPrefix(lines.Text(), "INGEST_KUAISHOU_URL=")
	if !lines.Scan() {
		t.Fatal("it prints no room")
	}
	return url, lines.Text()
}

// jsonRow is what a test wants to know of a row.
type jsonRow struct {
	Table string
	Row   struct {
		EventID    uint64 `json:"event_id"`
		UserName   string `json:"user_name"`
		MergeKey   string `json:"merge_key"`
		BatchSize  uint64 `json:"batch_size"`
		ComboCount uint64 `json:"combo_count"`
	}
}

func jsonRows(t *testing.T, lines string) (rows []jsonRow) {
	t.Helper()
	for decoder := json.NewDecoder(strings.NewReader(lines)); decoder.More(); {
		var row jsonRow
		if err := decoder.Decode(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// events counts rows by table and event.
func events(rows []jsonRow) map[string]int {
	events := make(map[string]int)
	for _, row := range rows {
		events[fmt.Sprintf("%s %d", row.Table, row.Row.EventID)]++
	}
	return events
}

// tables counts rows by table.
func tables(rows []jsonRow) map[string]int {
	tables := make(map[string]int)
	for _, row := range rows {
		tables[row.Table]++
	}
	return tables
}

// recordedRoom records a simulated room to its end, and answers what watch
// printed meanwhile.
func recordedRoom(t *testing.T, recording string) (rows string) {
	t.Helper()
	s, err := simulator.Start(t.Context(), simulator.Options{Seed: 5, Rate: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id := simulator.LiveID(5, 0)
	if err := s.AddRoom(id, simulator.RoomOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	watch := asProcess("watch", "--json", "--raw-to="+recording, "--kuaishou-url="+s.URL(), id)
	watch.Stdout, watch.Stderr = &stdout, &stderr
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gifts are sent", func() bool { return s.Stats().Sent["gifts"] > 50 })
	if err := s.EndLive(id); err != nil {
		t.Fatal(err)
	}
	if err := watch.Wait(); err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	if !strings.Contains(stderr.String(), "frames in "+recording) {
		t.Errorf("it says %s", &stderr)
	}
	return stdout.String()
}

// A room that is recorded decodes to the rows that were shown, plays to the same
// rows, and does so with nobody in it.
func TestRecording(t *testing.T) {
	dir := t.TempDir()
	recording, report := filepath.Join(dir, "room.frames"), filepath.Join(dir, "report.frames")
	shown := recordedRoom(t, recording)
	rows := jsonRows(t, shown)

	if decoded, _ := output(t, "decode", recording); decoded != shown {
		t.Errorf("%d bytes of rows were shown and %d decoded", len(shown), len(decoded))
	}
	url, id := play(t, recording)
	for range 2 { // everybody gets it from its beginning
		played, _ := output(t, "watch", "--json", "--kuaishou-url="+url, id)
		if got := jsonRows(t, played); !maps.Equal(events(got), events(rows)) {
			t.Errorf("rows by table: %v recorded, %v played", tables(rows), tables(got))
		}
	}

	_, said := output(t, "anonymize", recording, "-o", report)
	if !strings.Contains(said, "replaced: ") || !strings.Contains(said, "payload type not known: ") {
		t.Errorf("anonymize says %s", said)
	}
	anonymous, _ := output(t, "decode", report)
	nobody := jsonRows(t, anonymous)
	if !maps.Equal(tables(nobody), tables(rows)) {
		t.Errorf("rows by table: %v recorded, %v anonymous", tables(rows), tables(nobody))
	}
	for _, row := range rows {
		if name := row.Row.UserName; len(name) > 8 && strings.Contains(anonymous, name) {
			t.Errorf("%q is still there", name)
		}
	}
	url, other := play(t, report)
	if other == id {
		t.Errorf("the room is still %s", id)
	}
	played, _ := output(t, "watch", "--json", "--kuaishou-url="+url, other)
	if got := jsonRows(t, played); !maps.Equal(events(got), events(nobody)) {
		t.Errorf("rows by table: %v anonymous, %v played", tables(nobody), tables(got))
	}
}

// What watch says of gifts on a pipe adds up to what was sent.
func TestWatchFoldsGifts(t *testing.T) {
	recording := filepath.Join(t.TempDir(), "room.frames")
	sent := make(map[string]uint64)
	for _, row := range jsonRows(t, recordedRoom(t, recording)) {
		if row.Table == "gifts" {
			sent[row.Row.MergeKey] = max(sent[row.Row.MergeKey], row.Row.BatchSize*row.Row.ComboCount)
		}
	}
	var want uint64
	for n := range maps.Values(sent) {
		want += n
	}
	url, id := play(t, recording)
	text, _ := output(t, "watch", "--kuaishou-url="+url, id)
	if got := soldBy(text); got != want || want == 0 {
		t.Errorf("the lines tell of %d gifts, %d were sent", got, want)
	}
	if strings.Contains(text, "\x1b") {
		t.Error("a pipe is coloured")
	}
}

// A watch that is killed leaves a recording that is good up to its last whole
// frame, and so does a copy that was cut.
func TestRecordingSurvivesItsWriter(t *testing.T) {
	s, err := simulator.Start(t.Context(), simulator.Options{Seed: 5, Rate: 200})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id := simulator.LiveID(5, 0)
	if err := s.AddRoom(id, simulator.RoomOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	recording := filepath.Join(t.TempDir(), "room.frames")
	watch := asProcess("watch", "--json", "--raw-to="+recording, "--kuaishou-url="+s.URL(), id)
	stdout, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	shown := 0
	for lines := bufio.NewReader(stdout); shown < 200; shown++ {
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if err := watch.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = watch.Wait() // it was killed
	decoded, _ := output(t, "decode", recording)
	if n := strings.Count(decoded, "\n"); n < shown {
		t.Errorf("%d rows were shown, %d decoded", shown, n)
	}

	whole, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(recording, whole[:len(whole)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	cut, said := output(t, "decode", recording)
	if cut == "" || !strings.HasPrefix(decoded, cut) || !strings.Contains(said, "the recording is cut off after frame ") {
		t.Errorf("%d bytes of rows of a cut recording, of %d; it says %s", len(cut), len(decoded), said)
	}
	url, played := play(t, recording)
	again, _ := output(t, "watch", "--json", "--kuaishou-url="+url, played)
	rows, got := events(jsonRows(t, cut)), events(jsonRows(t, again))
	for _, event := range slices.Sorted(maps.Keys(rows)) {
		if got[event] != rows[event] {
			t.Errorf("%s was played %d times, want %d", event, got[event], rows[event])
		}
	}
	report := recording + ".report"
	if _, said := output(t, "anonymize", recording, "-o", report); !strings.Contains(said, "cut off") {
		t.Errorf("anonymize says %s", said)
	}
	if anonymous, _ := output(t, "decode", report); !maps.Equal(tables(jsonRows(t, anonymous)), tables(jsonRows(t, cut))) {
		t.Error("it has other rows when it is anonymous")
	}
}
