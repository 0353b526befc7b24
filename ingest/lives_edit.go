package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// NewLive is a row to be added to lives.
type NewLive struct {
	// LiveID is the room: a live ID or an address.
	LiveID string
	// Once is set to be finished with the end of the live, rather than look for
	// the next.
	Once bool
	// Priority is higher for what goes first.
	Priority int16
	// Replicas is how many workers are to hear the room at the same time, 1 to
	// 3; 0 means 1.
	Replicas int16
	// StartAt and StopAt are zero when there is no bound.
	StartAt, StopAt time.Time
	Note            string
}

const addSQL = `
INSERT INTO lives (live_id, follow, priority, replicas, start_at, stop_at, note)
SELECT * FROM unnest($1::text[], $2::boolean[], $3::smallint[], $4::smallint[], $5::timestamptz[], $6::timestamptz[], $7::text[])
ON CONFLICT (live_id) DO NOTHING
RETURNING live_id`

// Add inserts rows, all or none, and returns the live IDs that were new. Those
// that were there already are left as they are.
func (l *Lives) Add(ctx context.Context, lives []NewLive) (added []string, err error) {
	var (
		ids, notes           []string
		follow               []bool
		priorities, replicas []int16
		starts, stops        []*time.Time
	)
	for _, live := range lives {
		ids, notes, follow = append(ids, live.LiveID), append(notes, textForPostgres(live.Note)), append(follow, !live.Once)
		priorities, replicas = append(priorities, live.Priority), append(replicas, max(live.Replicas, 1))
		starts, stops = append(starts, nullable(live.StartAt)), append(stops, nullable(live.StopAt))
	}
	err = l.call(ctx, "adding lives", func(ctx context.Context) error {
		added, err = l.strings(ctx, addSQL, ids, follow, priorities, replicas, starts, stops, notes)
		return err
	})
	return added, err
}

func nullable(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// LiveStatus is a row of the view live_status, which says what each column is.
type LiveStatus struct {
	ID           int64      `db:"id" json:"id"`
	LiveID       string     `db:"live_id" json:"live_id"`
	State        string     `db:"state" json:"state"`
	Reason       string     `db:"reason" json:"reason"`
	Code         int        `db:"code" json:"code"`
	Since        *time.Time `db:"since" json:"since"`
	Author       string     `db:"author" json:"author"`
	Title        string     `db:"title" json:"title"`
	LiveStreamID string     `db:"live_stream_id" json:"live_stream_id"`
	Worker       string     `db:"worker" json:"worker"`
	Epoch        int64      `db:"epoch" json:"epoch"`
	NextAt       *time.Time `db:"next_at" json:"next_at"`
	Enabled      bool       `db:"enabled" json:"enabled"`
	Follow       bool       `db:"follow" json:"follow"`
	Priority     int16      `db:"priority" json:"priority"`
	Replicas     int16      `db:"replicas" json:"replicas"`
	Heard        int        `db:"heard" json:"heard"`
	Workers      []string   `db:"workers" json:"workers"`
	StartAt      *time.Time `db:"start_at" json:"start_at"`
	StopAt       *time.Time `db:"stop_at" json:"stop_at"`
	HasEndpoint  bool       `db:"has_endpoint" json:"has_endpoint"`
	Note         string     `db:"note" json:"note"`
	CreatedAt    time.Time  `db:"created_at" json:"created_at"`
	Via          string     `db:"via" json:"via"`
	Account      string     `db:"account" json:"account"`
}

const statusSQL = `
SELECT id, live_id, coalesce(state, '') AS state, coalesce(reason, '') AS reason, coalesce(code, 0) AS code, since,
	coalesce(author, '') AS author, coalesce(title, '') AS title, coalesce(live_stream_id, '') AS live_stream_id,
	coalesce(owner, '') AS worker, coalesce(epoch, 0) AS epoch,
	next_at, enabled, follow, priority, replicas, heard, workers, start_at, stop_at, has_endpoint, note, created_at, via, account
FROM live_status`

// List returns all rows with how they are doing, in the order of their insertion.
func (l *Lives) List(ctx context.Context) (list []LiveStatus, err error) {
	err = l.call(ctx, "listing lives", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, statusSQL+" ORDER BY id")
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByName[LiveStatus])
		return err
	})
	return list, err
}

// ErrNoLive is returned by Find when there is no such row.
var ErrNoLive = errors.New("there is no such room in lives; it was removed")

// Find returns a row by its number, or ErrNoLive.
func (l *Lives) Find(ctx context.Context, id int64) (live LiveStatus, err error) {
	err = l.call(ctx, "reading a live", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, statusSQL+" WHERE id = $1", id)
		if err != nil {
			return err
		}
		live, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[LiveStatus])
		return err
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return live, ErrNoLive
	}
	return live, err
}

// Remove deletes rows and returns the live IDs that it found. Their rooms are
// left at the next poll.
func (l *Lives) Remove(ctx context.Context, liveIDs []string) (found []string, err error) {
	return l.edit(ctx, "removing lives", "DELETE FROM lives WHERE live_id = ANY ($1) RETURNING live_id", liveIDs)
}

// Disable keeps rows but has their rooms left at the next poll. It returns the
// live IDs that it found.
func (l *Lives) Disable(ctx context.Context, liveIDs []string) (found []string, err error) {
	return l.edit(ctx, "disabling lives", "UPDATE lives SET enabled = false WHERE live_id = ANY ($1) RETURNING live_id", liveIDs)
}

// A row that was enabled before, and is finished or waits after a refusal, is
// due as well: whoever enables it wants it looked at.
const enableSQL = `
WITH enabled AS (
	UPDATE lives SET enabled = true WHERE live_id = ANY ($1) RETURNING id, live_id, start_at, stop_at
), free AS (
	SELECT s.live, s.slot, live_next_at(now(), true, e.start_at, e.stop_at) AS next_at
	FROM live_state s JOIN enabled e ON e.id = s.live
	WHERE s.owner IS NULL
	ORDER BY s.live, s.slot FOR UPDATE OF s
), due AS (
	UPDATE live_state s SET state = 'queued', reason = '', code = 0, since = now(), next_at = free.next_at
	FROM free WHERE s.live = free.live AND s.slot = free.slot
)
SELECT live_id FROM enabled`

// Enable has rows watched again, and looked at now. It returns the live IDs that
// it found.
func (l *Lives) Enable(ctx context.Context, liveIDs []string) (found []string, err error) {
	return l.edit(ctx, "enabling lives", enableSQL, liveIDs)
}

func (l *Lives) edit(ctx context.Context, doing, sql string, liveIDs []string) (found []string, err error) {
	err = l.call(ctx, doing, func(ctx context.Context) error {
		found, err = l.strings(ctx, sql, liveIDs)
		return err
	})
	return found, err
}

func (l *Lives) strings(ctx context.Context, sql string, args ...any) ([]string, error) {
	rows, err := l.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
