//go:build (linux || darwin) && !noembed

package chdb

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

type everyType struct {
	S    string            `ch:"s"`
	LC   string            `ch:"lc"`
	LCN  *string           `ch:"lcn"`
	N    *int64            `ch:"n"`
	I8   int8              `ch:"i8"`
	I16  int16             `ch:"i16"`
	I32  int32             `ch:"i32"`
	I64  int64             `ch:"i64"`
	U8   uint8             `ch:"u8"`
	U16  uint16            `ch:"u16"`
	U32  uint32            `ch:"u32"`
	U64  uint64            `ch:"u64"`
	F    float64           `ch:"f"`
	B    bool              `ch:"b"`
	D    time.Time         `ch:"d"`
	D64  time.Time         `ch:"d64"`
	A    []string          `ch:"a"`
	ALC  []string          `ch:"alc"`
	AA   [][]uint32        `ch:"aa"`
	M    map[string]string `ch:"m"`
	MA   map[string][]int8 `ch:"ma"`
	E    string            `ch:"e"`
	U    uuid.UUID         `ch:"u"`
	SAF  uint64            `ch:"saf"`
	T    []any             `ch:"t"`
	FS   string            `ch:"fs"`
	Null *string           `ch:"null_s"`
}

const everyTypeTable = `(
	s String, lc LowCardinality(String), lcn LowCardinality(Nullable(String)), n Nullable(Int64),
	i8 Int8, i16 Int16, i32 Int32, i64 Int64, u8 UInt8, u16 UInt16, u32 UInt32, u64 UInt64,
	f Float64, b Bool, d DateTime, d64 DateTime64(3, 'UTC'),
	a Array(String), alc Array(LowCardinality(String)), aa Array(Array(UInt32)),
	m Map(LowCardinality(String), String), ma Map(String, Array(Int8)), e Enum8('one' = 1, 'two' = 2), u UUID,
	saf SimpleAggregateFunction(max, UInt64), t Tuple(String, Int32), fs FixedString(4), null_s Nullable(String)
) ENGINE = MergeTree ORDER BY i64 SETTINGS non_replicated_deduplication_window = 100`

func everyTypeRow(i int) everyType {
	row := everyType{
		S: fmt.Sprintf("评论 %d\r\n\n__exception__ 'x'", i), LC: fmt.Sprint("礼物", i%7),
		I8: int8(i), I16: int16(i), I32: int32(-i), I64: int64(i),
		U8: uint8(i), U16: uint16(i), U32: uint32(i), U64: 1<<63 + uint64(i),
		F: float64(i) / 3, B: i%2 == 0,
		D:   time.Unix(1_700_000_000+int64(i), 0).UTC(),
		D64: time.UnixMilli(1_700_000_000_123 + int64(i)).UTC(),
		A:   []string{"a", fmt.Sprint(i)}, ALC: []string{fmt.Sprint(i % 3), "x"}, AA: [][]uint32{{1, uint32(i)}, {}},
		M: map[string]string{"k": fmt.Sprint(i)}, MA: map[string][]int8{"z": {1, 2}},
		E: []string{"one", "two"}[i%2], U: uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)),
		SAF: uint64(i), T: []any{"t", int32(i)}, FS: "abcd",
	}
	if i%3 == 0 {
		n, s := int64(i), "set"
		row.N, row.LCN, row.Null = &n, &s, &s
	}
	return row
}

var compressions = map[string]clickhouse.CompressionMethod{
	"none": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4,
	"zstd": clickhouse.CompressionZSTD, "gzip": clickhouse.CompressionGZIP,
}

func withCompression(method clickhouse.CompressionMethod) func(*clickhouse.Options) {
	return func(o *clickhouse.Options) {
		o.Compression = &clickhouse.Compression{Method: method, Level: 1}
	}
}

