package ingest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"kslive/schema"
)

// Export says which rows are read. Since and Until, which may be zero, bound
// event_time; Until is not included. Lives, when there are any, are the only ones.
type Export struct {
	Since, Until time.Time
	Lives        []string
}

// ExportPart is a stretch of event_time, From included and To not, whose rows are
// read at once: about so many, Rows being without regard to what is stored twice.
type ExportPart struct {
	From, To time.Time
	Rows     uint64
}

// exportRows is from how many rows on a part ends: its rows are sorted in memory,
// by ClickHouse. One minute is never cut.
const exportRows = 200_000

// Parts cuts the rows of a table into parts, in the order of time.
func (c *ClickHouse) Parts(ctx context.Context, table string, e Export) (parts []ExportPart, err error) {
	rows, err := c.conn.Query(ctx, fmt.Sprintf("SELECT toStartOfMinute(event_time) AS minute, count() FROM %s WHERE %s GROUP BY minute ORDER BY minute", table, e.where()))
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", table, err)
	}
	defer rows.Close()
	for rows.Next() {
		var minute time.Time
		var count uint64
		if err := rows.Scan(&minute, &count); err != nil {
			return nil, fmt.Errorf("looking at %s: %w", table, err)
		}
		if last := len(parts) - 1; last >= 0 && parts[last].Rows+count <= exportRows {
			parts[last].Rows += count
			parts[last].To = minute.Add(time.Minute)
			continue
		}
		parts = append(parts, ExportPart{From: minute, To: minute.Add(time.Minute), Rows: count})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("looking at %s: %w", table, err)
	}
	return parts, nil
}

func (e Export) where() string {
	conditions := []string{"true"}
	if !e.Since.IsZero() {
		conditions = append(conditions, "event_time >= "+timeSQL(e.Since.UnixMilli()))
	}
	if !e.Until.IsZero() {
		conditions = append(conditions, "event_time < "+timeSQL(e.Until.UnixMilli()))
	}
	if len(e.Lives) > 0 {
		conditions = append(conditions, "live_id IN ("+list(e.Lives, quoted)+")")
	}
	return strings.Join(conditions, " AND ")
}

// query reads each event of a part once. columns is what of it.
func (e Export) query(table, columns string, part ExportPart) string {
	view := table + "_unique"
	if table == coverageTable { // has no view: there its records are attempts only with FINAL
		view = table + " FINAL"
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s AND event_time >= %s AND event_time < %s ORDER BY event_time, live_id, event_id",
		columns, view, e.where(), timeSQL(part.From.UnixMilli()), timeSQL(part.To.UnixMilli()))
}

// ExportJSON writes the rows of a part to w, one JSON object a line, and answers
// how many there were. Bytes that are no text are in base64.
func (c *ClickHouse) ExportJSON(ctx context.Context, table string, e Export, part ExportPart, w io.Writer) (lines uint64, err error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"output_format_json_quote_64bit_integers": 0}))
	rows, err := c.conn.Query(ctx, e.query(table, "formatRowNoNewline('JSONEachRow', "+jsonColumns(table)+")", part))
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", table, err)
	}
	defer rows.Close()
	buffer := bufio.NewWriterSize(w, 64<<10)
	var line string
	for rows.Next() {
		if err := rows.Scan(&line); err != nil {
			return lines, fmt.Errorf("reading %s: %w", table, err)
		}
		buffer.WriteString(line) // the error stays for Flush
		buffer.WriteByte('\n')
		lines++
	}
	if err := rows.Err(); err != nil {
		return lines, fmt.Errorf("reading %s: %w", table, err)
	}
	if err := buffer.Flush(); err != nil {
		return lines, fmt.Errorf("writing rows of %s: %w", table, err)
	}
	return lines, nil
}

// jsonColumns are the columns that a decoded row has, as ingest decode prints it.
func jsonColumns(name string) string {
	var columns []string
	for _, table := range schema.Tables {
		if table.Name == name {
			columns = slices.Clone(table.Columns)
		}
	}
	if i := slices.Index(columns, "payload"); i >= 0 {
		columns[i] = "base64Encode(payload) AS payload"
	}
	return strings.Join(columns, ", ")
}
