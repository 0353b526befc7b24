package migrations

import (
	"strings"
	"testing"
	"time"
)

// Comments and gifts of which it is not said whose they are count, and are nobody's.
func TestCommentsWithoutUser(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	var comments, gifts [][]any
	for i, user := range []string{"", "", "a", "b", "a"} {
		comments = append(comments, []any{"live", "stream", at, uint64(i), user, "text", "normal"})
		gifts = append(gifts, []any{"live", "stream", at, uint64(i), user, uint32(1), uint32(1), uint32(1), uint32(10)})
	}
	insertTwice(t, conn, "comments (live_id, live_stream_id, event_time, event_id, user_id, content, show_type)", comments)
	insertTwice(t, conn, "gifts (live_id, live_stream_id, event_time, event_id, user_id, gift_id, batch_size, combo_count, unit_price)", gifts)
	insertTwice(t, conn, "coverage (live_id, live_stream_id, event_time, event_id, received_at, connected_at, ended_at, state)",
		[][]any{{"live", "stream", at, uint64(1), at, at, at.Add(time.Minute), "ended"}})
	for view, sums := range map[string]string{
		"comments_by_minute": "[sum(comments), sum(chatters)]",
		"comments_by_hour":   "[sum(comments), sum(chatters)]",
		"revenue_by_minute":  "[intDiv(sum(value), 10), sum(givers)]",
		"revenue_by_hour":    "[intDiv(sum(value), 10), sum(givers)]",
		"broadcast_minutes":  "[sum(comments), sum(chatters)]",
		"broadcasts":         "[sum(comments), sum(chatters)]",
		"broadcasts, gifts":  "[intDiv(sum(value), 10), sum(givers)]",
	} {
		from, _, _ := strings.Cut(view, ",")
		compare(t, conn, view, "SELECT ['things', 'people'][n], "+sums+"[n] FROM "+from+" ARRAY JOIN [1, 2] AS n GROUP BY n", map[string]uint64{"things": 5, "people": 2})
	}
}
