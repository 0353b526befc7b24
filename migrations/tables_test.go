package migrations

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"kslive/schema"
)

func TestPostgresComments(t *testing.T) {
	postgresURL, _ := migrated(t)
	rows, err := connect(t, postgresURL).Query(t.Context(), `
		SELECT c.relname || coalesce('.' || a.attname, '')
		FROM pg_class c
		LEFT JOIN LATERAL (
			SELECT 0 AS attnum, NULL AS attname
			UNION ALL
			SELECT attnum, attname FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND c.relname <> $1
		) a ON true
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') AND col_description(c.oid, a.attnum) IS NULL
			AND NOT (a.attnum = 0 AND obj_description(c.oid, 'pg_class') IS NOT NULL)
		ORDER BY 1`, versionTable)
	if err != nil {
		t.Fatal(err)
	}
	without, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if len(without) > 0 {
		t.Errorf("no comment on %s", strings.Join(without, ", "))
	}
}

func TestClickHouseComments(t *testing.T) {
	_, clickHouseDSN := migrated(t)
	var without []string
	err := open(t, clickHouseDSN).QueryRow(t.Context(), `
		SELECT groupArray(name) FROM (
			SELECT name FROM system.tables WHERE database = currentDatabase() AND comment = ''
			UNION ALL
			SELECT table || '.' || name FROM system.columns WHERE database = currentDatabase() AND comment = '' AND table <> {versions:String}
				AND table NOT IN (SELECT name FROM system.tables WHERE engine IN ('View', 'MaterializedView'))
		)`, clickhouse.Named("versions", versionTable)).Scan(&without)
	if err != nil {
		t.Fatal(err)
	}
	if len(without) > 0 {
		t.Errorf("no comment on %s", strings.Join(without, ", "))
	}
}

// A table has the columns of its struct, in that order, and inserted_at.
func TestTablesAreTheSchema(t *testing.T) {
	_, clickHouseDSN := migrated(t)
	conn := open(t, clickHouseDSN)
	want := map[string][]string{
		"dead_letters": {"inserted_at", "table_name", "token", "frame_offset", "error_code", "error", "row", "frame"},
		versionTable:   {"version_id", "is_applied", "date", "tstamp"},
	}
	for _, table := range schema.Tables {
		want[table.Name] = append(slices.Clone(table.Columns), "inserted_at")
	}
	rows, err := conn.Query(t.Context(), `
		SELECT table, arrayMap(c -> c.2, arraySort(groupArray((position, name))))
		FROM system.columns WHERE database = currentDatabase()
			AND table NOT IN (SELECT name FROM system.tables WHERE database = currentDatabase() AND engine IN ('View', 'MaterializedView'))
			AND NOT match(table, '_rollup(_hour)?$|^rollup_changes$|^gift_catalogue$|^pseudonyms$')
		GROUP BY table`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	got := map[string][]string{}
	for rows.Next() {
		var (
			table   string
			columns []string
		)
		if err := rows.Scan(&table, &columns); err != nil {
			t.Fatal(err)
		}
		got[table] = columns
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Every column takes the values its field can hold, and gives them back.
func TestRowsComeBack(t *testing.T) {
	_, clickHouseDSN := migrated(t)
	conn := open(t, clickHouseDSN)
	batch := twoRowsEach()
	for rows := range batch.All() {
		t.Run(rows.Name, func(t *testing.T) {
			columns := strings.Join(rows.Columns, ", ")
			inserted, err := conn.PrepareBatch(t.Context(), "INSERT INTO "+rows.Name+" ("+columns+")")
			if err != nil {
				t.Fatal(err)
			}
			defer inserted.Close()
			for i := range rows.Len() {
				if err := inserted.Append(rows.Values(i, nil)...); err != nil {
					t.Fatal(err)
				}
			}
			if err := inserted.Send(); err != nil {
				t.Fatal(err)
			}
			got, err := conn.Query(t.Context(), "SELECT "+columns+" FROM "+rows.Name+" FINAL WHERE inserted_at > now() - 60 ORDER BY event_id")
			if err != nil {
				t.Fatal(err)
			}
			defer got.Close()
			for i := range rows.Len() {
				if !got.Next() {
					t.Fatalf("row %d is missing: %v", i, got.Err())
				}
				compareRow(t, rows.Columns, rows.Values(i, nil), got.Scan)
			}
			if got.Next() {
				t.Error("there are more rows than were inserted")
			}
		})
	}
}

func compareRow(t *testing.T, columns []string, want []any, scan func(...any) error) {
	t.Helper()
	into := make([]any, len(want))
	for i, value := range want {
		into[i] = reflect.New(reflect.TypeOf(value)).Interface()
		if at, ok := value.(time.Time); ok && at.IsZero() {
			want[i] = time.Unix(0, 0).UTC() // there is no NULL
		}
	}
	if err := scan(into...); err != nil {
		t.Fatal(err)
	}
	for i, column := range columns {
		if diff := cmp.Diff(want[i], reflect.ValueOf(into[i]).Elem().Interface(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", column, diff)
		}
	}
}

// twoRowsEach has in each table a row of zeros and one with large values.
func twoRowsEach() *schema.Batch {
	var batch schema.Batch
	tables := reflect.ValueOf(&batch).Elem()
	for i := range tables.NumField() {
		rows := reflect.MakeSlice(tables.Field(i).Type(), 2, 2)
		fill(rows.Index(1))
		tables.Field(i).Set(rows)
	}
	return &batch
}

func fill(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 11, 23, 23, 59, 59, 999e6, time.UTC)))
		return
	case *time.Time:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
		return
	case []byte:
		v.SetBytes([]byte{0xff, 0, 0xfe, '\n', '\'', 0xff})
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.String:
		v.SetString("火箭🚀 'quoted' \"\\\x00\t\n" + v.Type().String())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint16:
		v.SetUint(1<<16 - 1)
	case reflect.Uint32:
		v.SetUint(1<<32 - 1)
	case reflect.Uint64:
		v.SetUint(1<<64 - 1)
	case reflect.Int32:
		v.SetInt(1<<31 - 1)
	case reflect.Int64:
		v.SetInt(1<<63 - 1)
	default:
		panic("no value for a field of type " + v.Type().String())
	}
}

