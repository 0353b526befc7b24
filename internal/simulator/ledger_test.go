package simulator

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	kuaishou "kslive/proto"
	"kslive/schema"
)

func comment(content string) *schema.Comment {
	return &schema.Comment{
		Event:   schema.Event{LiveID: "3xa", LiveStreamID: "s", EventTime: time.UnixMilli(1)},
		User:    schema.User{UserID: "u", Mystery: true},
		Content: content, Source: "feed", ShowType: "normal", SortRank: 7,
	}
}

// database answers queries from rows, as ClickHouse would.
func database(rows ...any) Query {
	return func(_ context.Context, sql string) (map[uint64]uint64, error) {
		counts := map[uint64]uint64{}
		for _, row := range rows {
			if e := entryOf(row); strings.Contains(sql, " FROM "+keys[e.table].table+"_unique ") {
				counts[e.hash]++
			}
		}
		return counts, nil
	}
}

func TestAudit(t *testing.T) {
	t.Parallel()
	like := &schema.Like{Event: schema.Event{LiveID: "3xa"}}
	sent := []any{comment("twice"), comment("twice"), comment("once"), comment("cut \xe5\xae"), like}
	read := sent[1:4] // for certain
	for name, test := range map[string]struct {
		stored   []any
		comments Kind
		likes    Kind
	}{
		"all there": {
			[]any{like, comment("cut \uFFFD"), comment("once"), comment("twice"), comment("twice")},
			Kind{Sent: 4, Stored: 4, Confirmed: 3},
			Kind{Sent: 1, Stored: 1},
		},
		"missing": {
			[]any{comment("twice"), comment("cut \uFFFD")},
			Kind{Sent: 4, Stored: 2, Missing: 2, Confirmed: 3, Lost: 1},
			Kind{Sent: 1, Missing: 1},
		},
		"doubled": {
			[]any{like, like, like, comment("cut \uFFFD"), comment("once"), comment("once"), comment("twice"), comment("twice")},
			Kind{Sent: 4, Stored: 5, Confirmed: 3, Doubled: 1},
			Kind{Sent: 1, Stored: 3, Doubled: 2},
		},
		"extra": {
			[]any{like, comment("cut \uFFFD"), comment("once"), comment("twice"), comment("twice"), comment("other")},
			Kind{Sent: 4, Stored: 5, Confirmed: 3, Extra: 1},
			Kind{Sent: 1, Stored: 1},
		},
		"altered": {
			[]any{like, comment("cut"), comment("once"), comment("twice"), comment("twice")},
			Kind{Sent: 4, Stored: 4, Missing: 1, Confirmed: 3, Lost: 1, Extra: 1},
			Kind{Sent: 1, Stored: 1},
		},
	} {
		ledger := newLedger(time.UnixMilli(0))
		for _, row := range sent {
			ledger.add([]entry{entryOf(row)})
		}
		for _, row := range read {
			ledger.confirm([]entry{entryOf(row)})
		}
		got, err := ledger.Audit(t.Context(), database(test.stored...), true)
		if err != nil {
			t.Fatal(err)
		}
		if got.Kinds["comments"] != test.comments || got.Kinds["likes"] != test.likes {
			t.Errorf("%s: comments %+v, likes %+v", name, got.Kinds["comments"], got.Kinds["likes"])
		}
		c, l := test.comments, test.likes
		sum := Kind{
			Sent: c.Sent + l.Sent, Stored: c.Stored + l.Stored, Missing: c.Missing + l.Missing,
			Confirmed: c.Confirmed + l.Confirmed, Lost: c.Lost + l.Lost, Doubled: c.Doubled + l.Doubled, Extra: c.Extra + l.Extra,
		}
		if got.Kind != sum || len(got.Kinds) != len(keys) {
			t.Errorf("%s: sum %+v of %d kinds, want %+v", name, got.Kind, len(got.Kinds), sum)
		}
	}
	broken := errors.New("broken")
	_, err := newLedger(time.Now()).Audit(t.Context(), func(context.Context, string) (map[uint64]uint64, error) { return nil, broken }, false)
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	k := keyOf[schema.Undecoded]("undecoded", "payload_type part payload")
	got := k.query(time.UnixMilli(42), true, "")
	want := "SELECT xxHash64(concatWithSeparator('\\x1f', toString(`live_id`), toString(`live_stream_id`), " +
		"toString(if(event_time_source = 'received', 0, toUnixTimestamp64Milli(`event_time`))), toString(`payload_type`), toString(`part`), toString(xxHash64(`payload`)))) AS hash, " +
		"count() AS count FROM undecoded_unique WHERE event_time >= fromUnixTimestamp64Milli(42) GROUP BY hash"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if strings.Contains(k.query(time.UnixMilli(42), false, ""), "unique") {
		t.Error("the view of each event once although not asked for")
	}
}

