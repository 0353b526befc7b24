package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"kslive/schema"
)

// rowKey is a row's identity in its table, the sorting key.
type rowKey struct {
	liveID string
	at     int64 // event_time in Unix ms
	id     uint64
}

func keyOf(e *schema.Event) rowKey { return rowKey{e.LiveID, storedMillis(e.EventTime), e.EventID} }

// frameKey names a frame; see schema.Event.
type frameKey struct {
	session uint64
	number  uint32
}

// heardRow is where a stored row is from.
type heardRow struct {
	rowKey
	frameKey
}

// readSettings let queries name many keys, and read months apart: an event's
// time decides its partition.
func readSettings(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(reading()))
}

func reading() clickhouse.Settings {
	return clickhouse.Settings{
		"max_query_size": 64 << 20, "max_ast_elements": 10_000_000, "max_expanded_ast_elements": 10_000_000,
		"do_not_merge_across_partitions_select_final": 1,
	}
}

// noteSettings are for what notes in rollup_changes whose rollups change.
func (c *ClickHouse) noteSettings(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(c.cluster.inserting(reading())))
}

// stored calls visit with each row, as readers see it, of those lives and
// times; its memory is used again for the next.
func (c *ClickHouse) stored(ctx context.Context, table schema.Table, lives []string, times []span, visit func(schema.Rows)) error {
	query := fmt.Sprintf("SELECT %s FROM %s FINAL WHERE live_id IN (%s) AND (%s)",
		strings.Join(table.Columns, ", "), table.Name, list(lives, quoted), spansSQL(times))
	rows, err := c.conn.Query(readSettings(ctx), query)
	if err != nil {
		return fmt.Errorf("reading %s: %w", table.Name, err)
	}
	defer rows.Close()
	row := table.Make(1)
	pointers := row.Pointers(0, nil)
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return fmt.Errorf("reading %s: %w", table.Name, err)
		}
		visit(row)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", table.Name, err)
	}
	return nil
}

// heard calls visit for every row, those that FINAL would not show included,
// that a table has of frames of the sessions received between two times.
func (c *ClickHouse) heard(ctx context.Context, table string, sessions []uint64, from, to int64, visit func(heardRow)) error {
	return c.heardWhere(ctx, table, fmt.Sprintf("received_at BETWEEN %s AND %s AND session_id IN (%s)", timeSQL(from), timeSQL(to), list(sessions, number)), visit)
}

func (c *ClickHouse) heardWhere(ctx context.Context, table, where string, visit func(heardRow)) error {
	query := fmt.Sprintf("SELECT live_id, toUnixTimestamp64Milli(event_time), event_id, session_id, frame_number FROM %s WHERE %s", table, where)
	rows, err := c.conn.Query(readSettings(ctx), query)
	if err != nil {
		return fmt.Errorf("reading %s: %w", table, err)
	}
	defer rows.Close()
	for rows.Next() {
		var row heardRow
		if err := rows.Scan(&row.liveID, &row.at, &row.id, &row.session, &row.number); err != nil {
			return fmt.Errorf("reading %s: %w", table, err)
		}
		visit(row)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", table, err)
	}
	return nil
}

// remove deletes rows, and returns when no reader sees them any more. A row of
// the same key from another frame stays.
func (c *ClickHouse) remove(ctx context.Context, table string, rows []heardRow) error {
	const atOnce = 10_000
	for part := range slices.Chunk(rows, atOnce) {
		from, to := part[0].at, part[0].at
		for _, row := range part {
			from, to = min(from, row.at), max(to, row.at)
		}
		these := fmt.Sprintf(` WHERE event_time BETWEEN %s AND %s
			AND (session_id, frame_number, toUnixTimestamp64Milli(event_time), event_id) IN (%s)`, timeSQL(from), timeSQL(to),
			list(part, func(row heardRow) string {
				return fmt.Sprintf("(%d, %d, %d, %d)", row.session, row.number, row.at, row.id)
			}))
		settings := clickhouse.Context(readSettings(ctx), clickhouse.WithSettings(c.cluster.inserting(clickhouse.Settings{
			"max_query_size": 64 << 20, "max_ast_elements": 10_000_000, "max_expanded_ast_elements": 10_000_000,
			"lightweight_deletes_sync": 2,
		})))
		// First said, so that the rollups compute those minutes anew.
		err := c.conn.Exec(settings, "INSERT INTO rollup_changes (live_id, live_stream_id, minute) SELECT DISTINCT live_id, live_stream_id, toStartOfMinute(event_time) FROM "+table+these)
		if err == nil {
			err = c.conn.Exec(settings, "DELETE FROM "+c.cluster.changed(table)+these)
		}
		if err != nil {
			return fmt.Errorf("deleting from %s: %w", table, err)
		}
	}
	return nil
}

// letterKey names a row that was refused. Where its frame stands in the segment does
// not: that is not the same in the archive.
type letterKey struct {
	segment string
	event   uint64
}

// refused answers which rows of a table, made from those segments of a spool,
// are in dead_letters.
func (c *ClickHouse) refused(ctx context.Context, table, spoolID string, segments []string) (map[letterKey]bool, error) {
	query := fmt.Sprintf(`SELECT splitByChar('/', token)[2] AS segment, JSONExtractUInt(row, 'event_id') FROM dead_letters
		WHERE table_name = %s AND startsWith(token, %s) AND segment IN (%s)`, quoted(table), quoted(spoolID+"/"), list(segments, quoted))
	rows, err := c.conn.Query(readSettings(ctx), query)
	if err != nil {
		return nil, fmt.Errorf("reading dead_letters: %w", err)
	}
	defer rows.Close()
	refused := make(map[letterKey]bool)
	for rows.Next() {
		var key letterKey
		if err := rows.Scan(&key.segment, &key.event); err != nil {
			return nil, fmt.Errorf("reading dead_letters: %w", err)
		}
		refused[key] = true
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading dead_letters: %w", err)
	}
	return refused, nil
}

// span is a stretch of time, both ends included, in Unix ms.
type span struct{ from, to int64 }

// spansOf covers the times with few spans: a window's events are as a rule of a
// few minutes, but for some that were days on their way. It sorts times.
func spansOf(times []int64) []span {
	const most = 20
	slices.Sort(times)
	for gap := 10 * time.Minute.Milliseconds(); ; gap *= 2 {
		var spans []span
		for _, at := range times {
			if last := len(spans) - 1; last >= 0 && at-spans[last].to <= gap {
				spans[last].to = at
			} else {
				spans = append(spans, span{at, at})
			}
		}
		if len(spans) <= most {
			return spans
		}
	}
}

func spansSQL(spans []span) string {
	conditions := make([]string, 0, len(spans))
	for _, s := range spans {
		conditions = append(conditions, fmt.Sprintf("event_time BETWEEN %s AND %s", timeSQL(s.from), timeSQL(s.to)))
	}
	return strings.Join(conditions, " OR ")
}

func timeSQL(ms int64) string { return fmt.Sprintf("fromUnixTimestamp64Milli(%d, 'UTC')", ms) }

func list[T any](values []T, sql func(T) string) string {
	parts := make([]string, 0, len(values))
	for _, value := range values {
		parts = append(parts, sql(value))
	}
	return strings.Join(parts, ", ")
}

func number(n uint64) string { return fmt.Sprint(n) }

// quoted is s as a literal.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}
