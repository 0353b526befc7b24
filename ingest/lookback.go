package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"golang.org/x/sync/errgroup"
)

// lookbackTimeout bounds each question that a person asks.
const lookbackTimeout = 8 * time.Second

// Lookback is what ClickHouse holds of a room since a time.
type Lookback struct {
	Totals LookbackTotals
	// Steps are in the order of time; those in which nothing came are not there.
	Steps []LookbackStep
	// Gaps are the latest first, 50 at most.
	Gaps []Gap
	// Chatters and Givers are those with most, ten at most.
	Chatters, Givers []Fan
}

// LookbackTotals are the sums of a Lookback. Value is in 快币 (10 are 1 CNY), Missed
// the seconds, of that time alone, in which it is known that the room was on air
// and nobody heard it.
type LookbackTotals struct {
	Comments uint64  `ch:"comments"`
	Chatters uint64  `ch:"chatters"`
	Gifts    uint64  `ch:"gifts"`
	Value    uint64  `ch:"value"`
	Givers   uint64  `ch:"givers"`
	Missed   float64 `ch:"missed"`
}

// LookbackStep is one part of the time. Watching is the most in it, 0 when it was
// not told.
type LookbackStep struct {
	At       time.Time `ch:"at"`
	Comments uint64    `ch:"comments"`
	Value    uint64    `ch:"value"`
	Watching uint64    `ch:"watching"`
}

// Gap is a line of the view gaps: a time on air in which nobody heard the room.
type Gap struct {
	Start   time.Time  `ch:"gap_start"`
	End     *time.Time `ch:"gap_end"` // nil while it lasts
	Seconds float64    `ch:"seconds"`
	Cause   string     `ch:"cause"`
	State   string     `ch:"state"`
	Reason  string     `ch:"reason"`
	// OnAir is known, or unknown where we were refused before we ever knew.
	OnAir string `ch:"on_air"`
}

// Fan is a viewer and how much of something is theirs.
type Fan struct {
	Name   string `ch:"user_name"`
	UserID string `ch:"user_id"`
	Number uint64 `ch:"number"`
}

// FoundComment is a comment that a search has found.
type FoundComment struct {
	LiveID   string    `ch:"live_id"`
	At       time.Time `ch:"event_time"`
	UserID   string    `ch:"user_id"`
	UserName string    `ch:"user_name"`
	Content  string    `ch:"content"`
}

// looking bounds a question to what may be spent on a person who looks: it can
// only read, and ends in time. (The driver tells the server the deadline.)
func looking(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, lookbackTimeout)
	settings := clickhouse.Settings{
		"readonly": 2, "max_memory_usage": 2 << 30, "max_threads": 2,
		"do_not_merge_across_partitions_select_final": 1,
	}
	return clickhouse.Context(ctx, clickhouse.WithSettings(settings)), cancel
}

// Look reads what there is of a room since a time, in steps.
func (c *ClickHouse) Look(ctx context.Context, liveID string, since time.Time, step time.Duration) (*Lookback, error) {
	ctx, cancel := looking(ctx)
	defer cancel()
	// The rollups are at most some minutes behind; the rest is counted.
	recent := time.Now().Add(-10 * time.Minute).Truncate(time.Minute)
	if recent.Before(since) {
		recent = since
	}
	named := func(query string) string { return fillIn(query, liveID, since, recent, step) }
	found := new(Lookback)
	var totals []LookbackTotals
	questions, ctx := errgroup.WithContext(ctx)
	questions.SetLimit(2)
	for _, ask := range []struct {
		into  any
		query string
	}{{&totals, lookTotals}, {&found.Steps, lookSteps}, {&found.Gaps, lookGaps}, {&found.Chatters, lookChatters}, {&found.Givers, lookGivers}} {
		questions.Go(func() error { return c.conn.Select(ctx, ask.into, named(ask.query)) })
	}
	if err := questions.Wait(); err != nil {
		return nil, fmt.Errorf("reading what is stored of the room: %w", notAnswered(err))
	}
	for _, t := range totals {
		found.Totals = t
	}
	return found, nil
}

// Search finds the newest comments that hold a text: of one room in the last 30
// days, or of all when liveID is empty.
func (c *ClickHouse) Search(ctx context.Context, liveID, text string, most int) (found []FoundComment, err error) {
	ctx, cancel := looking(ctx)
	defer cancel()
	query := fmt.Sprintf("SELECT live_id, event_time, user_id, user_name, content FROM comment_search(text = %s, most = %d)", quoted(validText(text)), most)
	if liveID != "" {
		query = fmt.Sprintf(`SELECT live_id, event_time, user_id, user_name, content FROM comments_unique
			WHERE live_id = %s AND event_time >= now() - INTERVAL 30 DAY AND show_type != 'hidden' AND position(content, %s) > 0
			ORDER BY event_time DESC LIMIT %d`, quoted(liveID), quoted(validText(text)), most)
	}
	if err := c.conn.Select(ctx, &found, query); err != nil {
		return nil, fmt.Errorf("searching comments: %w", notAnswered(err))
	}
	return found, nil
}

// notAnswered is why a question was not answered, without the address that was
// asked, which the driver puts into its error.
func notAnswered(err error) error {
	var failed *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("ClickHouse did not answer within %v: try again, or look back less far", lookbackTimeout)
	case errors.As(err, &failed):
		return fmt.Errorf("ClickHouse cannot be asked: %w", failed.Err)
	}
	return err
}

// GiftNames are the names of gifts by ID, as the lists of gifts said last.
func (c *ClickHouse) GiftNames(ctx context.Context) (map[uint32]string, error) {
	ctx, cancel := looking(ctx)
	defer cancel()
	var rows []struct {
		ID   uint32 `ch:"gift_id"`
		Name string `ch:"said"`
	}
	err := c.conn.Select(ctx, &rows, "SELECT gift_id, argMax(name, seen_at) AS said FROM gift_catalogue WHERE name != '' GROUP BY gift_id")
	if err != nil {
		return nil, fmt.Errorf("reading the names of gifts: %w", notAnswered(err))
	}
	names := make(map[uint32]string, len(rows))
	for _, row := range rows {
		names[row.ID] = row.Name
	}
	return names, nil
}
