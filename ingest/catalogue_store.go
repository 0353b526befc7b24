package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// giftStore is where the catalogue of gifts is kept.
type giftStore interface {
	// KnownGifts is what was said last of each gift; what came with a price goes
	// before what came without.
	KnownGifts(ctx context.Context) (map[uint32]gift, error)
	// StoreGifts stores what was said at a time, all of it or an error. After an
	// error it may be stored all the same, and to call it again with the same
	// arguments stores it once.
	StoreGifts(ctx context.Context, token string, at time.Time, gifts []gift) error
	// PriceChanged says that the value of what was given of some gifts, by ID, is
	// about to become another, for those who keep sums.
	PriceChanged(ctx context.Context, ids []uint32) error
	// UnpricedGifts are the IDs of gifts that were heard within a time and of
	// which no list has a price, some hundreds at most.
	UnpricedGifts(ctx context.Context, within time.Duration) ([]int64, error)
}

// KnownGifts is part of giftStore.
func (c *ClickHouse) KnownGifts(ctx context.Context) (map[uint32]gift, error) {
	ctx, cancel := context.WithTimeout(ctx, c.insertTimeout)
	defer cancel()
	rows, err := c.conn.Query(ctx, `
		SELECT source, gift_id, name, type, type_name, priced, unit_price, virtual_price, max_batch_size, can_combo, picture
		FROM gift_catalogue FINAL ORDER BY gift_id, priced DESC, seen_at DESC, source DESC LIMIT 1 BY gift_id`)
	if err != nil {
		return nil, fmt.Errorf("reading gift_catalogue: %w", err)
	}
	defer rows.Close()
	known := make(map[uint32]gift)
	for rows.Next() {
		var g gift
		if err := rows.Scan(&g.source, &g.id, &g.name, &g.kind, &g.kindName, &g.priced, &g.unitPrice, &g.virtualPrice, &g.maxBatchSize, &g.canCombo, &g.picture); err != nil {
			return nil, fmt.Errorf("reading gift_catalogue: %w", err)
		}
		known[g.id] = g
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading gift_catalogue: %w", err)
	}
	return known, nil
}

// StoreGifts is part of giftStore.
func (c *ClickHouse) StoreGifts(ctx context.Context, token string, at time.Time, gifts []gift) error {
	ctx, cancel := context.WithTimeout(ctx, c.insertTimeout)
	defer cancel()
	columns := []string{
		"seen_at", "source", "gift_id", "name", "type", "type_name", "priced", "unit_price", "virtual_price", "max_batch_size", "can_combo", "picture",
	}
	return c.insertBatch(ctx, token, "gift_catalogue", columns, func(batch driver.Batch) error {
		for _, g := range gifts {
			if err := batch.Append(at, g.source, g.id, g.name, g.kind, g.kindName, g.priced, g.unitPrice, g.virtualPrice, g.maxBatchSize, g.canCombo, g.picture); err != nil {
				return err
			}
		}
		return nil
	})
}

// changedDays is how far back sums are computed anew when a gift gets its first
// price.
const changedDays = 30

// PriceChanged is part of giftStore: a minute of each broadcast has the rollup of
// gifts compute all of it anew.
func (c *ClickHouse) PriceChanged(ctx context.Context, ids []uint32) error {
	ctx, cancel := context.WithTimeout(ctx, c.insertTimeout)
	defer cancel()
	err := c.conn.Exec(c.noteSettings(ctx), `
		INSERT INTO rollup_changes (live_id, live_stream_id, minute)
		SELECT live_id, live_stream_id, toStartOfMinute(min(event_time)) FROM gifts
		WHERE gift_id IN ($1) AND event_time > now() - toIntervalDay($2) GROUP BY live_id, live_stream_id`, ids, changedDays)
	if err != nil {
		return fmt.Errorf("noting whose rollups change: %w", err)
	}
	return nil
}

// UnpricedGifts is part of giftStore.
func (c *ClickHouse) UnpricedGifts(ctx context.Context, within time.Duration) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.insertTimeout)
	defer cancel()
	var ids []int64
	err := c.conn.QueryRow(ctx, `
		SELECT groupArray(id) FROM (
			SELECT DISTINCT toInt64(gift_id) AS id FROM gifts
			WHERE received_at > now() - toIntervalSecond($1) AND gift_id > 0 AND gift_id NOT IN (SELECT gift_id FROM gift_catalogue WHERE priced)
			LIMIT 500)`, int64(within/time.Second)).Scan(&ids)
	if err != nil {
		return nil, fmt.Errorf("looking for gifts without a price: %w", err)
	}
	return ids, nil
}
