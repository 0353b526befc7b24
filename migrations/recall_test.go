package migrations

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
)

// said is a row of comments. What is not said is alike in all.
type said struct {
	source string
	ms     int // after the start
	id     string
	event  uint64 // 0: from all that identifies it
	user   string
	text   string
	device string
	stream string
	clock  string // event_time_source; empty: as usual for the source
}

func heard(ms int) said               { return said{source: "feed", ms: ms} }
func recalled(ms int, id string) said { return said{source: "recall", ms: ms, id: id} }
func outside(ms int, id string) said  { return said{source: "rich_text", ms: ms, id: id} }
func recalledOutside(ms int, id string) said {
	return said{source: "recall", ms: ms, id: id, text: "[]"}
}

// every is a comment repeated n times, step ms apart from ms on.
func every(n, ms, step int, row func(ms int, id string) said) (rows []said) {
	for i := range n {
		rows = append(rows, row(ms+i*step, fmt.Sprint("id", ms+i*step)))
	}
	return rows
}

func heardAs(ms int, _ string) said { return heard(ms) }

// What comments_unique shows of what sockets heard and history held: want are
// source and time of its rows.
var recallCases = map[string]struct {
	rows []said
	want []string
}{
	"heard only":       {[]said{heard(0), heard(500)}, []string{"feed 0", "feed 500"}},
	"recalled only":    {[]said{recalled(0, "a"), recalled(500, "b")}, []string{"recall 0", "recall 500"}},
	"both":             {[]said{heard(2000), recalled(0, "a")}, []string{"feed 2000"}},
	"clocks differ":    {[]said{heard(0), recalled(800, "a")}, []string{"feed 0"}},
	"heard 10 s after": {[]said{heard(10_000), recalled(0, "a")}, []string{"feed 10000"}},
	"heard later":      {[]said{heard(10_001), recalled(0, "a")}, []string{"recall 0", "feed 10001"}},
	"heard 2 s before": {[]said{heard(0), recalled(2000, "a")}, []string{"feed 0"}},
	"heard earlier":    {[]said{heard(0), recalled(2001, "a")}, []string{"feed 0", "recall 2001"}},
	"asked again": {
		[]said{recalled(0, "a"), {source: "recall", id: "a", event: 5}, {source: "recall", id: "a", event: 6}}, []string{"recall 0"},
	},
	"asked again and heard": {
		[]said{recalled(0, "a"), {source: "recall", id: "a", event: 5}, heard(1000), heard(1500)}, []string{"feed 1000", "feed 1500"},
	},
	"twice at once":         {[]said{recalled(0, "a"), recalled(0, "b"), heard(1000)}, []string{"recall 0", "feed 1000"}},
	"666 five times":        {append(every(5, 1000, 700, heardAs), every(5, 0, 700, recalled)...), []string{"feed 1000", "feed 1700", "feed 2400", "feed 3100", "feed 3800"}},
	"666 heard three times": {append(every(3, 1000, 700, heardAs), every(5, 0, 700, recalled)...), []string{"feed 1000", "feed 1700", "recall 2100", "feed 2400", "recall 2800"}},
	"666 recalled twice":    {append(every(4, 1000, 700, heardAs), every(2, 700, 700, recalled)...), []string{"feed 1000", "feed 1700", "feed 2400", "feed 3100"}},
	// History begins in the midst of what was heard, and goes on after it.
	"666 every 8 s": {
		append(every(6, 1000, 8000, heardAs), every(4, 24_000, 8000, recalled)...),
		[]string{"feed 1000", "feed 9000", "feed 17000", "feed 25000", "feed 33000", "feed 41000", "recall 48000"},
	},
	"another person":    {[]said{heard(0), {source: "recall", id: "a", user: "v"}}, []string{"feed 0", "recall 0"}},
	"another text":      {[]said{heard(0), {source: "recall", id: "a", text: "777"}}, []string{"feed 0", "recall 0"}},
	"another device":    {[]said{heard(0), {source: "recall", id: "a", device: "e"}}, []string{"feed 0", "recall 0"}},
	"another broadcast": {[]said{heard(0), {source: "recall", id: "a", stream: "t"}}, []string{"feed 0", "recall 0"}},
	"without a time": {
		[]said{heard(0), {source: "recall", ms: 1, id: "a", clock: "received"}, {source: "recall", ms: 3001, id: "a", clock: "received"}},
		[]string{"feed 0", "recall 1"},
	},
	"without a time and an ID": {
		[]said{
			{source: "recall", ms: 1, event: 5, clock: "received"},
			{source: "recall", ms: 3001, event: 5, clock: "received"},
			{source: "recall", ms: 3001, event: 6, clock: "received"},
		},
		[]string{"recall 1", "recall 3001"},
	},
	"outside":                    {[]said{outside(0, "a"), recalledOutside(0, "a")}, []string{"rich_text 0"}},
	"outside, a millisecond off": {[]said{outside(0, "a"), recalledOutside(1, "a")}, []string{"rich_text 0", "recall 1"}},
	"outside, another ID":        {[]said{outside(0, "a"), recalledOutside(0, "b")}, []string{"recall 0", "rich_text 0"}},
	"outside and inside":         {[]said{heard(0), recalledOutside(0, "a")}, []string{"feed 0", "recall 0"}},
}

