//go:build (linux || darwin) && !noembed

package chdb

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ClickHouse/ch-go/proto"
	driverproto "github.com/ClickHouse/clickhouse-go/v2/lib/proto"
	"github.com/google/go-cmp/cmp"
)

// nativeQueries give blocks of every layout.
var nativeQueries = []string{
	"SELECT number, toString(number) FROM numbers(100)",
	"SELECT number, toString(number) FROM numbers(3000) SETTINGS max_block_size = 1000",
	"SELECT toInt8(1), toUInt256(2), toFloat32(3), true, toDate('2020-01-01'), toDateTime64('2020-01-01 00:00:00', 3, 'UTC'), generateUUIDv4(), toIPv6('::1'), toFixedString('ab', 3), toDecimal32(1, 2), toDecimal64(1, 2), toDecimal128(1, 2), toDecimal256(1, 2), toIntervalDay(1)",
	"SELECT CAST('a', 'Enum8(\\'a\\' = 1, \\'b (,)\\' = 2)'), CAST(number % 2 = 0 ? NULL : 'x', 'Nullable(String)') FROM numbers(5)",
	"SELECT toLowCardinality(toString(number % 300)), CAST(number % 2 = 0 ? NULL : 'x', 'LowCardinality(Nullable(String))') FROM numbers(1000)",
	"SELECT range(number), arrayMap(x -> range(x), range(number)), arrayMap(x -> toLowCardinality(toString(x)), range(number)), [] FROM numbers(7)",
	"SELECT map('a', [1, 2], 'b', []), map(toLowCardinality('k'), tuple(1, 'x')), CAST(map(), 'Map(LowCardinality(String), Array(LowCardinality(String)))') FROM numbers(3)",
	"SELECT tuple(1, 'a', tuple([1])), CAST((1, 'a'), 'Tuple(n UInt8, `odd name` String)'), CAST([(1, 'a')], 'Nested(n UInt8, s LowCardinality(String))') FROM numbers(3)",
	"SELECT NULL, NULL FROM numbers(3)",
	"SELECT (1., 2.)::Point, [[(1., 2.)]]::Polygon, CAST(1, 'SimpleAggregateFunction(max, UInt64)')",
}

func nativeBlocks(t testing.TB, query string) []byte {
	t.Helper()
	got := ask(t, shared, http.MethodPost, "/?default_format=Native", query)
	if got.status != http.StatusOK {
		t.Fatalf("%s: %d %s", query, got.status, got.body)
	}
	return []byte(got.body)
}

// The driver must read the same values from a rewritten block as from the engine's.
func TestNativeWriter(t *testing.T) {
	const revision = 54460
	for _, query := range nativeQueries {
		blocks := nativeBlocks(t, query)
		for _, cut := range []int{0, 1, len(blocks) / 2} { // the engine may give a block in pieces
			var got bytes.Buffer
			w := &nativeWriter{w: &got, revision: revision}
			for _, piece := range [][]byte{blocks[:cut], blocks[cut:]} {
				_, err := w.Write(piece)
				must(t, err)
			}
			must(t, w.finish())
			if strings.Contains(query, "odd name") || strings.Contains(query, "b (,)") {
				continue // names that the driver does not read
			}
			if diff := cmp.Diff(decodeBlocks(t, blocks, 0), decodeBlocks(t, got.Bytes(), revision)); diff != "" {
				t.Errorf("%s, cut at %d (-engine's +rewritten):\n%s", query, cut, diff)
			}
		}
	}
}

// decodeBlocks returns each column of each block as the driver reads it.
func decodeBlocks(t *testing.T, blocks []byte, revision uint64) []string {
	t.Helper()
	var out []string
	for r := proto.NewReader(bytes.NewReader(blocks)); ; {
		block := driverproto.NewBlock()
		err := block.Decode(r, revision)
		if errors.Is(err, io.EOF) && len(out) > 0 {
			return out
		}
		must(t, err)
		for _, column := range block.Columns {
			text := column.Name() + " " + string(column.Type())
			for row := range block.Rows() {
				value := column.Row(row, false)
				if s, ok := value.(*string); ok && s != nil {
					value = *s
				}
				text += fmt.Sprintf(" %v", value)
			}
			out = append(out, text)
		}
	}
}

func TestNativeWriterErrors(t *testing.T) {
	block := nativeBlocks(t, nativeQueries[4])
	for end := 1; end < len(block); end += 97 {
		w := &nativeWriter{w: new(bytes.Buffer), revision: revisionCustomSerialization}
		if _, err := w.Write(block[:end]); err != nil {
			t.Fatalf("a block cut at %d: %v", end, err)
		}
		if w.finish() == nil {
			t.Fatalf("a block cut at %d is taken for whole", end)
		}
	}
	failing := errors.New("gone")
	w := &nativeWriter{w: iotest.TruncateWriter(new(bytes.Buffer), 0), revision: revisionBlockInfo}
	if _, err := w.Write(block); err != nil {
		t.Fatal(err)
	}
	w.w = failingWriter{failing}
	if _, err := w.Write(block); !errors.Is(err, failing) {
		t.Errorf("got %v, want the writer's error", err)
	}
	if got := ask(t, shared, http.MethodPost, "/?default_format=Native&client_protocol_version=54460", "SELECT uniqState(1)"); got.header.Get("X-ClickHouse-Exception-Code") != "48" {
		t.Errorf("an aggregate state was answered with %d %q", got.status, got.body)
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

func FuzzSplitBlock(f *testing.F) {
	for _, query := range nativeQueries {
		f.Add(nativeBlocks(f, query))
	}
	f.Add([]byte("\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01a\x0dArray(UInt64)"))
	f.Add([]byte("\x01\x01\x01a\x06Array("))
	f.Fuzz(func(t *testing.T, src []byte) {
		marks, end, err := splitBlock(src)
		if err != nil {
			return
		}
		if end < 0 || end > len(src) {
			t.Fatalf("the block ends at %d of %d", end, len(src))
		}
		for i, mark := range marks {
			if mark > end || i > 0 && mark <= marks[i-1] {
				t.Fatalf("the columns begin at %v in a block of %d", marks, end)
			}
		}
	})
}

func TestParseTypeErrors(t *testing.T) {
	for _, name := range []string{
		"", "Array", "Array()", "Array(UInt8", "Array(UInt8))", "Map(String)", "Nullable(String, String)", "Decimal(x)", "Decimal", "FixedString()",
		"Dynamic", "Variant(String, UInt8)", "AggregateFunction(uniq, String)", "SimpleAggregateFunction(max)", "Tuple('unclosed)",
		strings.Repeat("Array(", 200) + "UInt8" + strings.Repeat(")", 200),
	} {
		if got, err := parseType(name); err == nil {
			t.Errorf("%q: got %+v, want an error", name, got)
		}
	}
	nested, err := parseType("Nullable(FixedString(3))")
	must(t, err)
	want := nativeType{kind: kindNullable, inner: []nativeType{{kind: kindFixed, size: 3}}}
	if diff := cmp.Diff(want, nested, cmp.AllowUnexported(nativeType{})); diff != "" {
		t.Error(diff)
	}
}
