package ingest

import (
	"context"
	"fmt"
)

// Heard is how much of a live was heard while it was on air, as far as is
// known, over all its broadcasts and workers.
type Heard struct {
	// Share is from 0 to 1; nil when it was never known to be on air.
	Share *float64 `json:"share"`
	// HeardSeconds and GapSeconds are what Share is made of; UnknownSeconds are
	// those in which we were refused and so do not know whether it was on air.
	HeardSeconds   float64 `json:"heard_seconds"`
	GapSeconds     float64 `json:"gap_seconds"`
	UnknownSeconds float64 `json:"unknown_seconds"`
}

// Heard reads the view coverage_by_live: a line for each live that a worker
// ever tried to hear, by live ID.
func (c *ClickHouse) Heard(ctx context.Context) (map[string]Heard, error) {
	rows, err := c.conn.Query(ctx, "SELECT live_id, share, heard_seconds, gap_seconds, unknown_seconds FROM coverage_by_live")
	if err != nil {
		return nil, fmt.Errorf("reading coverage_by_live: %w", err)
	}
	defer rows.Close()
	heard := make(map[string]Heard)
	for rows.Next() {
		var liveID string
		var h Heard
		if err := rows.Scan(&liveID, &h.Share, &h.HeardSeconds, &h.GapSeconds, &h.UnknownSeconds); err != nil {
			return nil, fmt.Errorf("reading coverage_by_live: %w", err)
		}
		heard[liveID] = h
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading coverage_by_live: %w", err)
	}
	return heard, nil
}