// The same comment is read once, in whatever order and however often it was
// inserted, and whether all rooms are read or one.
func TestRecalledCommentsAreReadOnce(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	start := time.Now().UTC().Truncate(time.Hour)
	want := map[string][]string{}
	for name, test := range recallCases {
		last := slices.Clone(test.rows)
		slices.Reverse(last)
		for order, inserts := range map[string][][]said{
			"together": {test.rows},
			"apart":    {test.rows[:1], test.rows[1:]},
			"reversed": {last[:1], last[1:]},
			"replicas": {test.rows, last},
		} {
			live := name + ", " + order
			want[live] = test.want
			for _, rows := range inserts {
				insertSaid(t, conn, live, start, rows)
			}
		}
	}
	if diff := cmp.Diff(want, shownBy(t, conn, start, "")); diff != "" {
		t.Error(diff)
	}
	only := "666 every 8 s, apart"
	if diff := cmp.Diff(map[string][]string{only: want[only]}, shownBy(t, conn, start, only)); diff != "" {
		t.Errorf("one room: %s", diff)
	}
	if err := conn.Exec(t.Context(), "OPTIMIZE TABLE comments FINAL"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, shownBy(t, conn, start, "")); diff != "" {
		t.Errorf("merged: %s", diff)
	}
}

func insertSaid(t *testing.T, conn driver.Conn, live string, start time.Time, rows []said) {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), `INSERT INTO comments (live_id, live_stream_id, event_time, event_time_source,
		event_id, source, id, user_id, content, device_hash, segments)`)
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Close()
	for _, row := range rows {
		or := func(value, other string) string {
			if value != "" {
				return value
			}
			return other
		}
		clock, segments := "feed", ""
		if row.source == "feed" {
			clock = "envelope"
		}
		if row.source == "rich_text" || row.text == "[]" {
			segments = "[]"
		}
		event := row.event
		if event == 0 {
			event = uint64(1000 + row.ms*10 + len(row.source) + int(or(row.id, "a")[0]))
		}
		err := batch.Append(live, live+or(row.stream, "s"), start.Add(time.Duration(row.ms)*time.Millisecond), or(row.clock, clock),
			event, row.source, row.id, or(row.user, "u"), or(row.text, "666"), or(row.device, "d"), segments)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
}

// shownBy reads comments_unique, of one live or of all.
func shownBy(t *testing.T, conn driver.Conn, start time.Time, live string) map[string][]string {
	t.Helper()
	query, args := "SELECT live_id, source, event_time FROM comments_unique WHERE event_time >= $1", []any{start}
	if live != "" {
		query, args = query+" AND live_id = $2", append(args, live)
	}
	rows, err := conn.Query(t.Context(), query+" ORDER BY live_id, event_time, source", args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	shown := map[string][]string{}
	for rows.Next() {
		var (
			live, source string
			at           time.Time
		)
		if err := rows.Scan(&live, &source, &at); err != nil {
			t.Fatal(err)
		}
		shown[live] = append(shown[live], fmt.Sprint(source, " ", at.Sub(start).Milliseconds()))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return shown
}