// The same batch under the same token is one insert, however often it is sent,
// and another token makes it another.
func TestTokensCountOnce(t *testing.T) {
	_, clickHouseDSN := migrated(t)
	conn := open(t, clickHouseDSN)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	send := func(table, columns, token string, values ...any) {
		t.Helper()
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token, "async_insert": 0}))
		batch, err := conn.PrepareBatch(ctx, "INSERT INTO "+table+" ("+columns+")")
		if err != nil {
			t.Fatal(err)
		}
		defer batch.Close()
		if err := batch.Append(values...); err != nil {
			t.Fatal(err)
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range schema.Tables {
		for _, token := range []string{"a", "a", "b", "a"} {
			send(table.Name, "live_id, event_time, event_id", token, "3x", at, uint64(1))
		}
		if got := count(t, conn.QueryRow, table.Name); got != 2 {
			t.Errorf("%s has %d rows, want 2", table.Name, got)
		}
		if got := count(t, conn.QueryRow, table.Name+" FINAL"); got != 1 {
			t.Errorf("%s FINAL has %d rows, want 1", table.Name, got)
		}
	}
	for _, token := range []string{"a", "a", "b"} {
		send("dead_letters", "table_name, token, frame_offset, error_code, error, row, frame", token,
			"gifts", "20261123T101112Z", int64(1), int32(6), "bad", `{"live_id":"3x"}`, []byte{0xff, 0})
	}
	if got := count(t, conn.QueryRow, "dead_letters"); got != 2 {
		t.Errorf("dead_letters has %d rows, want 2", got)
	}
}

func count[R interface{ Scan(...any) error }](t *testing.T, query func(context.Context, string, ...any) R, table string) (n uint64) {
	t.Helper()
	if err := query(t.Context(), "SELECT count() FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
