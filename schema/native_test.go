package schema

import (
	"testing"
	"time"

	chproto "github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/google/go-cmp/cmp"
)

// Every type that a field has can be encoded.
func TestNatives(t *testing.T) {
	for _, table := range Tables {
		for i, place := range table.places {
			if place.native.append == nil {
				t.Errorf("%s.%s: a %v is not in natives", table.Name, table.Columns[i], place.holds)
			}
		}
	}
}

// Every byte is as the driver would send it.
func TestAppendNative(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_123).UTC()
	batch := filled()
	batch.Comments = []Comment{
		{Event: Event{LiveID: "a", EventID: 1, EventTime: at}, User: User{UserName: "示例", Mystery: true}, BizType: 3},
		{Event: Event{LiveID: "b", EventID: 1 << 63, EventTime: time.UnixMilli(-1)}, User: User{OriginUserID: 9}, Content: string(make([]byte, 300))},
	}
	batch.Undecoded = []Undecoded{{Payload: []byte("p\xff")}, {Error: "e"}}
	batch.Coverage = []Coverage{{ConnectedAt: &at, EndedAt: new(time.Time), Code: -1, CloseCode: 1006, Epoch: -5}, {LastFrameAt: &at}}
	for rows := range batch.All() {
		for _, part := range []Rows{rows, rows.Slice(rows.Len()-1, rows.Len())} {
			if diff := cmp.Diff(encodedByDriver(t, part), part.AppendNative([]byte("before"))[len("before"):]); diff != "" {
				t.Errorf("%s: %s", rows.Name, diff)
			}
		}
	}
}

func encodedByDriver(t *testing.T, rows Rows) []byte {
	t.Helper()
	block := proto.NewBlock()
	for i, name := range rows.Columns {
		if err := block.AddColumn(name, column.Type(rows.places[i].native.name)); err != nil {
			t.Fatalf("%s.%s: %v", rows.Name, name, err)
		}
	}
	for row := range rows.Len() {
		if err := block.Append(rows.Values(row, nil)...); err != nil {
			t.Fatalf("%s: %v", rows.Name, err)
		}
	}
	var buf chproto.Buffer
	if err := block.Encode(&buf, 0); err != nil {
		t.Fatal(err)
	}
	return buf.Buf
}

func BenchmarkAppendNative(b *testing.B) {
	batch := Batch{Comments: make([]Comment, 1000)}
	for rows := range batch.All() {
		var buf []byte
		for b.Loop() {
			buf = rows.AppendNative(buf[:0])
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/row")
	}
}
