package ingest

import (
	"context"
	"encoding/json"
	"fmt"

	"kslive/ingest/spool"
	"kslive/schema"
)

// quarantine stores the rows that the server takes and puts the others into
// dead_letters, each with its reason and its frame. refusal is what the server
// said of the whole. When it takes none of several rows, the fault is not in
// the rows: then nothing is quarantined and the refusal is answered.
//
// A repeat after a crash halves in the same way, and so under the same tokens.
func (l *Loader) quarantine(ctx context.Context, segment *spool.Segment, token string, rows schema.Rows, refusal error) error {
	letters, err := l.bisect(ctx, token, rows, refusal)
	if err != nil {
		return err
	}
	if len(letters) == rows.Len() && rows.Len() > 1 {
		return refusal
	}
	frames := make(map[int64][]byte, len(letters))
	for _, letter := range letters {
		frames[letter.offset] = nil
	}
	for offset, record := range segment.Records() {
		if _, wanted := frames[offset]; wanted {
			frames[offset] = record
		}
	}
	for i := range letters {
		letters[i].frame = frames[letters[i].offset]
	}
	if err := l.warehouse.InsertDeadLetters(ctx, token+"/dead", letters); err != nil {
		return err
	}
	l.metrics.deadLetters.WithLabelValues(rows.Name).Add(float64(len(letters)))
	l.logger.Error("ClickHouse cannot take some rows; they are in dead_letters", "table", rows.Name, "rows", len(letters), "err", refusal)
	return nil
}

// bisect inserts halves of the refused rows, and halves of those, until what
// is refused stands alone.
func (l *Loader) bisect(ctx context.Context, token string, rows schema.Rows, refusal error) ([]deadLetter, error) {
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
	for i, half := range []schema.Rows{rows.Slice(0, middle), rows.Slice(middle, rows.Len())} {
		halfToken := fmt.Sprintf("%s.%d", token, i)
		err := l.timedInsert(ctx, halfToken, half)
		if err == nil {
			continue
		}
		if class, _ := classOf(err); class != classRows {
			return nil, err
		}
		refused, err := l.bisect(ctx, halfToken, half, err)
		if err != nil {
			return nil, err
		}
		letters = append(letters, refused...)
	}
	return letters, nil
}
