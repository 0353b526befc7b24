package ingest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// viewed are the rows of every view, and of every rollup after a refresh of it.
func viewed(t *testing.T, c *ClickHouse) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	// What takes parameters reads comments_unique and gift_combos, as others here do.
	// Prices come from the catalogue, not from frames; recalled_twins may name one
	// row twice, and only comments_unique reads it.
	for _, name := range namesOf(t, c, "engine = 'View' AND create_table_query NOT LIKE '%{%:%}%' AND name NOT IN ('gift_prices', 'recalled_twins')") {
		all[name] = jsonRows(t, c, name)
	}
	for _, name := range namesOf(t, c, "engine = 'MaterializedView'") {
		for range 2 { // one that waits may have begun before the latest rows were inserted
			mustExec(t, c, "SYSTEM REFRESH VIEW %s", name)
			mustExec(t, c, "SYSTEM WAIT VIEW %s", name)
		}
		rollup := strings.TrimSuffix(name, "_refresh")
		people := map[string]string{"comments": "chatters", "gifts": "givers", "watching": "watching_max"}[rollup[:strings.Index(rollup, "_")]]
		all[rollup] = jsonRows(t, c, rollup+" FINAL WHERE "+people+" > 0")
	}
	return all
}

// namesOf are the names of the tables that a condition holds for.
func namesOf(t *testing.T, c *ClickHouse, condition string) (names []string) {
	t.Helper()
	if err := c.conn.QueryRow(t.Context(), "SELECT arraySort(groupArray(name)) FROM system.tables WHERE database = currentDatabase() AND "+condition).Scan(&names); err != nil {
		t.Fatal(err)
	}
	return names
}

// jsonRows are the rows of a table or view, as JSON and in order, but for when
// they were written. A rollup keeps a minute in which nothing is left as zeros.
func jsonRows(t *testing.T, c *ClickHouse, from string) (rows []string) {
	t.Helper()
	query := fmt.Sprintf("SELECT arraySort(groupArray(formatRowNoNewline('JSONEachRow', *))) FROM (SELECT * EXCEPT (inserted_at, computed_at, seen_until) FROM %s)", from)
	if err := c.conn.QueryRow(t.Context(), query).Scan(&rows); err != nil {
		t.Fatalf("%s: %v", from, err)
	}
	return rows
}

// broadcastFrames are a broadcast with a minute in which everybody speaks, of which
// the history was asked for as well.
func broadcastFrames(t *testing.T) (frames []*kuaishou.Frame) {
	t.Helper()
	add := func(frame *kuaishou.Frame) {
		frame.LiveId, frame.LiveStreamId = "3xbroadcast0000", "broadcast"
		frame.SessionId, frame.FrameNumber = 900, uint32(len(frames)+1)
		frames = append(frames, frame)
	}
	for minute, comments := range []int{1, 2, 40, 1} {
		for i := range comments {
			feed := &kuaishou.WebCommentFeed{User: &kuaishou.SimpleUserInfo{PrincipalId: fmt.Sprintf("3xspeaker%06d", i%15)}, Content: fmt.Sprint("火箭来了 ", i), ShowType: 1}
			sent := sampleSent + 60_000*uint64(minute) + uint64(i)
			add(frameOf(encoded(t, &kuaishou.SocketMessage{
				PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, Time: sent,
				Payload: encoded(t, &kuaishou.SCWebFeedPush{DisplayWatchingCount: fmt.Sprint(100 * (minute + 1)), CommentFeeds: []*kuaishou.WebCommentFeed{feed}}),
			})))
			feed.Id, feed.Time = fmt.Sprint("recalled ", len(frames)), sent
			add(frameOf(encoded(t, &kuaishou.SocketMessage{PayloadType: kuaishou.PayloadType_SC_WEB_COMMENT_FEED, Payload: encoded(t, feed)})))
			frames[len(frames)-1].Source = kuaishou.Frame_SOURCE_RECALL
		}
	}
	add(frameOf(nil))
	frames[len(frames)-1].Coverage = coverageSample()
	frames[len(frames)-1].FrameNumber = 1
	return frames
}

// Every view and every rollup says after a replay what it says of a fresh
// ingest, and goes on to when all rows come once more.
func TestViewsAfterReplay(t *testing.T) {
	damaged, fresh := openWarehouse(t), openWarehouse(t)
	frames := append(replayFrames(t, 100, 3, sampleReceived), broadcastFrames(t)...)
	dir := ingested(t, damaged, frames)
	ingested(t, fresh, frames)
	want := viewed(t, fresh)
	damage(t, damaged)
	wrong := viewed(t, damaged)
	for name, rows := range want {
		if len(rows) == 0 || cmp.Equal(rows, wrong[name]) {
			t.Errorf("%s has %d rows, the damage does not show in them", name, len(rows))
		}
	}
	replayed(t, ReplayOptions{Spool: dir, Warehouse: damaged, WindowRows: 300})
	if diff := cmp.Diff(want, viewed(t, damaged)); diff != "" {
		t.Errorf("after the replay (-want +got): %.5000s", diff)
	}
	for _, table := range schema.Tables {
		columns := strings.Join(table.Columns, ", ")
		mustExec(t, damaged, "INSERT INTO %s (%s) SELECT %s FROM %s FINAL", table.Name, columns, columns, table.Name)
	}
	if diff := cmp.Diff(want, viewed(t, damaged)); diff != "" {
		t.Errorf("with all rows twice (-want +got): %.5000s", diff)
	}
}