func TestEveryTableHasAKey(t *testing.T) {
	t.Parallel()
	var names []string
	for _, k := range keys {
		names = append(names, k.table)
	}
	var want []string
	for _, table := range schema.Tables {
		if table.Name == "coverage" {
			continue // what the ingester says of itself is nothing that was sent
		}
		want = append(want, table.Name)
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("tables (-schema, +keys):\n%s", diff)
	}
	if len(tableOf) != len(keys) {
		t.Errorf("%d row types for %d keys", len(tableOf), len(keys))
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})
	rooms := s.URL() + "/simulator/rooms"
	post(t, rooms+"/3xroom", `{"rate": 100}`)
	post(t, rooms+"/3xroom/live", "")
	c := enter(t, s, "3xroom")
	c.until(kuaishou.PayloadType_SC_ACTION_SIGNAL, &kuaishou.SCActionSignal{})
	post(t, rooms+"/3xroom/answer", `{"code": 2, "call": "page"}`)
	post(t, rooms+"/3xroom/faults", `{"dead_first_url": true}`)
	post(t, s.URL()+"/simulator/stop-pushing", "")

	state := parse[[]RoomState](t, get(t, rooms))[0]
	if state.LiveID != "3xroom" || state.State != "refusing" || state.Connections != 1 || state.Answer.Code != 2 || !state.Faults.DeadFirstURL {
		t.Errorf("room %+v", state)
	}
	stats := parse[Stats](t, get(t, s.URL()+"/simulator/stats"))
	if stats.Connections != 1 || stats.Frames == 0 || stats.Rooms["refusing"] != 1 || !maps.Equal(stats.Sent, s.Ledger().Counts()) {
		t.Errorf("stats %+v", stats)
	}

	ledger, err := Client{URL: s.URL()}.Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !ledger.since.Equal(s.ledger.since) || !maps.Equal(ledger.Counts(), s.Ledger().Counts()) {
		t.Errorf("fetched %v, want %v", ledger.Counts(), s.Ledger().Counts())
	}
	for i := range keys {
		if !maps.Equal(ledger.tables[i].sent, s.ledger.tables[i].snapshot()) {
			t.Errorf("table %s differs after the transfer", keys[i].table)
		}
	}

	post(t, rooms+"/3xroom/end", "")
	c.until(kuaishou.PayloadType_SC_ERROR, &kuaishou.SCWebError{})
}

func TestControlRefuses(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	for name, test := range map[string]struct {
		path, body string
		status     int
	}{
		"unknown room":    {"/simulator/rooms/nobody/live", "", http.StatusNotFound},
		"room twice":      {"/simulator/rooms/" + liveID, "", http.StatusConflict},
		"negative rate":   {"/simulator/rooms/3xnew", `{"rate": -1}`, http.StatusConflict},
		"no JSON":         {"/simulator/rooms/" + liveID + "/answer", "code=2", http.StatusBadRequest},
		"unknown setting": {"/simulator/rooms/" + liveID + "/faults", `{"silense": true}`, http.StatusBadRequest},
	} {
		response, err := http.Post(s.URL()+test.path, "application/json", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != test.status {
			t.Errorf("%s: %s, want %d", name, response.Status, test.status)
		}
	}
	if _, err := (Client{URL: s.URL() + "/u"}).Ledger(t.Context()); err == nil {
		t.Error("a page was taken for a ledger")
	}
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	s := start(t, Options{})
	for name, options := range map[string]Options{
		"negative rate": {Rate: -1},
		"address taken": {Listen: strings.TrimPrefix(s.URL(), "http://")},
	} {
		if other, err := Start(t.Context(), options); err == nil {
			t.Errorf("%s: no error", name)
			_ = other.Close()
		}
	}
}
