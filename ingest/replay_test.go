package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
	"kslive/schema"
)

// replayFrames are rounds of all sample frames, each round of another room, as
// one session heard them from start on. Each frame is of a broadcast of its own,
// since several samples hold the same feeds.
func replayFrames(t testing.TB, session uint64, rounds int, start int64) []*kuaishou.Frame {
	t.Helper()
	samples := sampleFrames(t)
	names := slices.Sorted(maps.Keys(samples))
	var frames []*kuaishou.Frame
	for round := range rounds {
		var heard, recorded uint32
		for _, name := range names {
			frame := proto.CloneOf(samples[name])
			frame.LiveId, frame.LiveStreamId = fmt.Sprintf("3xroom%d", round), fmt.Sprintf("stream%d %s", round, name)
			frame.ReceivedAt = start + int64(len(frames))
			frame.SessionId = session + uint64(round)
			if frame.Coverage != nil {
				recorded++
				frame.FrameNumber = recorded
			} else {
				heard++
				frame.FrameNumber = heard
			}
			frames = append(frames, frame)
		}
	}
	return frames
}

// spoolOf makes a spool that holds the frames in several sealed segments.
func spoolOf(t testing.TB, dir string, frames []*kuaishou.Frame) *spool.Spool {
	t.Helper()
	s, err := spool.Open(dir, spool.Options{SegmentBytes: 20_000, Keep: time.Hour, Slim: Slim()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, frame := range frames {
		if err := newSpooledFrames(s).Append(frame); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// ingested brings frames into a warehouse as a worker does that has its key, and
// answers the folder of the spool that then has them archived.
func ingested(t testing.TB, w *ClickHouse, frames []*kuaishou.Frame) string {
	t.Helper()
	dir := t.TempDir()
	s := spoolOf(t, dir, frames)
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	loader := NewLoader(s, w, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
	loader.Pseudonymize(w.key)
	if err := loader.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Stats().Done.Segments; n < 3 {
		t.Fatalf("%d segments are archived, too few for these tests", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// replayed replays a spool and answers what was met in all tables.
func replayed(t testing.TB, o ReplayOptions) TableReplay {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	met, err := Replay(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var sum TableReplay
	for _, counts := range met.Tables {
		sum.add(counts)
	}
	return sum
}

// contents are the rows of every table as readers see them, inserted_at and the
// columns that are named aside.
func contents(t testing.TB, c *ClickHouse, except ...string) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for _, table := range schema.Tables {
		var rows []string
		columns := slices.DeleteFunc(slices.Clone(table.Columns), func(c string) bool { return slices.Contains(except, c) })
		query := fmt.Sprintf("SELECT arraySort(groupArray(formatRowNoNewline('JSONEachRow', %s))) FROM %s FINAL", strings.Join(columns, ", "), table.Name)
		if err := c.conn.QueryRow(t.Context(), query).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			t.Fatalf("%s is empty", table.Name)
		}
		all[table.Name] = rows
	}
	return all
}

// written is, by table, how many rows readers see and when the last came.
func written(t testing.TB, c *ClickHouse) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, table := range schema.Tables {
		var s string
		if err := c.conn.QueryRow(t.Context(), fmt.Sprintf("SELECT concat(toString(count()), ' rows, the last of ', toString(max(inserted_at))) FROM %s FINAL", table.Name)).Scan(&s); err != nil {
			t.Fatal(err)
		}
		all[table.Name] = s
	}
	return all
}

func mustExec(t testing.TB, c *ClickHouse, format string, args ...any) {
	t.Helper()
	if err := c.conn.Exec(t.Context(), fmt.Sprintf(format, args...)); err != nil {
		t.Fatalf("%v: %s", err, fmt.Sprintf(format, args...))
	}
}

// damage makes every table what an older decoder, and people, may have left.
func damage(t testing.TB, c *ClickHouse) {
	t.Helper()
	for _, table := range schema.Tables {
		columns := strings.Join(table.Columns, ", ")
		copyRows := func(replace string, part int) {
			mustExec(t, c, "INSERT INTO %s (%s) SELECT * EXCEPT (inserted_at) REPLACE (%s) FROM %s FINAL WHERE cityHash64(event_id) %% 5 = %d", table.Name, columns, replace, table.Name, part)
		}
		changed := "'older' AS live_stream_id"
		copyRows(changed, 0)                                                                   // other content
		copyRows("event_time + INTERVAL 7 SECOND AS event_time", 1)                            // another time
		copyRows("cityHash64(event_id, 1) AS event_id", 2)                                     // a row that is not produced any more
		mustExec(t, c, "DELETE FROM %s WHERE cityHash64(event_id) %% 5 IN (1, 3)", table.Name) // of part 1 only the moved rows stay
		mustExec(t, c, "INSERT INTO %s (%s) SELECT * EXCEPT (inserted_at) REPLACE (event_time + INTERVAL 9 SECOND AS event_time) FROM %s FINAL WHERE cityHash64(event_id) %% 5 = 4", table.Name, columns, table.Name)
	}
	// What has a table today was undecoded then.
	mustExec(t, c, `INSERT INTO undecoded (live_id, live_stream_id, event_time, event_time_source, received_at, event_id, session_id, frame_number, payload, error)
		SELECT live_id, live_stream_id, event_time, event_time_source, received_at, event_id, session_id, frame_number, content, 'older' FROM comments FINAL`)
}

// A replay of what nobody touched writes nothing.
func TestReplayChangesNothing(t *testing.T) {
	w := openWarehouse(t)
	frames := replayFrames(t, 100, 5, sampleReceived)
	for _, frame := range frames[:len(frames)/2] { // that were heard twice
		again := proto.CloneOf(frame)
		again.ReceivedAt, again.SessionId = frame.ReceivedAt+3000, frame.SessionId+1000
		frames = append(frames, again)
	}
	dir := ingested(t, w, frames)
	before := written(t, w)
	counts := replayed(t, ReplayOptions{Spool: dir, Warehouse: w, WindowRows: 300})
	if counts.Unchanged < 500 || counts != (TableReplay{Unchanged: counts.Unchanged}) {
		t.Errorf("met %+v", counts)
	}
	if diff := cmp.Diff(before, written(t, w)); diff != "" {
		t.Error(diff)
	}
}

// Whatever became of the tables, a replay makes them what a fresh ingest of the
// same frames makes of empty ones, column by column. A dry run foretells it.
func TestReplayEqualsFreshIngest(t *testing.T) {
	damaged, fresh := openWarehouse(t), openWarehouse(t)
	frames := replayFrames(t, 100, 5, sampleReceived)
	dir := ingested(t, damaged, frames)
	ingested(t, fresh, frames)
	want := contents(t, fresh)
	damage(t, damaged)
	if cmp.Equal(want, contents(t, damaged)) {
		t.Fatal("nothing is damaged")
	}
	before := written(t, damaged)
	o := ReplayOptions{Spool: dir, Warehouse: damaged, WindowRows: 300, DryRun: true}
	foretold := replayed(t, o)
	if diff := cmp.Diff(before, written(t, damaged)); diff != "" {
		t.Errorf("the dry run wrote: %s", diff)
	}
	o.DryRun = false
	done := replayed(t, o)
	if diff := cmp.Diff(want, contents(t, damaged)); diff != "" {
		t.Errorf("not what a fresh ingest makes (-want +got): %.5000s", diff)
	}
	if foretold != done || done.Missing == 0 || done.Changed == 0 || done.Stale == 0 || done.Refused > 0 {
		t.Errorf("foretold %+v, done %+v", foretold, done)
	}
	if again := replayed(t, o); again != (TableReplay{Unchanged: again.Unchanged}) {
		t.Errorf("the next replay met %+v", again)
	}
}

// Rows of a session that is not replayed stay: those of the same events, and
// those that no other heard.
func TestReplayLeavesOthersAlone(t *testing.T) {
	w, fresh := openWarehouse(t), openWarehouse(t)
	ours, theirs := replayFrames(t, 100, 4, sampleReceived), replayFrames(t, 500, 6, sampleReceived+40)
	dir := ingested(t, w, ours)
	damage(t, w)
	ingested(t, w, theirs)
	ingested(t, fresh, ours)
	ingested(t, fresh, theirs)
	// Theirs: what an older decoder made of them is for a replay of theirs.
	const wrong = "cityHash64(event_id, 2) AS event_id"
	for _, c := range []*ClickHouse{w, fresh} {
		mustExec(t, c, "INSERT INTO likes (%s) SELECT * EXCEPT (inserted_at) REPLACE (%s) FROM likes FINAL WHERE session_id >= 500 AND live_id IN ('3xroom0', '3xroom5')",
			strings.Join(schema.Tables[3].Columns, ", "), wrong)
	}
	replayed(t, ReplayOptions{Spool: dir, Warehouse: w, WindowRows: 300})
	either := []string{"event_time_source", "received_at", "session_id", "frame_number"} // of ours or theirs
	if diff := cmp.Diff(contents(t, fresh, either...), contents(t, w, either...)); diff != "" {
		t.Errorf("(-want +got): %.5000s", diff)
	}
	if ours, theirs := countOf(t, w, "SELECT count() FROM coverage FINAL WHERE session_id < 500"), countOf(t, w, "SELECT count() FROM coverage FINAL WHERE session_id >= 500"); ours != 4 || theirs != 6 {
		t.Errorf("coverage has %d attempts of ours, %d of theirs", ours, theirs)
	}
}

// A replay that is cut short again and again ends where one goes that was not.
func TestReplayIsResumed(t *testing.T) {
	w, fresh := openWarehouse(t), openWarehouse(t)
	frames := replayFrames(t, 100, 5, sampleReceived)
	dir := ingested(t, w, frames)
	ingested(t, fresh, frames)
	damage(t, w)
	o := ReplayOptions{Spool: dir, Warehouse: w, WindowRows: 200, Arguments: "these", Logger: slog.New(slog.DiscardHandler)}
	resumed, cut := 0, 0
	for patience := 20 * time.Millisecond; ; patience += 20 * time.Millisecond {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		met, err := Replay(ctx, o)
		cancel()
		if met.Resumed {
			resumed++
		}
		if err == nil {
			break
		}
		if ctx.Err() == nil {
			t.Fatal(err)
		}
		cut++
	}
	if cut < 2 || resumed < 1 {
		t.Errorf("cut short %d times, resumed %d times: not what this test is about", cut, resumed)
	}
	if diff := cmp.Diff(contents(t, fresh), contents(t, w)); diff != "" {
		t.Errorf("(-want +got): %.5000s", diff)
	}
	for _, table := range schema.Tables {
		if table.Name == coverageTable {
			continue
		}
		doubled := fmt.Sprintf("SELECT toUInt64(count() - uniqExact(live_id, event_time, event_id, live_stream_id)) FROM %s WHERE live_stream_id != 'older' AND cityHash64(event_id) %% 5 = 3", table.Name)
		if n := countOf(t, w, doubled); n > 0 {
			t.Errorf("%s: %d rows were inserted more than once", table.Name, n)
		}
	}
}

// While the loader works on the same spool, and packs and deletes, nothing is
// lost, doubled or taken away.
func TestReplayBesideTheLoader(t *testing.T) {
	w, fresh := openWarehouse(t), openWarehouse(t)
	frames := replayFrames(t, 100, 5, sampleReceived)
	ingested(t, fresh, frames)
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{SegmentBytes: 10_000, SealAge: 10 * time.Millisecond, Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, frame := range frames {
		if err := newSpooledFrames(s).Append(frame); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	loaded := make(chan error, 1)
	go func() { // received from below
		loaded <- NewLoader(s, w, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)).Run(t.Context())
	}()
	var during TableReplay
	for loading := true; loading; {
		select {
		case err := <-loaded:
			if err != nil {
				t.Fatal(err)
			}
			loading = false
		default:
			during.add(replayed(t, ReplayOptions{Spool: dir, Warehouse: w}))
		}
	}
	if during != (TableReplay{Unchanged: during.Unchanged}) || during.Unchanged == 0 {
		t.Errorf("met %+v", during)
	}
	if diff := cmp.Diff(contents(t, fresh), contents(t, w)); diff != "" {
		t.Errorf("(-want +got): %.5000s", diff)
	}
}
