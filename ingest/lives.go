package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// livesTimeout bounds every statement.
	livesTimeout = 10 * time.Second
	// defaultLease is how long a claim holds without being renewed.
	defaultLease = 30 * time.Second
)

// LivesOptions say where lives is and who asks.
type LivesOptions struct {
	// URL of Postgres; a secret.
	URL string
	// Worker is the name under which rooms are held. Two workers of one name
	// would take each other's rooms for their own.
	Worker string
	// Lease is how long a claim holds without being renewed. Default 30 s.
	Lease  time.Duration
	Logger *slog.Logger
}

// Lives is the table of rooms to watch, as one worker sees it. It is safe for
// concurrent use. Postgres is the authority on who holds a room; this clock
// only bounds how long an answer is trusted.
type Lives struct {
	pool   *pgxpool.Pool
	worker string
	lease  time.Duration
	logger *slog.Logger
}

// Live is a row that this worker has claimed.
type Live struct {
	ID int64
	// Text is what a person wrote: a live ID or an address.
	Text string
	// Endpoint is how to enter, when a person has said so.
	Endpoint *Endpoint
	// Epoch is the number of this claim. It goes up with each, so that what an
	// earlier holder still says can be told apart.
	Epoch int64
}

// StateChange is news of a room for live_state.
type StateChange struct {
	ID, Epoch int64
	Report    Report
}

// OpenLives connects to Postgres, where the migrations must have been applied.
// The caller must close it.
func OpenLives(ctx context.Context, o LivesOptions) (*Lives, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// The driver's error repeats the URL.
		return nil, errors.New("the Postgres URL cannot be read: it must look like postgres://user:password@host:5432/database")
	}
	config.ConnConfig.ConnectTimeout = livesTimeout
	config.ConnConfig.RuntimeParams["application_name"] = "ingest " + o.Worker
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening Postgres: %w", err)
	}
	l := &Lives{pool: pool, worker: o.Worker, lease: o.Lease, logger: o.Logger}
	if l.lease == 0 {
		l.lease = defaultLease
	}
	ctx, cancel := context.WithTimeout(ctx, livesTimeout)
	defer cancel()
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connecting to Postgres: %s", strings.Join(strings.Fields(err.Error()), " ")) // the driver writes several lines
	}
	return l, nil
}

// Close closes the connections.
func (l *Lives) Close() { l.pool.Close() }

// Lease is how long a claim holds without being renewed.
func (l *Lives) Lease() time.Duration { return l.lease }

// TrustedUntil is how long a lease that was asked for at a moment is trusted:
// less than it lasts, since Postgres began to count later than that, and a
// worker needs time to let go.
func (l *Lives) TrustedUntil(asked time.Time) time.Time { return asked.Add(l.lease * 5 / 6) }

// Claim takes up to n rows that are due and that nobody holds, the most
// important first, and those first that have waited longest. It is one short
// statement; workers that claim at once pass over each other's rows.
func (l *Lives) Claim(ctx context.Context, n int) ([]Live, error) {
	ctx, cancel := context.WithTimeout(ctx, livesTimeout)
	defer cancel()
	rows, err := l.pool.Query(ctx, `
		WITH due AS (
			SELECT s.live FROM live_state s JOIN lives l ON l.id = s.live
			WHERE (s.owner IS NULL AND s.next_at <= now() OR s.owner IS NOT NULL AND s.lease_until <= now())
				AND l.enabled AND coalesce(l.start_at <= now(), true) AND coalesce(l.stop_at > now(), true)
			ORDER BY l.priority DESC, s.next_at, s.live
			LIMIT $1
			FOR UPDATE OF s SKIP LOCKED
		)
		UPDATE live_state s SET
			owner = $2, lease_until = now() + $3::interval, epoch = s.epoch + 1, changed = false,
			state = 'queued', reason = '', code = 0, since = now(), updated_at = now()
		FROM due JOIN lives l ON l.id = due.live
		WHERE s.live = due.live
		RETURNING s.live, l.live_id, l.endpoint, s.epoch`, n, l.worker, l.lease)
	if err != nil {
		return nil, fmt.Errorf("claiming rooms: %w", err)
	}
	lives, err := pgx.CollectRows(rows, scanLive)
	if err != nil {
		return nil, fmt.Errorf("claiming rooms: %w", err)
	}
	return lives, nil
}

func scanLive(row pgx.CollectableRow) (Live, error) {
	var live Live
	var endpoint []byte
	if err := row.Scan(&live.ID, &live.Text, &endpoint, &live.Epoch); err != nil {
		return live, err
	}
	if endpoint != nil {
		live.Endpoint = new(Endpoint)
		// One that is of another form stays empty, and the room says so.
		_ = json.Unmarshal(endpoint, live.Endpoint)
	}
	return live, nil
}

// Renew prolongs the leases held, epochs by row, with one statement. Rows that
// are not among the kept are no longer this worker's.
func (l *Lives) Renew(ctx context.Context, held map[int64]int64) (kept map[int64]bool, trustedUntil time.Time, err error) {
	asked := time.Now()
	ctx, cancel := context.WithTimeout(ctx, livesTimeout)
	defer cancel()
	ids, epochs := make([]int64, 0, len(held)), make([]int64, 0, len(held))
	for id, epoch := range held {
		ids, epochs = append(ids, id), append(epochs, epoch)
	}
	// Locked in the order of keys, like everywhere, against deadlocks.
	rows, err := l.pool.Query(ctx, `
		WITH held AS (
			SELECT s.live FROM live_state s JOIN unnest($1::bigint[], $2::bigint[]) AS h (live, epoch) USING (live, epoch)
			WHERE s.owner = $3 AND s.lease_until > now()
			ORDER BY s.live FOR NO KEY UPDATE OF s
		)
		UPDATE live_state s SET lease_until = now() + $4::interval
		FROM held WHERE s.live = held.live
		RETURNING s.live`, ids, epochs, l.worker, l.lease)
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("renewing leases: %w", err)
	}
	renewed, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("renewing leases: %w", err)
	}
	kept = make(map[int64]bool, len(renewed))
	for _, id := range renewed {
		kept[id] = true
	}
	return kept, l.TrustedUntil(asked), nil
}

