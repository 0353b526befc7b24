package migrations

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// rollups are the tables that keep what a view computes.
var rollups = []struct{ table, view, columns string }{
	{"comments_rollup", "comments_by_minute", "live_id, live_stream_id, minute, comments, chatters"},
	{"gifts_rollup", "revenue_by_minute", "live_id, live_stream_id, minute, gifts, value, givers"},
	{"watching_rollup", "watching_by_minute", "live_id, live_stream_id, minute, watching_min, watching_max, watching, exact"},
	{"comments_rollup_hour", "comments_by_hour", "live_id, live_stream_id, hour, comments, chatters"},
	{"gifts_rollup_hour", "revenue_by_hour", "live_id, live_stream_id, hour, gifts, value, givers"},
	{"watching_rollup_hour", "watching_by_hour", "live_id, live_stream_id, hour, watching_min, watching_max, watching, exact"},
}

// requireRollups refreshes the rollups and requires them to say what the views do.
func requireRollups(t *testing.T, conn driver.Conn, when string) {
	t.Helper()
	for _, r := range rollups {
		// One that waits may have begun before the latest rows were inserted.
		for range 2 {
			for _, act := range []string{"REFRESH", "WAIT"} {
				if err := conn.Exec(t.Context(), "SYSTEM "+act+" VIEW "+r.table+"_refresh"); err != nil {
					t.Fatal(err)
				}
			}
		}
		var rows, differ uint64
		if err := conn.QueryRow(t.Context(), `
			WITH seen AS (SELECT `+r.columns+` FROM `+r.view+`), kept AS (SELECT `+r.columns+` FROM `+r.table+` FINAL WHERE `+nonZero[strings.TrimSuffix(r.table, "_hour")]+` > 0)
			SELECT (SELECT count() FROM seen), (SELECT count() FROM (SELECT * FROM seen EXCEPT SELECT * FROM kept)) + (SELECT count() FROM (SELECT * FROM kept EXCEPT SELECT * FROM seen))`).Scan(&rows, &differ); err != nil {
			t.Fatal(err)
		}
		if differ > 0 || rows == 0 {
			t.Errorf("%s: %d of %d rows of %s are not as in %s", when, differ, rows, r.table, r.view)
		}
	}
}

// nonZero is what a minute or an hour has more than none of; one in which all was deleted
// stays as zeros.
var nonZero = map[string]string{"comments_rollup": "chatters", "gifts_rollup": "givers", "watching_rollup": "watching_max"}

// Rollups say what the views say, also when rows come late, twice or go.
func TestRollups(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	random := rand.New(rand.NewPCG(1, 2))
	seed(t, conn, random)
	requireRollups(t, conn, "at first")

	// A tick that came late, before ones that were heard: what they add changes,
	// in minutes of which nothing was inserted.
	at := seededStart(0).Add(90 * time.Second)
	insertTwice(t, conn, "gifts (live_id, live_stream_id, event_time, received_at, event_id, user_id, origin_user_id, gift_id, merge_key, batch_size, combo_count, unit_price)",
		[][]any{{seededLive, seededStreams[0], at, at, uint64(1_000_001), seededUser(0), uint64(7000), uint32(9), "7000-kq_1694180000000-9-1", uint32(1), uint32(7), uint32(5)}})
	seed(t, conn, random) // other comments under the same IDs, and all else once more
	requireRollups(t, conn, "with more")

	for _, table := range []string{"comments", "gifts", "room_stats"} {
		where := " WHERE toMinute(event_time) IN (12, 40) OR toHour(event_time) = 16"
		for _, sql := range []string{
			"INSERT INTO rollup_changes (live_id, live_stream_id, minute) SELECT DISTINCT live_id, live_stream_id, toStartOfMinute(event_time) FROM " + table + where,
			"DELETE FROM " + table + where,
		} {
			if err := conn.Exec(t.Context(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	requireRollups(t, conn, "with less")
}

// Of very much that is new a refresh takes a part, and the next one goes on, so
// that a database that is full already is rolled up with little memory.
func TestRollupsCatchUpInParts(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	const rows, part, minute = 2_400_000, 2_000_000, 20_000
	exec := func(sql string) {
		t.Helper()
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	// Two hours of a room; what is written says when it was inserted, so that no
	// refresh may look before all is there.
	exec("SYSTEM STOP VIEW comments_rollup_refresh")
	exec(`INSERT INTO comments (live_id, live_stream_id, event_time, event_id, user_id, inserted_at)
		SELECT 'live', 'stream', toDateTime64('2026-06-01 12:00:00', 3, 'UTC') + toIntervalMillisecond(number * 3) AS at, number, toString(number % 100), at + toIntervalSecond(2)
		FROM numbers(2400000)`)
	exec("SYSTEM START VIEW comments_rollup_refresh")
	for range 3 {
		exec("SYSTEM REFRESH VIEW comments_rollup_refresh")
		exec("SYSTEM WAIT VIEW comments_rollup_refresh")
	}
	var kept, refreshes, largest uint64
	if err := conn.QueryRow(t.Context(), `SELECT (SELECT sum(comments) FROM comments_rollup FINAL), count(), max(comments)
		FROM (SELECT computed_at, sum(comments) AS comments FROM comments_rollup GROUP BY computed_at)`).Scan(&kept, &refreshes, &largest); err != nil {
		t.Fatal(err)
	}
	// A minute is taken whole, and five of them once more.
	if kept != rows || refreshes < 2 || largest > part+7*minute {
		t.Errorf("%d comments are rolled up by %d refreshes of at most %d; want %d by parts of about %d", kept, refreshes, largest, rows, part)
	}
}
