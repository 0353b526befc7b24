package migrations

import (
	"fmt"
	"testing"
	"time"
)

// A minute is a peak when it stands out of its broadcast, and not because the
// broadcast has just begun or hardly anybody writes in it.
func TestCommentPeaks(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	steady := func(comments, minutes int) []int {
		all := make([]int, minutes)
		for i := range all {
			all[i] = comments
		}
		return all
	}
	with := func(minutes []int, at, comments int) []int {
		minutes[at] = comments
		return minutes
	}
	start := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	var rows [][]any
	for stream, minutes := range map[string][]int{
		"a busy beginning": steady(30, 20),
		"doubled":          with(steady(30, 20), 15, 60),
		"a peak":           with(steady(30, 20), 15, 95),
		"quiet":            with(steady(1, 20), 15, 6),
		"a peak in quiet":  with(steady(1, 20), 15, 12),
	} {
		for minute, comments := range minutes {
			for i := range comments {
				at := start.Add(time.Duration(minute)*time.Minute + time.Duration(i)*time.Millisecond)
				rows = append(rows, []any{"live", stream, at, uint64(len(rows)), fmt.Sprint("user", i), "text", "normal"})
			}
		}
	}
	insertTwice(t, conn, "comments (live_id, live_stream_id, event_time, event_id, user_id, content, show_type)", rows)
	compare(t, conn, "comment_peaks", "SELECT live_stream_id, toUInt64(sum(dateDiff('minute', toDateTime('2026-06-01 12:00:00', 'UTC'), minute))) FROM comment_peaks GROUP BY live_stream_id",
		map[string]uint64{"a peak": 15, "a peak in quiet": 15})
}
