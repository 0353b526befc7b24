package migrations

import (
	"testing"
	"time"
)

// What has no time but that of its receipt is one event, whoever heard it.
func TestUndecodedWithoutTime(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	at := time.Date(2026, 6, 30, 23, 59, 59, 999e6, time.UTC) // 1 ms later it is in another partition
	row := func(live string, ms int, event, session uint64, source, part string) []any {
		return []any{live, at.Add(time.Duration(ms) * time.Millisecond), source, event, session, part}
	}
	insertTwice(t, conn, "undecoded (live_id, event_time, event_time_source, event_id, session_id, part)", [][]any{
		row("a", 0, 1, 1, "received", "two sessions"),
		row("a", 1, 1, 2, "received", "two sessions"),
		row("a", 2, 2, 1, "received", "again in one session"),
		row("a", 9000, 2, 1, "received", "again in one session"),
		row("a", 3, 3, 1, "received", "again in both"),
		row("a", 4, 3, 1, "received", "again in both"),
		row("a", 5000, 3, 2, "received", "again in both"),
		row("a", 5001, 3, 2, "received", "again in both"),
		row("a", 5002, 3, 2, "received", "again in both"),
		row("a", 5, 4, 1, "received", "two rooms"),
		row("b", 5, 4, 3, "received", "two rooms"),
		row("a", 6, 5, 1, "envelope", "with a time"),
		row("a", 7, 5, 2, "envelope", "with a time"),
	})
	compare(t, conn, "undecoded_unique", "SELECT part, count() FROM undecoded_unique GROUP BY part", map[string]uint64{
		"two sessions": 1, "again in one session": 2, "again in both": 3, "two rooms": 2, "with a time": 2,
	})
	compare(t, conn, "which one stays", "SELECT part, toUnixTimestamp64Milli(event_time) FROM undecoded_unique WHERE event_id = 1", map[string]uint64{
		"two sessions": uint64(at.UnixMilli()),
	})
}
