package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// ErasedRows counts the rows of a table that an erasure met, the copies that are
// not merged yet included.
type ErasedRows struct {
	Deleted uint64 `json:"deleted"` // about the person
	Masked  uint64 `json:"masked"`  // of others, who named the person
}

// maxAliases is how many counterparts an ID may have been seen with: one that has
// more is no person's, such as that of all who hide.
const maxAliases = 3

// Identify finds out by what the person with one of those IDs was seen: the
// other kind of ID, and names.
func (c *ClickHouse) Identify(ctx context.Context, person *Person) error {
	ids, numbers, names := make(map[string]bool), make(map[uint64]bool), make(map[string]bool)
	for _, table := range schema.Tables {
		if !slices.Contains(table.Columns, "origin_user_id") {
			continue
		}
		query := fmt.Sprintf("SELECT DISTINCT user_id, origin_user_id, user_name FROM %s WHERE NOT mystery AND (%s)", table.Name, person.userSQL(table))
		rows, err := c.conn.Query(ctx, query)
		if err != nil {
			return fmt.Errorf("looking for the person in %s: %w", table.Name, err)
		}
		for rows.Next() {
			var id, name string
			var number uint64
			if err = rows.Scan(&id, &number, &name); err != nil {
				break
			}
			names[name] = true
			if number != 0 {
				numbers[number] = true
			}
			if id != "" && id != fmt.Sprint(number) {
				ids[id] = true
			}
		}
		if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
			return fmt.Errorf("looking for the person in %s: %w", table.Name, err)
		}
	}
	if len(ids) > len(person.IDs)+maxAliases || len(numbers) > len(person.Numbers)+maxAliases {
		return fmt.Errorf("these IDs were seen together with %d others and %d numeric ones, so they are not one person's: give each with --user", len(ids), len(numbers))
	}
	person.IDs = slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(person.IDs, maps.Keys(ids)))))
	person.Numbers = slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(person.Numbers, maps.Keys(numbers)))))
	person.addNames(slices.Sorted(maps.Keys(names))...)
	return nil
}

// EraseRows deletes the rows about a person from all tables, masks the person in
// those of others, and tells the rollups. It returns when no reader sees the
// person any more. With dryRun it only counts.
func (c *ClickHouse) EraseRows(ctx context.Context, p *Person, dryRun bool) (map[string]ErasedRows, error) {
	ctx = readSettings(ctx)
	met := make(map[string]ErasedRows)
	for _, table := range schema.Tables {
		if table.Name == coverageTable {
			continue
		}
		rows, err := c.eraseFrom(ctx, p, table, dryRun)
		if err != nil {
			return met, fmt.Errorf("erasing from %s: %w", table.Name, err)
		}
		if rows != (ErasedRows{}) {
			met[table.Name] = rows
		}
	}
	letters, err := c.eraseLetters(ctx, p, dryRun)
	if letters > 0 {
		met["dead_letters"] = ErasedRows{Deleted: letters}
	}
	return met, err
}

func (c *ClickHouse) eraseFrom(ctx context.Context, p *Person, table schema.Table, dryRun bool) (met ErasedRows, err error) {
	updates, named, err := c.maskSQL(ctx, p, table)
	if err != nil {
		return met, err
	}
	about := p.aboutSQL(table)
	if about == "" {
		about = "false"
	}
	count := fmt.Sprintf("SELECT countIf(about), countIf(named AND NOT about) FROM (SELECT (%s) AS about, (%s) AS named FROM %s)", about, named, table.Name)
	if err := c.conn.QueryRow(ctx, count).Scan(&met.Deleted, &met.Masked); err != nil || dryRun {
		return met, err
	}
	if met.Deleted > 0 {
		// First said, so that the rollups compute those minutes anew.
		if slices.Contains(rolledUp, table.Name) {
			if err := c.sayErased(ctx, table, about); err != nil {
				return met, err
			}
		}
		if err := c.mutate(ctx, table.Name, "DELETE WHERE "+about); err != nil {
			return met, err
		}
	}
	if met.Masked > 0 {
		if err := c.mutate(ctx, table.Name, "UPDATE "+updates+" WHERE "+named); err != nil {
			return met, err
		}
	}
	return met, nil
}

