package ingest

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
)

// A row that ClickHouse refuses has one dead letter, however often it is
// replayed, and is stored as soon as it is taken.
func TestReplayOfRefusedRows(t *testing.T) {
	w := openWarehouse(t)
	mustExec(t, w, "ALTER TABLE comments ADD CONSTRAINT no_poison CHECK content NOT LIKE '%%poison%%'")
	var frames []*kuaishou.Frame
	for i := range 300 {
		content := fmt.Sprintf("示例 good %0300d", i)
		if i%100 == 50 {
			content = "示例 poison"
		}
		frame := frameOf(commentPush(t, content, uint64(sampleSent+i)))
		frame.FrameNumber = uint32(i + 1)
		frames = append(frames, frame)
	}
	dir := ingested(t, w, frames)
	letters := func() uint64 { return countOf(t, w, "SELECT count() FROM dead_letters") }
	if n := letters(); n != 3 {
		t.Fatalf("%d dead letters, want 3", n)
	}
	o := ReplayOptions{Spool: dir, Warehouse: w}
	for _, dry := range []bool{true, false, false} {
		o.DryRun = dry
		if counts := replayed(t, o); counts != (TableReplay{Unchanged: 297, Refused: 3}) || letters() != 3 {
			t.Errorf("met %+v, %d dead letters", counts, letters())
		}
	}
	// Those that are refused for the first time get a letter, also when nothing
	// else of their table is to be inserted.
	mustExec(t, w, "TRUNCATE TABLE dead_letters")
	if counts := replayed(t, o); counts != (TableReplay{Unchanged: 297, Refused: 3}) || letters() != 3 {
		t.Errorf("met %+v, %d dead letters", counts, letters())
	}
	if n := countOf(t, w, "SELECT count() FROM dead_letters WHERE position(frame, '示例 poison') > 0 AND position(row, 'poison') > 0"); n != 3 {
		t.Errorf("%d letters have row and frame", n)
	}
	if counts := replayed(t, o); counts.Refused != 3 || letters() != 3 {
		t.Errorf("met %+v, %d dead letters", counts, letters())
	}
	mustExec(t, w, "ALTER TABLE comments DROP CONSTRAINT no_poison")
	if counts := replayed(t, o); counts != (TableReplay{Unchanged: 297, Missing: 3}) || countOf(t, w, "SELECT count() FROM comments FINAL") != 300 {
		t.Errorf("met %+v once they are taken", counts)
	}
}

// What is outside of the wanted time, rooms and tables is left as it is, and one
// replay runs at a time.
func TestReplayOfSome(t *testing.T) {
	w := openWarehouse(t)
	start := time.Now().UnixMilli() // segments are chosen by the clock
	frames := replayFrames(t, 100, 4, start)
	dir := ingested(t, w, frames)
	mustExec(t, w, "TRUNCATE TABLE comments")
	mustExec(t, w, "TRUNCATE TABLE likes")
	count := func(where string) uint64 { return countOf(t, w, "SELECT count() FROM comments FINAL WHERE "+where) }
	middle := frames[len(frames)/2].ReceivedAt
	o := ReplayOptions{
		Spool: dir, Warehouse: w, Logger: slog.New(slog.DiscardHandler), Tables: []string{"comments"}, Lives: []string{"3xroom1", "3xroom2"},
		Since: time.UnixMilli(start), Until: time.UnixMilli(middle - 1),
	}
	archive, err := spool.OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := archive.Lock("replay.lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Replay(t.Context(), o); !errors.Is(err, ErrReplayRuns) {
		t.Errorf("a second replay: %v", err)
	}
	lock.Close()
	replayed(t, o)
	if count("live_id = '3xroom1'") == 0 || count("live_id != '3xroom1'") > 0 || countOf(t, w, "SELECT count() FROM likes") > 0 {
		t.Error("another room, time or table was replayed, or not what was wanted")
	}
	o.Since, o.Until = time.UnixMilli(middle), time.Time{}
	replayed(t, o)
	if count("live_id = '3xroom2'") == 0 || count("live_id NOT IN ('3xroom1', '3xroom2')") > 0 {
		t.Error("another room was replayed, or not what was wanted")
	}
}
