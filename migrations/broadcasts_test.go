package migrations

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
)

// remark is a comment of the seeded broadcasts.
type remark struct {
	stream string
	user   int
	at     time.Time
	hidden bool
}

const (
	seededLive    = "3xseeded0000000"
	seededMinutes = 60 // of each broadcast
)

// seededStreams begin a day apart.
var seededStreams = []string{"stream-0001", "stream-0002", "stream-0003"}

func seededStart(i int) time.Time {
	return time.Date(2026, 6, 1+i, 15, 30, 10, 0, time.UTC) // 23:30 in China: the broadcasts go over midnight
}

func seededUser(n int) string { return fmt.Sprintf("3xuser%09d", n) }

// seed inserts three broadcasts of one room, half of it twice, and answers the
// comments. Users with a number below 40 come to any of them, the others to the
// one with their number modulo three.
func seed(t *testing.T, conn driver.Conn, random *rand.Rand) []remark {
	t.Helper()
	var comments []remark
	for i, stream := range seededStreams {
		for minute := range seededMinutes {
			n := random.IntN(8)
			if minute == 30 {
				n = 100 // the peak
			}
			for range n {
				user := random.IntN(100)
				if user >= 40 {
					user += (i - user%3 + 3) % 3
				}
				at := seededStart(i).Add(time.Duration(minute)*time.Minute + time.Duration(random.IntN(49_000))*time.Millisecond)
				comments = append(comments, remark{stream, user, at, random.IntN(10) == 0})
			}
		}
	}
	rows := make([][]any, 0, len(comments))
	for id, c := range comments {
		show := "normal"
		if c.hidden {
			show = "hidden"
		}
		rows = append(rows, []any{seededLive, c.stream, c.at, c.at, uint64(id + 1), seededUser(c.user), fmt.Sprintf("用户%d", c.user), "主播好", show})
	}
	insertTwice(t, conn, "comments (live_id, live_stream_id, event_time, received_at, event_id, user_id, user_name, content, show_type)", rows)

	rows = nil
	for i, stream := range seededStreams {
		for minute := range seededMinutes {
			at := seededStart(i).Add(time.Duration(minute) * time.Minute)
			watching, text, exact := uint64(1000+minute), fmt.Sprint(1000+minute), true
			if minute == 59 {
				watching, text, exact = 12_000, "1.2万", false
			}
			rows = append(rows, []any{seededLive, stream, at, at, uint64(i*1000 + minute), text, watching, exact, fmt.Sprint(50 * minute), uint64(50 * minute), true})
		}
	}
	insertTwice(t, conn, `room_stats (live_id, live_stream_id, event_time, received_at, event_id,
		display_watching_count, watching_count, watching_count_exact, display_like_count, like_count, like_count_exact)`, rows)

	rows = nil
	for i, stream := range seededStreams {
		began := seededStart(i)
		ended := began.Add(seededMinutes * time.Minute)
		rows = append(rows, []any{seededLive, stream, began, ended, uint64(i + 1), "worker", &began, &ended, &ended, "ended", "rejected"})
	}
	insertTwice(t, conn, "coverage (live_id, live_stream_id, event_time, received_at, event_id, worker, connected_at, last_frame_at, ended_at, state, cause)", rows)

	rows = nil
	for i, stream := range seededStreams {
		for count := range uint32(10) { // one combo of ten sends of one for 5 快币 each
			at := seededStart(i).Add(time.Duration(count) * time.Minute)
			rows = append(rows, []any{seededLive, stream, at, at, uint64(i*100) + uint64(count), seededUser(i), uint64(7000 + i), uint32(9), fmt.Sprintf("%d-kq_1694180000000-9-1", 7000+i), uint32(1), count + 1, uint32(5)})
		}
	}
	insertTwice(t, conn, "gifts (live_id, live_stream_id, event_time, received_at, event_id, user_id, origin_user_id, gift_id, merge_key, batch_size, combo_count, unit_price)", rows)
	return comments
}

