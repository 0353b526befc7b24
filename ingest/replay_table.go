package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"kslive/schema"
)

// coverageTable is the one whose rows are replaced by received_at: of an
// attempt's records the one written last counts, whatever is inserted later.
const coverageTable = "coverage"

// TableReplay counts the rows of one table that a replay met. A row is counted
// once for each window of the replay in which it is heard.
type TableReplay struct {
	Unchanged int64 `json:"unchanged"`
	Missing   int64 `json:"missing"` // inserted
	Changed   int64 `json:"changed"` // replaced
	Stale     int64 `json:"stale"`   // no longer produced by their frame: deleted
	Refused   int64 `json:"refused"` // by ClickHouse, now or before: in dead_letters
}

func (t *TableReplay) add(other TableReplay) {
	t.Unchanged += other.Unchanged
	t.Missing += other.Missing
	t.Changed += other.Changed
	t.Stale += other.Stale
	t.Refused += other.Refused
}

// tableRepair makes one table equal to what a window's frames produce.
type tableRepair struct {
	*replayer
	window *replayWindow
	rows   schema.Rows
	index  map[rowKey]int // of rows, without repeats
}

func (r *replayer) repairTable(ctx context.Context, w *replayWindow, table schema.Table) (TableReplay, error) {
	t := tableRepair{replayer: r, window: w, rows: w.batch.Of(table)}
	t.index = expected(t.rows)
	var counts TableReplay
	same, differ, err := t.compare(ctx)
	if err != nil {
		return counts, err
	}
	stale, err := t.stale(ctx)
	if err != nil {
		return counts, err
	}
	var fresh []int // in the order of the frames, so that a repeat is the same insert
	for i := range t.rows.Len() {
		switch {
		case t.index[keyOf(t.rows.Event(i))] != i:
			continue
		case same[i]:
			counts.Unchanged++
			continue
		case differ[i]:
			counts.Changed++
		default:
			counts.Missing++
		}
		fresh = append(fresh, i)
	}
	counts.Stale = int64(len(stale))
	// First the rows that are right, then those that are wrong go: a crash between
	// the two loses nothing, and the next run goes on.
	refused, err := t.insertFresh(ctx, fresh, counts.Unchanged > 0)
	if err != nil {
		return counts, err
	}
	counts.Refused = refused
	counts.Missing = max(0, counts.Missing-refused)
	if len(stale) == 0 || r.options.DryRun {
		return counts, nil
	}
	return counts, r.persist(ctx, table.Name, func(ctx context.Context) error {
		return r.options.Warehouse.remove(ctx, table.Name, stale)
	})
}

// compare reads what the table shows under the keys of the rows, and answers
// which rows are there as they should be, and which otherwise.
func (t *tableRepair) compare(ctx context.Context) (same, differ []bool, err error) {
	same, differ = make([]bool, t.rows.Len()), make([]bool, t.rows.Len())
	if len(t.index) == 0 {
		return same, differ, nil
	}
	lives, times := extent(t.index)
	err = t.persist(ctx, t.rows.Name, func(ctx context.Context) error {
		clear(same)
		clear(differ)
		return t.options.Warehouse.stored(ctx, t.rows.Table, lives, times, func(stored schema.Rows) {
			if i, ok := t.index[keyOf(stored.Event(0))]; ok {
				same[i] = t.holds(stored, i)
				differ[i] = !same[i]
			}
		})
	})
	return same, differ, err
}

// holds says whether a stored row says what row i does. Where another frame
// told of the same event, only the event is compared.
func (t *tableRepair) holds(stored schema.Rows, i int) bool {
	is, want := stored.Event(0), t.rows.Event(i)
	if t.rows.Name == coverageTable && is.ReceivedAt.After(want.ReceivedAt) {
		return true // a later record of the attempt, which counts
	}
	if is.SessionID == want.SessionID && is.FrameNumber == want.FrameNumber && want.FrameNumber > 0 {
		return t.rows.Same(i, stored, 0)
	}
	return t.rows.SameEvent(i, stored, 0)
}

// stale are the rows that the table has of the window's frames and that these
// do not produce.
func (t *tableRepair) stale(ctx context.Context) ([]heardRow, error) {
	frames := t.window.framesOf(t.rows.Table)
	if len(frames) == 0 {
		return nil, nil
	}
	sessions := sessionsOf(frames)
	var stale []heardRow
	err := t.persist(ctx, t.rows.Name, func(ctx context.Context) error {
		stale = nil
		seen := make(map[heardRow]bool)
		return t.options.Warehouse.heard(ctx, t.rows.Name, sessions, t.window.first, t.window.last, func(row heardRow) {
			if _, produced := t.index[row.rowKey]; produced || !frames[row.frameKey] || seen[row] {
				return
			}
			seen[row] = true
			stale = append(stale, row)
		})
	})
	return stale, err
}

// insertFresh inserts rows, and answers how many of them ClickHouse refuses.
// Those that it refused before are asked for once more, apart from the others,
// and get no second letter.
func (t *tableRepair) insertFresh(ctx context.Context, fresh []int, proven bool) (refused int64, err error) {
	if len(fresh) == 0 {
		return 0, nil
	}
	var letters map[letterKey]bool
	err = t.persist(ctx, t.rows.Name, func(ctx context.Context) (err error) {
		letters, err = t.options.Warehouse.refused(ctx, t.rows.Name, t.archive.ID(), t.window.segments())
		return err
	})
	if err != nil {
		return 0, err
	}
	var known, others []int
	for _, i := range fresh {
		event := t.rows.Event(i)
		if letters[letterKey{t.window.frames[event.Offset].segment, event.EventID}] {
			known = append(known, i)
		} else {
			others = append(others, i)
		}
	}
	if t.options.DryRun {
		return int64(len(known)), nil
	}
	var count atomic.Int64
	complete := func(letters []deadLetter) []deadLetter {
		count.Add(int64(len(letters)))
		return t.complete(letters)
	}
	if err := t.insertRows(ctx, others, source{complete: complete, proven: proven, repeated: true}); err != nil {
		return 0, err
	}
	forget := func(letters []deadLetter) []deadLetter {
		count.Add(int64(len(letters)))
		return nil
	}
	err = t.insertRows(ctx, known, source{complete: forget, proven: true, repeated: true})
	return count.Load(), err
}

// insertRows inserts rows under a token that only the same rows in the same run
// can have: a repeat after a crash is dropped, and nothing else is.
func (t *tableRepair) insertRows(ctx context.Context, indexes []int, from source) error {
	if len(indexes) == 0 {
		return nil
	}
	rows := t.rows.Select(indexes)
	digest := xxhash.New()
	encoder := json.NewEncoder(digest)
	for i := range rows.Len() {
		if err := encoder.Encode(rows.Row(i)); err != nil {
			return fmt.Errorf("naming an insert into %s: %w", rows.Name, err)
		}
	}
	token := fmt.Sprintf("%s/replay/%s/%s/%016x", t.archive.ID(), t.progress.Run, rows.Name, digest.Sum64())
	return t.insert(ctx, token, rows, from)
}

// complete makes letters name the segment that the row is from, as those of the
// loader do.
func (t *tableRepair) complete(letters []deadLetter) []deadLetter {
	for i := range letters {
		at := t.window.frames[letters[i].offset]
		letters[i].token = fmt.Sprintf("%s/%s/%s", t.archive.ID(), at.segment, letters[i].table)
		letters[i].offset = at.offset
		if t.options.Pseudonyms == nil { // the frame tells who people are
			letters[i].frame = at.record
		}
	}
	return letters
}