func TestDriverRoundTrip(t *testing.T) {
	t.Parallel()
	for name, method := range compressions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			conn := dial(t, shared, withCompression(method))
			must(t, conn.Ping(ctx))
			table := newTable(t, conn, everyTypeTable)
			batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
			must(t, err)
			var want []everyType
			for i := range 1000 {
				row := everyTypeRow(i)
				want = append(want, row)
				must(t, batch.AppendStruct(&row))
			}
			must(t, batch.Send())

			var got []everyType
			must(t, conn.Select(ctx, &got, "SELECT * FROM "+table+" ORDER BY i64"))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rows differ (-want +got):\n%s", diff)
			}
			if n := scalar[uint64](t, conn, "SELECT count() FROM "+table+" WHERE i64 < ?", 10); n != 10 {
				t.Errorf("bound argument: %d rows, want 10", n)
			}
		})
	}
}

func TestDriverLargeBatch(t *testing.T) {
	t.Parallel()
	const rows = 100_000
	for name, method := range compressions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			conn := dial(t, shared, withCompression(method))
			table := newTable(t, conn, "(id UInt64, name LowCardinality(String), text String) ENGINE = MergeTree ORDER BY id")
			batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table+" (id, name, text)")
			must(t, err)
			var sum uint64
			for i := range uint64(rows) {
				must(t, batch.Append(i, fmt.Sprint("user", i%100), fmt.Sprint("你好 ", i)))
				sum += i
			}
			must(t, batch.Send())
			if got := scalar[uint64](t, conn, "SELECT sum(id) FROM "+table); got != sum {
				t.Fatalf("sum of ids is %d, want %d", got, sum)
			}
			all, err := conn.Query(ctx, "SELECT id, name, text FROM "+table+" ORDER BY id")
			must(t, err)
			defer all.Close()
			n := uint64(0)
			for all.Next() {
				var id uint64
				var name, text string
				must(t, all.Scan(&id, &name, &text))
				if id != n || name != fmt.Sprint("user", n%100) || text != fmt.Sprint("你好 ", n) {
					t.Fatalf("row %d is %d %q %q", n, id, name, text)
				}
				n++
			}
			must(t, all.Err())
			if n != rows {
				t.Errorf("read %d rows, want %d", n, rows)
			}
		})
	}
}

func TestDriverExceptions(t *testing.T) {
	t.Parallel()
	settings := func(s clickhouse.Settings) context.Context {
		return clickhouse.Context(context.Background(), clickhouse.WithSettings(s))
	}
	none := context.Background()
	for name, method := range compressions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := dial(t, shared, withCompression(method))
			for _, test := range []struct {
				ctx   context.Context
				query string
				code  int32
			}{
				{none, "SELEC 1", 62},
				{none, "garbage", 62},
				{none, "quit", 62},
				{none, "SELECT 1; SELECT 2", 62},
				{none, "SELECT * FROM no_such_table", 60},
				{none, "SELECT * FROM no_such_database.t", 81},
				{none, "SELECT no_such_column", 47},
				{settings(clickhouse.Settings{"no_such_setting": 1}), "SELECT 1", 115},
				{settings(clickhouse.Settings{"max_execution_time": 1}), "SELECT count() FROM system.numbers WHERE NOT ignore(rand())", 159},
				{settings(clickhouse.Settings{"max_memory_usage": 10_000_000}), "SELECT length(groupArray(number)) FROM numbers(100000000)", 241},
				// These two fail after rows have been sent.
				{settings(clickhouse.Settings{"max_block_size": 1000}), "SELECT number, throwIf(number = 500000) FROM numbers(1000000)", 395},
				{settings(clickhouse.Settings{"max_result_rows": 100_000, "max_block_size": 1000}), "SELECT number FROM numbers(1000000)", 396},
			} {
				err := readAll(conn.Query(test.ctx, test.query))
				exception, ok := errors.AsType[*clickhouse.Exception](err)
				if !ok || exception.Code != test.code {
					t.Errorf("%s: got %v, want an exception with code %d", test.query, err, test.code)
				}
			}
		})
	}
}

