package ingest

import (
	"context"
	"fmt"
	"time"

	"kslive/schema"
)

// A MergeTree that is not replicated notes the token of an insert before it makes
// the part that was written a part of the table. When ClickHouse is killed between
// the two, the token is used and the rows are not there, and each repeat is answered
// yes and dropped (seen with 26.7: make faults, clickhouse-killed). So whoever
// repeats an insert looks whether the rows are there.

// mostAgain bounds how often rows that cannot be seen are sent once more. They are
// not lost after that: something hides them, such as a row policy.
const mostAgain = 3

// confirm looks for what a repeated insert has stored, and sends it under tokens
// of its own until it is there.
func (i *inserter) confirm(table, token string, holds func() (bool, error), insert func(token string) error) error {
	for again := 1; again <= mostAgain; again++ {
		held, err := holds()
		if held || err != nil {
			return err
		}
		i.logger.Error("ClickHouse knows an insert and has none of its rows, as when it was killed in the middle of it; they are sent under another token",
			"table", table, "token", token)
		if err := insert(fmt.Sprintf("%s/again%d", token, again)); err != nil {
			return err
		}
	}
	held, err := holds()
	if !held && err == nil {
		i.logger.Error("ClickHouse takes rows and does not show them: does its user see all rows of the table?", "table", table, "token", token)
	}
	return err
}

// Holds says whether the table has the rows, which were one insert. Rows of another
// worker that heard the same events do not count. An insert is stored whole or not
// at all for each partition that it has rows for, so it asks for few of them.
func (c *ClickHouse) Holds(ctx context.Context, rows schema.Rows) (bool, error) {
	if c.cluster.name != "" {
		return true, nil // replicated tables keep tokens and parts in one transaction
	}
	ctx, cancel := context.WithTimeout(ctx, c.insertTimeout)
	defer cancel()
	wanted := samples(rows)
	lives, times := extent(wanted)
	ids := make([]uint64, 0, len(wanted))
	for key := range wanted {
		ids = append(ids, key.id)
	}
	where := fmt.Sprintf("live_id IN (%s) AND (%s) AND event_id IN (%s)", list(lives, quoted), spansSQL(times), list(ids, number))
	err := c.heardWhere(ctx, rows.Name, where, func(row heardRow) {
		if i, ok := wanted[row.rowKey]; ok && fromFrameOf(rows, i, row) {
			delete(wanted, row.rowKey)
		}
	})
	return len(wanted) == 0 && err == nil, err
}

// samples are rows of each partition that has any: of each day the first and the
// last, since a partition is a month of some time zone.
func samples(rows schema.Rows) map[rowKey]int {
	type ends struct{ first, last int }
	days := make(map[int64]ends)
	at := func(i int) int64 { return storedMillis(rows.Event(i).EventTime) }
	for i := range rows.Len() {
		day := at(i) / (24 * time.Hour.Milliseconds())
		d, ok := days[day]
		if !ok {
			d = ends{i, i}
		}
		if at(i) < at(d.first) {
			d.first = i
		}
		if at(i) > at(d.last) {
			d.last = i
		}
		days[day] = d
	}
	keys := make(map[rowKey]int, 2*len(days))
	for _, d := range days {
		keys[keyOf(rows.Event(d.first))] = d.first
		keys[keyOf(rows.Event(d.last))] = d.last
	}
	return keys
}

// fromFrameOf says whether a stored row of the same key as row i is from one of
// these rows: of several that tell of one event, ClickHouse keeps any.
func fromFrameOf(rows schema.Rows, i int, stored heardRow) bool {
	key := keyOf(rows.Event(i))
	for j := range rows.Len() {
		e := rows.Event(j)
		if e.SessionID == stored.session && e.FrameNumber == stored.number && keyOf(e) == key {
			return true
		}
	}
	return false
}

// HoldsLetters says whether dead_letters has the letters, which were one insert.
func (c *ClickHouse) HoldsLetters(ctx context.Context, letters []deadLetter) (bool, error) {
	if c.cluster.name != "" {
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.insertTimeout)
	defer cancel()
	one := letters[0]
	var count uint64
	query := fmt.Sprintf("SELECT count() FROM dead_letters WHERE table_name = %s AND token = %s AND frame_offset = %d", quoted(one.table), quoted(one.token), one.offset)
	if err := c.conn.QueryRow(ctx, query).Scan(&count); err != nil {
		return false, fmt.Errorf("reading dead_letters: %w", err)
	}
	return count > 0, nil
}
