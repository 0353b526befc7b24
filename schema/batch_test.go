package schema

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTables(t *testing.T) {
	for _, table := range Tables {
		if table.Name == "" {
			t.Errorf("field %d of Batch has no table", table.field)
		}
		for _, common := range []string{"live_id", "live_stream_id", "event_time", "event_time_source", "received_at", "event_id"} {
			if !slices.Contains(table.Columns, common) {
				t.Errorf("%s has no column %s", table.Name, common)
			}
		}
		for i, column := range table.Columns {
			if column == "" || slices.Contains(table.Columns[:i], column) {
				t.Errorf("%s: column %d is %q: empty or there twice", table.Name, i, column)
			}
		}
	}
}

// A row's JSON has the same names as its columns: `ingest decode` prints rows.
func TestColumnsAreJSONNames(t *testing.T) {
	batch := filled()
	for rows := range batch.All() {
		encoded, err := json.Marshal(rows.Row(0))
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(encoded, &fields); err != nil {
			t.Fatal(err)
		}
		for _, column := range rows.Columns {
			if _, ok := fields[column]; !ok {
				t.Errorf("%s: column %s is not in %s", rows.Name, column, encoded)
			}
		}
		if len(fields) != len(rows.Columns) {
			t.Errorf("%s: %d fields in JSON, %d columns", rows.Name, len(fields), len(rows.Columns))
		}
	}
}

func TestRows(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	batch := Batch{Likes: []Like{
		{Event: Event{LiveID: "a", EventID: 1, Offset: 10}},
		{Event: Event{LiveID: "b", EventID: 2, SessionID: 9, FrameNumber: 4, Offset: 20, EventTime: at, EventTimeSource: FromEnvelope}, User: User{UserID: "u"}, DeviceHash: "h"},
	}}
	if got := batch.Len(); got != 2 {
		t.Fatalf("Len is %d, want 2", got)
	}
	for rows := range batch.All() {
		second := rows.Slice(1, 2)
		if got := second.Event(0).Offset; got != 20 {
			t.Errorf("offset is %d, want 20", got)
		}
		got := make(map[string]any)
		for i, value := range second.Values(0, nil) {
			got[rows.Columns[i]] = value
		}
		want := map[string]any{
			"live_id": "b", "live_stream_id": "", "event_time": at, "event_time_source": FromEnvelope, "received_at": time.Time{}, "event_id": uint64(2), "session_id": uint64(9), "frame_number": uint32(4),
			"user_id": "u", "origin_user_id": uint64(0), "user_name": "", "head_url": "", "mystery": false,
			"fans_group_intimacy_level": uint32(0), "live_fans_group_intimacy_level": uint32(0), "wealth_grade": uint32(0), "audience_rank": uint32(0),
			"assistant_type": "", "fans_badge": "", "id": "", "device_hash": "h", "sort_rank": uint64(0), "other_fields": "",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	batch.Reset()
	if got := batch.Len(); got != 0 {
		t.Errorf("after Reset Len is %d", got)
	}
	if cap(batch.Likes) != 2 || batch.Likes[:1][0].LiveID != "" {
		t.Error("Reset dropped the memory or kept what it held")
	}
}

// A column is what the rows have in it, one after the other.
func TestColumn(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	var scratch Scratch
	batch := filled()
	batch.Comments = []Comment{
		{Event: Event{LiveID: "a", EventID: 1, EventTime: at}, User: User{UserName: "x", Mystery: true}, BizType: 3},
		{Event: Event{LiveID: "b", EventID: 2}, User: User{OriginUserID: 9}, Content: "c", Other: Other{OtherFields: "{}"}},
	}
	batch.Undecoded = []Undecoded{{Payload: []byte("p")}, {Error: "e"}}
	batch.Coverage = []Coverage{{ConnectedAt: &at, Code: -1, CloseCode: 1006, Epoch: 5}, {}}
	for rows := range batch.All() {
		for i, name := range rows.Columns {
			column := reflect.ValueOf(rows.Column(i, &scratch))
			if column.Len() != rows.Len() {
				t.Fatalf("%s.%s has %d values of %d", rows.Name, name, column.Len(), rows.Len())
			}
			for row := range rows.Len() {
				if diff := cmp.Diff(rows.Values(row, nil)[i], column.Index(row).Interface()); diff != "" {
					t.Errorf("%s.%s, row %d: %s", rows.Name, name, row, diff)
				}
			}
			if second := reflect.ValueOf(rows.Slice(rows.Len()-1, rows.Len()).Column(i, new(Scratch))); !cmp.Equal(second.Index(0).Interface(), column.Index(rows.Len()-1).Interface()) {
				t.Errorf("%s.%s: of a slice it is %v", rows.Name, name, second)
			}
		}
	}
}

func BenchmarkColumn(b *testing.B) {
	var scratch Scratch
	batch := Batch{Comments: make([]Comment, 1000)}
	for rows := range batch.All() {
		b.Run("place", func(b *testing.B) {
			for b.Loop() {
				for i := range rows.Columns {
					rows.Column(i, &scratch)
				}
			}
		})
		b.Run("reflection", func(b *testing.B) {
			for b.Loop() {
				for i := range rows.Columns {
					rows.reflected(i)
				}
			}
		})
	}
}

func filled() *Batch {
	return &Batch{
		Comments: make([]Comment, 1), ComboComments: make([]ComboComment, 1), Gifts: make([]Gift, 1), Likes: make([]Like, 1),
		Shares: make([]Share, 1), Notices: make([]Notice, 1), RoomStats: make([]RoomStat, 1), Viewers: make([]Viewer, 1),
		Entries: make([]Entry, 1), Rankings: make([]Ranking, 1), FanJoins: make([]FanJoin, 1), RedPacks: make([]RedPack, 1),
		RoomEvents: make([]RoomEvent, 1), Undecoded: make([]Undecoded, 1),
	}
}