// insertTwice inserts all rows, and the first half of them once more.
func insertTwice(t *testing.T, conn driver.Conn, into string, rows [][]any) {
	t.Helper()
	for _, part := range [][][]any{rows, rows[:len(rows)/2]} {
		batch, err := conn.PrepareBatch(t.Context(), "INSERT INTO "+into)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range part {
			if err := batch.Append(row...); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
}

// What the views answer is what was put in, although half of it was twice.
func TestBroadcastViews(t *testing.T) {
	number := rand.Uint64()
	t.Logf("seed %d", number)
	_, dsn := migrated(t)
	conn := open(t, dsn)
	comments := slices.DeleteFunc(seed(t, conn, rand.New(rand.NewPCG(number, 0))), func(c remark) bool { return c.hidden })
	china := time.FixedZone("China", 8*3600)

	byDay, byMinute := make(map[string]uint64), make(map[string]uint64)
	people := make(map[string]map[int]bool) // by stream
	for _, c := range comments {
		byDay[fmt.Sprint(c.stream, c.at.In(china).Format(" 2006-01-02 "), seededUser(c.user))]++
		byMinute[fmt.Sprint(c.stream, " ", c.at.Truncate(time.Minute).Unix())]++
		if people[c.stream] == nil {
			people[c.stream] = make(map[int]bool)
		}
		people[c.stream][c.user] = true
	}
	compare(t, conn, "chatters", "SELECT concat(live_stream_id, ' ', toString(day), ' ', user_id), comments FROM chatters", byDay)
	compare(t, conn, "comments_by_minute", "SELECT concat(live_stream_id, ' ', toString(toUnixTimestamp(minute))), comments FROM comments_by_minute", byMinute)
	compare(t, conn, "presence", "SELECT live_stream_id, uniqExactIf(user_id, comments > 0) FROM presence GROUP BY live_stream_id", sizes(people))
	compare(t, conn, "user_names", "SELECT user_id, sum(comments) FROM user_names WHERE comments > 0 GROUP BY user_id", tally(comments, func(c remark) string { return seededUser(c.user) }))
	compare(t, conn, "broadcasts", "SELECT live_stream_id, comments FROM broadcasts", tally(comments, func(c remark) string { return c.stream }))
	compare(t, conn, "comment_peaks", "SELECT live_stream_id, toUInt64(dateDiff('minute', toDateTime('2026-06-01 15:30:00', 'UTC'), minute) % 1440) FROM comment_peaks", map[string]uint64{"stream-0001": 30, "stream-0002": 30, "stream-0003": 30})

	returning := make(map[string]uint64)
	retained := make(map[string]uint64)
	for i, stream := range seededStreams {
		returning[stream], retained[stream] = 0, 0
		for user := range people[stream] {
			if i > 0 && people[seededStreams[i-1]][user] {
				retained[stream]++
			}
			if slices.ContainsFunc(seededStreams[:i], func(earlier string) bool { return people[earlier][user] }) {
				returning[stream]++
			}
		}
	}
	compare(t, conn, "retention", "SELECT live_stream_id, returning_chatters FROM retention", returning)
	compare(t, conn, "retention", "SELECT live_stream_id, from_the_last FROM retention", retained)
	compare(t, conn, "retention", "SELECT live_stream_id, chatters FROM retention", sizes(people))
	compare(t, conn, "retention", "SELECT live_stream_id, new_chatters + returning_chatters FROM retention", sizes(people))

	each := func(n uint64) map[string]uint64 {
		all := make(map[string]uint64)
		for _, stream := range seededStreams {
			all[stream] = n
		}
		return all
	}
	for _, c := range []struct {
		of, is string
		want   uint64
	}{
		{"broadcasts", "sum(toUInt64(seconds))", 3600},
		{"broadcasts", "sum(value)", 50},
		{"broadcasts", "sum(givers)", 1},
		{"broadcasts", "sum(likes_gained)", 50 * 59},
		{"broadcasts", "sum(likes_exact)", 1},
		{"broadcasts", "sum(watching_max)", 12_000},
		{"broadcasts", "sum(watching_exact)", 0},
		{"gifters", "sum(value)", 50},
		{"revenue_by_minute", "count()", 10},
		{"revenue_by_minute", "max(value)", 5},
		{"watching_by_minute", "count()", seededMinutes},
		{"watching_by_minute", "min(watching)", 1000},
		{"likes_by_broadcast", "sum(gained)", 50 * 59},
		{"broadcast_minutes", "max(minutes_in)", seededMinutes - 1},
		{"broadcast_minutes", "min(minutes_in)", 0},
		{"broadcast_minutes", "sum(value)", 50},
	} {
		compare(t, conn, c.of+": "+c.is, "SELECT live_stream_id, "+c.is+" FROM "+c.of+" GROUP BY live_stream_id", each(c.want))
	}

	at := seededStart(0).Add(31 * time.Minute)
	before := func(c remark) bool { return c.at.After(at.Add(-time.Minute)) && !c.at.After(at) }
	compare(t, conn, "moment", fmt.Sprintf("SELECT kind, count() FROM moment(live = '%s', at = toDateTime64('%s', 3, 'UTC'), seconds = 60) GROUP BY kind", seededLive, at.Format("2006-01-02 15:04:05")),
		map[string]uint64{"comment": uint64(len(slices.DeleteFunc(slices.Clone(comments), func(c remark) bool { return !before(c) })))})
}

// Each example in the comment of a view can be run.
func TestExamples(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	examples := query[struct{ Name, Example string }](t, conn, `
		SELECT name AS Name, splitByString('Example: ', comment)[2] AS Example FROM system.tables
		WHERE database = currentDatabase() AND comment LIKE '%Example: %'`)
	if len(examples) < 13 {
		t.Errorf("only %d examples", len(examples))
	}
	for _, e := range examples {
		if !strings.Contains(e.Example, e.Name) {
			t.Errorf("the example of %s is about something else: %s", e.Name, e.Example)
		}
		rows, err := conn.Query(t.Context(), e.Example)
		if err == nil {
			for rows.Next() { // there are none, but the examples are run to their ends
			}
			err = errors.Join(rows.Err(), rows.Close())
		}
		if err != nil {
			t.Errorf("%s: %s: %v", e.Name, e.Example, err)
		}
	}
}

// compare requires a query to answer names and numbers as they should be.
func compare(t *testing.T, conn driver.Conn, what, sql string, want map[string]uint64) {
	t.Helper()
	got := make(map[string]uint64)
	for _, row := range query[struct {
		Name   string
		Number uint64
	}](t, conn, "SELECT toString(c1) AS Name, toUInt64(c2) AS Number FROM ("+sql+") AS answer(c1, c2)") {
		got[row.Name] = row.Number
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

// tally counts comments by something.
func tally(comments []remark, by func(remark) string) map[string]uint64 {
	counts := make(map[string]uint64)
	for _, c := range comments {
		counts[by(c)]++
	}
	return counts
}

func sizes(sets map[string]map[int]bool) map[string]uint64 {
	counts := make(map[string]uint64)
	for name, set := range sets {
		counts[name] = uint64(len(set))
	}
	return counts
}
