package ingest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kslive/schema"
)

func TestParseRetention(t *testing.T) {
	r, err := ParseRetention([]string{"gifts=forever", "90d", "comments=30d", "comments_rollup=400d"})
	if err != nil {
		t.Fatal(err)
	}
	if got := []int{r["gifts"], r["likes"], r["dead_letters"], r["comments"], r["comments_rollup"]}; !cmp.Equal(got, []int{0, 90, 90, 30, 400}) {
		t.Errorf("%v", got)
	}
	for _, kept := range []string{"coverage", "gifts_rollup"} {
		if _, there := r[kept]; there {
			t.Errorf("%s is not to expire unless it is named", kept)
		}
	}
	for _, wrong := range []string{"", "90", "0d", "99999d", "comments=", "lives=3d", "rollup_changes=3d", "comments=1w", "Comments=3d"} {
		if _, err := ParseRetention([]string{wrong}); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

// oldRows inserts comments and gifts of two rooms, some of them days ago.
func oldRows(t *testing.T, w *ClickHouse) {
	t.Helper()
	for _, room := range []string{"3xroom1", "3xroom2"} {
		for _, days := range []int{1, 10, 100, 400} {
			at := fmt.Sprintf("SELECT '%s', 's', now64(3) - toIntervalDay(%d), now64(3), %d, 'u'", room, days, days)
			mustExec(t, w, "INSERT INTO comments (live_id, live_stream_id, event_time, received_at, event_id, user_id) %s", at)
			mustExec(t, w, "INSERT INTO gifts (live_id, live_stream_id, event_time, received_at, event_id, user_id, merge_key, gift_id, batch_size, combo_count, unit_price) %s, '1-%d-1-1', 1, 1, 1, 5", at, days)
		}
	}
}

// keptOf says how many comments and gifts a room has.
func keptOf(t *testing.T, w *ClickHouse, room string) string {
	t.Helper()
	of := func(table string) uint64 {
		return countOf(t, w, fmt.Sprintf("SELECT count() FROM %s WHERE live_id = '%s'", table, room))
	}
	return fmt.Sprintf("%d comments, %d gifts", of("comments"), of("gifts"))
}

// What --retain says is what the tables do, until it is not said any more; the
// rollups keep what they have.
func TestRetention(t *testing.T) {
	w := openWarehouse(t)
	oldRows(t, w)
	requireRollups(t, w)
	kept := countOf(t, w, "SELECT count() FROM comments_rollup FINAL WHERE chatters > 0")
	mustExec(t, w, "ALTER TABLE likes MODIFY TTL toDateTime(event_time) + INTERVAL 5 DAY") // a person's own
	log := slog.New(slog.DiscardHandler)
	apply := func(words ...string) map[string]int {
		t.Helper()
		r, err := ParseRetention(words)
		if err == nil {
			err = w.ApplyRetention(t.Context(), r, log)
		}
		if err != nil {
			t.Fatal(err)
		}
		ttls, err := w.ttls(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		days := make(map[string]int)
		for _, ttl := range ttls {
			if ttl.days > 0 {
				days[ttl.table] = ttl.days
			}
		}
		return days
	}
	if got := apply("comments=30d", "gifts=forever"); !cmp.Equal(got, map[string]int{"comments": 30}) {
		t.Errorf("%v", got)
	}
	for range 100 {
		mustExec(t, w, "OPTIMIZE TABLE comments FINAL")
		if keptOf(t, w, "3xroom1") == "2 comments, 4 gifts" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if got := keptOf(t, w, "3xroom1"); got != "2 comments, 4 gifts" {
		t.Errorf("kept: %s", got)
	}
	for range 2 {
		mustExec(t, w, "SYSTEM REFRESH VIEW comments_rollup_refresh")
		mustExec(t, w, "SYSTEM WAIT VIEW comments_rollup_refresh")
	}
	if now := countOf(t, w, "SELECT count() FROM comments_rollup FINAL WHERE chatters > 0"); now != kept || kept != 8 {
		t.Errorf("the rollup had %d minutes, and has %d", kept, now)
	}
	if got := apply("60d", "comments_rollup=90d"); got["likes"] != 60 || got["comments"] != 60 || got["comments_rollup"] != 90 || got["coverage"] != 0 {
		t.Errorf("%v", got)
	}
	if got := apply(); len(got) > 0 {
		t.Errorf("nothing is said, and %v", got)
	}
	if err := w.ApplyRetention(t.Context(), Retention{"none_rollup": 3}, log); err == nil {
		t.Error("a table that is not there can expire")
	}
}

// A TTL that a person set stays while nothing is said about the table.
func TestRetentionLeavesForeignTTL(t *testing.T) {
	w := openWarehouse(t)
	mustExec(t, w, "ALTER TABLE likes MODIFY TTL toDateTime(event_time) + INTERVAL 5 DAY")
	if err := w.ApplyRetention(t.Context(), Retention{"gifts": 3}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if n := countOf(t, w, "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'likes' AND engine_full LIKE '%toIntervalDay(5)%'"); n != 1 {
		t.Error("it is gone")
	}
}

// Once a day, by one worker, what is older than a room's own days is deleted, of
// that room only.
func TestRetainDays(t *testing.T) {
	w, l := openWarehouse(t), openLives(t, newDatabase(t), "a")
	oldRows(t, w)
	for _, room := range []string{"3xroom1", "3xroom2"} {
		row, err := json.Marshal(&schema.Comment{Event: schema.Event{LiveID: room}})
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, w, "INSERT INTO dead_letters (table_name, row, inserted_at) SELECT 'comments', %s, now64(3) - toIntervalDay(arrayJoin([10, 100]))", quoted(string(row)))
	}
	if _, err := l.pool.Exec(t.Context(), "INSERT INTO lives (live_id, retain_days) VALUES ('https://live.kuaishou.com/u/3xroom1', 50), ('3xroom2', NULL), ('3xroom3', 1)"); err != nil {
		t.Fatal(err)
	}
	keeper := Keeper{Lives: l, Warehouse: w, Logger: slog.New(slog.DiscardHandler)}
	for range 2 {
		if err := keeper.Daily(t.Context()); err != nil {
			t.Fatal(err)
		}
		if one, two := keptOf(t, w, "3xroom1"), keptOf(t, w, "3xroom2"); one != "2 comments, 2 gifts" || two != "4 comments, 4 gifts" {
			t.Errorf("%s; %s", one, two)
		}
		if one, two := countOf(t, w, "SELECT count() FROM dead_letters WHERE position(row, '3xroom1') > 0"), countOf(t, w, "SELECT count() FROM dead_letters"); one != 1 || two != 3 {
			t.Errorf("%d dead letters of the room, %d in all", one, two)
		}
	}
	if due, err := l.beginChore(t.Context(), "retention"); due || err != nil {
		t.Errorf("it is due again: %v, %v", due, err)
	}
	if err := l.giveBackChore(t.Context(), "retention"); err != nil {
		t.Fatal(err)
	}
	if due, err := l.beginChore(t.Context(), "retention"); !due || err != nil {
		t.Errorf("what was given back is not due: %v", err)
	}
}