// Unwanted are those of the rows that people no longer want to be heard as they
// are: deleted, disabled, outside their times, or edited.
func (l *Lives) Unwanted(ctx context.Context, ids []int64) ([]int64, error) {
	ctx, cancel := context.WithTimeout(ctx, livesTimeout)
	defer cancel()
	rows, err := l.pool.Query(ctx, `
		SELECT held.id FROM unnest($1::bigint[]) AS held (id)
		LEFT JOIN lives l ON l.id = held.id
		LEFT JOIN live_state s ON s.live = held.id
		WHERE l.id IS NULL OR NOT l.enabled OR l.start_at > now() OR l.stop_at <= now() OR s.changed`, ids)
	if err != nil {
		return nil, fmt.Errorf("looking for rooms to leave: %w", err)
	}
	unwanted, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("looking for rooms to leave: %w", err)
	}
	return unwanted, nil
}

// Report writes news of rooms that this worker still holds, with one statement.
func (l *Lives) Report(ctx context.Context, changes []StateChange) error {
	ctx, cancel := context.WithTimeout(ctx, livesTimeout)
	defer cancel()
	news, err := json.Marshal(rowsOf(changes))
	if err != nil {
		return fmt.Errorf("telling the states of rooms: %w", err)
	}
	_, err = l.pool.Exec(ctx, `
		WITH news AS (
			SELECT n.* FROM json_to_recordset($1::json) AS n (live bigint, epoch bigint, state text, reason text, code int, live_stream_id text, author text, title text)
			JOIN live_state s USING (live, epoch) WHERE s.owner = $2
			ORDER BY live FOR NO KEY UPDATE OF s
		)
		UPDATE live_state s SET
			state = n.state, reason = n.reason, code = n.code,
			live_stream_id = coalesce(nullif(n.live_stream_id, ''), s.live_stream_id),
			author = coalesce(nullif(n.author, ''), s.author), title = coalesce(nullif(n.title, ''), s.title),
			since = CASE WHEN s.state = n.state THEN s.since ELSE now() END, updated_at = now()
		FROM news n WHERE s.live = n.live`, news, l.worker)
	if err != nil {
		return fmt.Errorf("telling the states of rooms: %w", err)
	}
	return nil
}

// stateRow is a StateChange as the statements take it.
type stateRow struct {
	Live         int64  `json:"live"`
	Epoch        int64  `json:"epoch"`
	State        State  `json:"state"`
	Reason       string `json:"reason"`
	Code         int    `json:"code"`
	LiveStreamID string `json:"live_stream_id"`
	Author       string `json:"author"`
	Title        string `json:"title"`
}

func rowsOf(changes []StateChange) []stateRow {
	rows := make([]stateRow, 0, len(changes))
	for _, c := range changes {
		rows = append(rows, stateRow{
			c.ID, c.Epoch, c.Report.State, textForPostgres(c.Report.Reason), c.Report.Code,
			textForPostgres(c.Report.LiveStreamID), textForPostgres(c.Report.Author), textForPostgres(c.Report.Title),
		})
	}
	return rows
}

// Release gives a row back with the last news of its room. It is due again
// after the report's RetryAfter, or at once when a person has edited it
// meanwhile; a live that has ended and is not to be followed is finished.
func (l *Lives) Release(ctx context.Context, id, epoch int64, last Report) error {
	ctx, cancel := context.WithTimeout(ctx, livesTimeout)
	defer cancel()
	_, err := l.pool.Exec(ctx, `
		UPDATE live_state s SET
			state = CASE WHEN $4 = 'ended' AND NOT l.follow THEN 'finished' ELSE $4 END, reason = $5, code = $6,
			live_stream_id = coalesce(nullif($7, ''), s.live_stream_id),
			author = coalesce(nullif($8, ''), s.author), title = coalesce(nullif($9, ''), s.title),
			since = CASE WHEN s.state = $4 THEN s.since ELSE now() END, updated_at = now(),
			owner = NULL, lease_until = NULL, changed = false,
			next_at = CASE
				WHEN $4 = 'ended' AND NOT l.follow AND NOT s.changed THEN 'infinity'
				ELSE live_next_at(now() + CASE WHEN s.changed THEN '0' ELSE $10::interval END, l.enabled, l.start_at, l.stop_at)
			END
		FROM lives l WHERE l.id = s.live AND s.live = $1 AND s.epoch = $2 AND s.owner = $3`,
		id, epoch, l.worker, string(last.State), textForPostgres(last.Reason), last.Code,
		textForPostgres(last.LiveStreamID), textForPostgres(last.Author), textForPostgres(last.Title), last.RetryAfter)
	if err != nil {
		return fmt.Errorf("giving a room back: %w", err)
	}
	return nil
}

// ReleaseAll gives back whatever rows are still held under this worker's name.
func (l *Lives) ReleaseAll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, livesTimeout)
	defer cancel()
	_, err := l.pool.Exec(ctx, `
		UPDATE live_state SET owner = NULL, lease_until = NULL, next_at = now(), state = 'queued', reason = '', since = now(), updated_at = now()
		WHERE owner = $1`, l.worker)
	if err != nil {
		return fmt.Errorf("giving rooms back: %w", err)
	}
	return nil
}