func TestDriverSettingsDoNotLeak(t *testing.T) {
	conn := dial(t, shared, func(o *clickhouse.Options) { o.MaxOpenConns, o.MaxIdleConns = 1, 1 })
	ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"max_threads": 3}))
	var set string
	must(t, conn.QueryRow(ctx, "SELECT toString(getSetting('max_threads'))").Scan(&set))
	if set != "3" {
		t.Errorf("max_threads is %s where it was set to 3", set)
	}
	must(t, conn.Exec(t.Context(), "SET max_threads = 3"))
	if now := scalar[string](t, conn, "SELECT toString(getSetting('max_threads'))"); now == "3" {
		t.Error("max_threads is still 3 in the next request")
	}
	if comment := scalar[string](t, conn, "SELECT {x:String} || toString({n:UInt8})", clickhouse.Named("x", "a\tb'\\"), clickhouse.Named("n", 7)); comment != "a\tb'\\7" {
		t.Errorf("parameters arrived as %q", comment)
	}
}

func TestDriverDeduplication(t *testing.T) {
	t.Parallel()
	conn := dial(t, shared, nil)
	table := newTable(t, conn, "(id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 100")
	for i, token := range []string{"a", "a", "b"} {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token, "async_insert": 0}))
		sendIDs(ctx, t, conn, table, uint64(i))
	}
	// The second row came under the token of the first.
	if ids := scalar[[]uint64](t, conn, "SELECT groupArray(id) FROM (SELECT id FROM "+table+" ORDER BY id)"); !cmp.Equal(ids, []uint64{0, 2}) {
		t.Errorf("stored ids %v, want [0 2]", ids)
	}
}

func TestDriverCancel(t *testing.T) {
	t.Parallel()
	conn := dial(t, shared, nil)
	table := newTable(t, conn, "(id UInt64) ENGINE = MergeTree ORDER BY id")
	for name, query := range map[string]string{
		"streamed":      "SELECT number, sleepEachRow(0.01) AS cancel_streamed FROM numbers(100000) SETTINGS max_block_size = 10",
		"before a row":  "SELECT count() AS cancel_early FROM system.numbers WHERE NOT ignore(rand())",
		"insert select": "INSERT INTO " + table + " SELECT number AS cancel_insert FROM system.numbers WHERE NOT ignore(sleepEachRow(0.01)) SETTINGS max_block_size = 10",
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- readAll(conn.Query(ctx, query)) }()
			eventually(t, "the query runs", func() bool { return running(t, conn, query) == 1 })
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the context's error", err)
			}
			eventually(t, "the query has ended", func() bool { return running(t, conn, query) == 0 })
		})
	}
}

func sendIDs(ctx context.Context, t *testing.T, conn driver.Conn, table string, ids ...uint64) {
	t.Helper()
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
	must(t, err)
	for _, id := range ids {
		must(t, batch.Append(id))
	}
	must(t, batch.Send())
}

// readAll reads rows to their end and returns the first error.
func readAll(rows driver.Rows, err error) error {
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}

// BenchmarkInsert sends 50,000 rows an operation; client and engine share the machine.
func BenchmarkInsert(b *testing.B) {
	const rows = 50_000
	ctx := b.Context()
	conn := dial(b, shared, withCompression(clickhouse.CompressionLZ4))
	table := newTable(b, conn, "(id UInt64, at DateTime64(3, 'UTC'), name LowCardinality(String), text String) ENGINE = MergeTree ORDER BY id")
	for b.Loop() {
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table)
		must(b, err)
		for i := range uint64(rows) {
			must(b, batch.Append(i, time.UnixMilli(int64(i)), "user", "a comment of some thirty bytes"))
		}
		must(b, batch.Send())
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkSelect reads 1,000,000 rows an operation.
func BenchmarkSelect(b *testing.B) {
	const rows = 1_000_000
	conn := dial(b, shared, nil)
	for b.Loop() {
		must(b, readAll(conn.Query(b.Context(), "SELECT number, toString(number) FROM numbers({n:UInt64})", clickhouse.Named("n", rows))))
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}