// sayErased has the rollups compute anew the minutes in which something is to be
// deleted. Those from before rows of any table they are made from began to expire
// keep their sums: computed anew, they would be of what happens to be left.
func (c *ClickHouse) sayErased(ctx context.Context, table schema.Table, about string) error {
	days, err := c.fullDays(ctx)
	if err != nil {
		return err
	}
	full := "true"
	if days > 0 {
		full = fmt.Sprintf("event_time > now() - toIntervalDay(%d)", days)
	}
	return c.conn.Exec(c.noteSettings(ctx), fmt.Sprintf(`INSERT INTO rollup_changes (live_id, live_stream_id, minute)
		SELECT DISTINCT live_id, live_stream_id, toStartOfMinute(event_time) FROM %s WHERE %s AND (%s)`, table.Name, full, about))
}

// rolledUp are the tables that rollups are made from.
var rolledUp = []string{"comments", "gifts", "room_stats"}

// mutate changes a table for good, unlike a DELETE, which only hides rows until
// their part is merged, and returns when it has. The parts of before are removed
// by the server some minutes later (old_parts_lifetime).
func (c *ClickHouse) mutate(ctx context.Context, table, command string) error {
	if err := c.conn.Exec(ctx, "ALTER TABLE "+c.cluster.changed(table)+" "+command); err != nil {
		return err
	}
	for {
		var running uint64
		var failed string
		err := c.conn.QueryRow(ctx, "SELECT count(), anyIf(latest_fail_reason, latest_fail_reason != '') FROM "+c.cluster.everywhere("system.mutations")+
			" WHERE database = "+c.cluster.home()+" AND table = ? AND NOT is_done", table).Scan(&running, &failed)
		switch {
		case err != nil:
			return err
		case failed != "":
			return fmt.Errorf("ClickHouse goes on trying, and says: %s", strings.Join(strings.Fields(failed), " "))
		case running == 0:
			return nil
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// IsRoom says whether one of the person's IDs is a room that was watched: its rows
// name them in live_id, and are everybody's who was there.
func (c *ClickHouse) IsRoom(ctx context.Context, p *Person) (bool, error) {
	var rows uint64
	err := c.conn.QueryRow(ctx, "SELECT count() FROM coverage WHERE live_id IN ("+list(p.userIDs(), quoted)+")").Scan(&rows)
	if err != nil {
		return false, fmt.Errorf("looking for a room of the person: %w", err)
	}
	return rows > 0, nil
}

// eraseLetters deletes the dead letters whose row or frame has the person in it.
// They are looked at one by one: a frame may be compressed.
func (c *ClickHouse) eraseLetters(ctx context.Context, p *Person, dryRun bool) (found uint64, err error) {
	rows, err := c.conn.Query(ctx, "SELECT token, frame_offset, sipHash64(row), row, frame FROM dead_letters")
	if err != nil {
		return 0, fmt.Errorf("reading dead_letters: %w", err)
	}
	defer rows.Close()
	eraser := newFrameEraser(p)
	var gone []string
	for rows.Next() {
		var token, row string
		var offset int64
		var hash uint64 // offsets of a segment and of its archived file are not the same
		var record []byte
		if err := rows.Scan(&token, &offset, &hash, &row, &record); err != nil {
			return 0, fmt.Errorf("reading dead_letters: %w", err)
		}
		var frame kuaishou.Frame
		err := proto.Unmarshal(record, &frame)
		left := &frame
		if err == nil {
			left, err = eraser.frame(&frame)
		}
		if err != nil || left != &frame || p.isIn([]byte(row)) {
			gone = append(gone, fmt.Sprintf("(%s, %d, %d)", quoted(token), offset, hash))
		}
	}
	if err := rows.Err(); err != nil || len(gone) == 0 || dryRun {
		return uint64(len(gone)), err
	}
	for part := range slices.Chunk(gone, 10_000) {
		if err := c.mutate(ctx, "dead_letters", "DELETE WHERE (token, frame_offset, sipHash64(row)) IN ("+strings.Join(part, ", ")+")"); err != nil {
			return 0, fmt.Errorf("deleting from dead_letters: %w", err)
		}
	}
	return uint64(len(gone)), nil
}
