package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"kslive/schema"
)

// maxRefused is how much of a table may be refused, with nothing taken meanwhile,
// until the fault is no longer looked for in the rows.
const maxRefused = 100

// quarantine stores the rows that the server takes and puts the others into
// dead_letters, each with its reason and its frame. refusal is what the server
// said of the whole. When it takes none of them, and the table has not proved
// itself, the fault may be in the table: then nothing is quarantined and the
// refusal is answered.
//
// A repeat after a crash halves in the same way, and so under the same tokens.
func (i *inserter) quarantine(ctx context.Context, token string, rows schema.Rows, from source, refusal error) error {
	h := halving{inserter: i, proven: from.proven, repeated: from.repeated}
	if err := h.bisect(ctx, token, rows, refusal); err != nil {
		return err
	}
	refused := len(h.letters)
	if !h.proven && !i.tables.proven(rows.Name, refused) {
		return refusal
	}
	if letters := from.complete(h.letters); len(letters) > 0 {
		insert := func(token string) error { return i.warehouse.InsertDeadLetters(ctx, token, letters) }
		err := insert(token + "/dead")
		if err == nil && from.repeated {
			err = i.confirm("dead_letters", token+"/dead", func() (bool, error) { return i.warehouse.HoldsLetters(ctx, letters) }, insert)
		}
		if err != nil {
			return err
		}
		i.metrics.deadLetters.WithLabelValues(rows.Name).Add(float64(len(letters)))
		i.logger.Error("ClickHouse cannot take some rows; they are in dead_letters", "table", rows.Name, "rows", len(letters), "err", refusal)
	}
	if !h.proven {
		i.tables.refused(rows.Name, refused)
	}
	return nil
}

// halving is the search for the rows of a batch that the server does not take.
type halving struct {
	*inserter
	proven   bool // that the fault is in the rows
	repeated bool // as in source
	refusals int
	letters  []deadLetter // in the order of the rows
}

// bisect inserts halves of the refused rows, and halves of those, until what
// is refused stands alone. It gives up where that would be endless because nothing
// is taken.
func (h *halving) bisect(ctx context.Context, token string, rows schema.Rows, refusal error) error {
	if rows.Len() == 1 {
		row, err := json.Marshal(rows.Row(0))
		if err != nil {
			return fmt.Errorf("writing a refused row of %s: %w", rows.Name, err)
		}
		_, code := classOf(refusal)
		h.letters = append(h.letters, deadLetter{table: rows.Name, token: token, offset: rows.Event(0).Offset, code: code, err: refusal.Error(), row: string(row)})
		return nil
	}
	middle := rows.Len() / 2
	halves := [2]schema.Rows{rows.Slice(0, middle), rows.Slice(middle, rows.Len())}
	var refused [2]error
	for n, half := range halves { // both first, so that a row that is taken is soon met
		err := h.timedInsert(ctx, halfOf(token, n), half, h.repeated)
		if err == nil {
			h.proven = true
			continue
		}
		if class, _ := classOf(err); class != classRows {
			return err
		}
		refused[n] = err
		h.refusals++
	}
	if !h.proven && h.refusals > maxRefused {
		return refusal
	}
	for n, half := range halves {
		if refused[n] == nil {
			continue
		}
		if err := h.bisect(ctx, halfOf(token, n), half, refused[n]); err != nil {
			return err
		}
	}
	return nil
}

func halfOf(token string, n int) string { return fmt.Sprintf("%s.%d", token, n) }

// tableRecord is what tables have shown since the process began.
type tableRecord struct {
	mu sync.Mutex
	// refusals are the rows of each table, in succession, that were quarantined since
	// it last took any. A table that never took any has no entry.
	refusals map[string]int
}

func (r *tableRecord) took(table string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refusals == nil {
		r.refusals = make(map[string]int)
	}
	r.refusals[table] = 0
}

func (r *tableRecord) refused(table string, rows int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusals[table] += rows
}

// proven says whether the fault is in the rows when a table refuses so many more:
// it took others, and not too long ago.
func (r *tableRecord) proven(table string, more int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, took := r.refusals[table]
	return took && before+more <= maxRefused
}
