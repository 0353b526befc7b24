package ingest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// NewLive is a row to add. Times that are zero do not bound it.
type NewLive struct {
	LiveID          string
	Priority        int16
	Once            bool // finish with the end of the live
	StartAt, StopAt time.Time
	Note            string
}

// LiveStatus is a room with how it is doing: a row of the view live_status.
type LiveStatus struct {
	LiveID       string     `json:"live_id"`
	State        string     `json:"state"`
	Reason       string     `json:"reason"`
	Since        *time.Time `json:"since"`
	Worker       string     `json:"worker"`
	LiveStreamID string     `json:"live_stream_id"`
	Author       string     `json:"author"`
	Title        string     `json:"title"`
	NextAt       *time.Time `json:"next_at"`
	Note         string     `json:"note"`
}

// Add inserts rooms in one statement and answers the live IDs of those that
// were not there before.
func (l *Lives) Add(ctx context.Context, lives []NewLive) ([]string, error) {
	var batch [6][]any
	for _, live := range lives {
		for i, value := range []any{live.LiveID, live.Priority, !live.Once, timeOrNull(live.StartAt), timeOrNull(live.StopAt), textForPostgres(live.Note)} {
			batch[i] = append(batch[i], value)
		}
	}
	return l.edit(ctx, "adding rooms", `
		INSERT INTO lives (live_id, priority, follow, start_at, stop_at, note)
		SELECT * FROM unnest($1::text[], $2::smallint[], $3::boolean[], $4::timestamptz[], $5::timestamptz[], $6::text[])
		ON CONFLICT (live_id) DO NOTHING RETURNING live_id`, batch[0], batch[1], batch[2], batch[3], batch[4], batch[5])
}

// Remove deletes rooms and answers those that were there.
func (l *Lives) Remove(ctx context.Context, liveIDs []string) ([]string, error) {
	return l.edit(ctx, "removing rooms", "DELETE FROM lives WHERE live_id = ANY ($1) RETURNING live_id", liveIDs)
}

// Enable has rooms watched again and answers those that are there.
func (l *Lives) Enable(ctx context.Context, liveIDs []string) ([]string, error) {
	return l.edit(ctx, "enabling rooms", "UPDATE lives SET enabled = true WHERE live_id = ANY ($1) RETURNING live_id", liveIDs)
}

// Disable has rooms left alone and answers those that are there.
func (l *Lives) Disable(ctx context.Context, liveIDs []string) ([]string, error) {
	return l.edit(ctx, "disabling rooms", "UPDATE lives SET enabled = false WHERE live_id = ANY ($1) RETURNING live_id", liveIDs)
}

func (l *Lives) edit(ctx context.Context, doing, sql string, args ...any) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, livesTimeout)
	defer cancel()
	rows, err := l.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	liveIDs, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return liveIDs, nil
}

// List answers all rooms, in the order in which they were added.
func (l *Lives) List(ctx context.Context) ([]LiveStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, livesTimeout)
	defer cancel()
	rows, err := l.pool.Query(ctx, `
		SELECT live_id, coalesce(state, ''), coalesce(reason, ''), since, coalesce(owner, ''), coalesce(live_stream_id, ''),
			coalesce(author, ''), coalesce(title, ''), next_at, note
		FROM live_status ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("listing rooms: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[LiveStatus])
	if err != nil {
		return nil, fmt.Errorf("listing rooms: %w", err)
	}
	return all, nil
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// textForPostgres is s without what Postgres does not take in text: NUL, and
// bytes that are not UTF-8.
func textForPostgres(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}
