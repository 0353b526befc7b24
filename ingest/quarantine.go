package ingest

import (
	"context"
	"encoding/json"
	"fmt"

	"kslive/schema"
)

// quarantine stores the rows that the server takes and puts the others into
// dead_letters, each with its reason and its frame. refusal is what the server
// said of the whole. When it takes none of several rows, the fault is not in
// the rows, unless from says so: then nothing is quarantined and the refusal is
// answered.
//
// A repeat after a crash halves in the same way, and so under the same tokens.
func (i *inserter) quarantine(ctx context.Context, token string, rows schema.Rows, from source, refusal error) error {
	letters, err := i.bisect(ctx, token, rows, refusal)
	if err != nil {
		return err
	}
	if len(letters) == rows.Len() && rows.Len() > 1 && !from.proven {
		return refusal
	}
	letters = from.complete(letters)
	if len(letters) == 0 {
		return nil
	}
	if err := i.warehouse.InsertDeadLetters(ctx, token+"/dead", letters); err != nil {
		return err
	}
	i.metrics.deadLetters.WithLabelValues(rows.Name).Add(float64(len(letters)))
	i.logger.Error("ClickHouse cannot take some rows; they are in dead_letters", "table", rows.Name, "rows", len(letters), "err", refusal)
	return nil
}

// bisect inserts halves of the refused rows, and halves of those, until what
// is refused stands alone.
func (i *inserter) bisect(ctx context.Context, token string, rows schema.Rows, refusal error) ([]deadLetter, error) {
	if rows.Len() == 1 {
		row, err := json.Marshal(rows.Row(0))
		if err != nil {
			return nil, fmt.Errorf("writing a refused row of %s: %w", rows.Name, err)
		}
		_, code := classOf(refusal)
		return []deadLetter{{table: rows.Name, token: token, offset: rows.Event(0).Offset, code: code, err: refusal.Error(), row: string(row)}}, nil
	}
	var letters []deadLetter
	middle := rows.Len() / 2
	for n, half := range []schema.Rows{rows.Slice(0, middle), rows.Slice(middle, rows.Len())} {
		halfToken := fmt.Sprintf("%s.%d", token, n)
		err := i.timedInsert(ctx, halfToken, half)
		if err == nil {
			continue
		}
		if class, _ := classOf(err); class != classRows {
			return nil, err
		}
		refused, err := i.bisect(ctx, halfToken, half, err)
		if err != nil {
			return nil, err
		}
		letters = append(letters, refused...)
	}
	return letters, nil
}
