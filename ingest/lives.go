package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type LivesOptions struct {
	URL    string
	Worker string
	Lease  time.Duration
	Logger *slog.Logger
}

type Live struct {
	ID       int64
	Text     string
	Endpoint *Endpoint
	Epoch    int64
}

type StateChange struct {
	ID, Epoch int64
	Report    Report
}

type NewLive struct {
	LiveID          string
	Priority        int16
	Once            bool
	StartAt, StopAt time.Time
	Note            string
}

type LiveStatus struct {
	LiveID string    `json:"live_id"`
	State  string    `json:"state"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Worker string    `json:"worker"`
}

type Lives struct {
	pool *pgxpool.Pool
	o    LivesOptions
}

func OpenLives(ctx context.Context, o LivesOptions) (*Lives, error) {
	pool, err := pgxpool.New(ctx, o.URL)
	if err != nil {
		return nil, err
	}
	if o.Lease == 0 {
		o.Lease = 30 * time.Second
	}
	return &Lives{pool, o}, nil
}
func (l *Lives) Close()                                  { l.pool.Close() }
func (l *Lives) Lease() time.Duration                    { return l.o.Lease }
func (l *Lives) TrustedUntil(asked time.Time) time.Time { return asked.Add(l.o.Lease - 5*time.Second) }

func (l *Lives) Claim(ctx context.Context, n int) ([]Live, error) {
	rows, err := l.pool.Query(ctx, `
WITH due AS (
  SELECT s.live FROM live_state s JOIN lives l ON l.id = s.live
  WHERE ((s.owner IS NULL AND s.next_at <= now()) OR s.lease_until <= now()) AND l.enabled AND (l.start_at IS NULL OR l.start_at <= now()) AND (l.stop_at IS NULL OR l.stop_at > now())
  ORDER BY l.priority DESC, s.next_at, s.live LIMIT $1 FOR UPDATE OF s SKIP LOCKED)
UPDATE live_state s SET owner = $2, lease_until = now() + $3, epoch = s.epoch + 1, state='queued', reason='', since=now(), changed=false
FROM due, lives l WHERE s.live = due.live AND l.id = s.live RETURNING l.id, l.live_id, l.endpoint, s.epoch`, n, l.o.Worker, l.o.Lease)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Live, error) {
		var v Live
		var e []byte
		err := row.Scan(&v.ID, &v.Text, &e, &v.Epoch)
		if err == nil && e != nil {
			v.Endpoint = new(Endpoint)
			err = json.Unmarshal(e, v.Endpoint)
		}
		return v, err
	})
}

func (l *Lives) Renew(ctx context.Context, held map[int64]int64) (map[int64]bool, time.Time, error) {
	asked := time.Now()
	var ids, epochs []int64
	for id, e := range held {
		ids, epochs = append(ids, id), append(epochs, e)
	}
	rows, err := l.pool.Query(ctx, `UPDATE live_state s SET lease_until = now() + $3 FROM unnest($1::bigint[], $2::bigint[]) h(id, epoch)
WHERE s.live = h.id AND s.epoch = h.epoch AND s.owner = $4 AND s.lease_until > now() RETURNING s.live`, ids, epochs, l.o.Lease, l.o.Worker)
	if err != nil {
		return nil, asked, err
	}
	kept, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	m := map[int64]bool{}
	for _, id := range kept {
		m[id] = true
	}
	return m, l.TrustedUntil(asked), err
}

func (l *Lives) Unwanted(ctx context.Context, ids []int64) ([]int64, error) {
	rows, err := l.pool.Query(ctx, `SELECT h.id FROM unnest($1::bigint[]) h(id) LEFT JOIN lives l ON l.id=h.id LEFT JOIN live_state s ON s.live=h.id
WHERE l.id IS NULL OR NOT l.enabled OR l.start_at > now() OR l.stop_at <= now() OR s.changed`, ids)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

func (l *Lives) Report(ctx context.Context, changes []StateChange) error {
	for _, c := range changes {
		_, err := l.pool.Exec(ctx, `UPDATE live_state SET state=$1, reason=$2, code=$3, live_stream_id=$4, since=CASE WHEN state=$1 THEN since ELSE now() END, updated_at=now() WHERE live=$5 AND epoch=$6 AND owner=$7`,
			string(c.Report.State), c.Report.Reason, c.Report.Code, c.Report.LiveStreamID, c.ID, c.Epoch, l.o.Worker)
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Lives) Release(ctx context.Context, id, epoch int64, r Report) error {
	_, err := l.pool.Exec(ctx, `UPDATE live_state s SET state=CASE WHEN $1='ended' AND NOT l.follow THEN 'finished' ELSE $1 END, reason=$2, code=$3, since=now(), updated_at=now(), owner=NULL, lease_until=NULL, changed=false,
next_at=CASE WHEN s.changed THEN now() WHEN $1='ended' AND NOT l.follow THEN 'infinity' ELSE now()+$4 END FROM lives l WHERE l.id=s.live AND s.live=$5 AND epoch=$6 AND owner=$7`,
		string(r.State), r.Reason, r.Code, r.RetryAfter, id, epoch, l.o.Worker)
	return err
}

func (l *Lives) ReleaseAll(ctx context.Context) error {
	_, err := l.pool.Exec(ctx, `UPDATE live_state SET owner=NULL, lease_until=NULL, next_at=now() WHERE owner=$1`, l.o.Worker)
	return err
}

func (l *Lives) Listen(ctx context.Context, wake func()) error {
	c, err := l.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer c.Release()
	if _, err := c.Exec(ctx, "LISTEN lives"); err != nil {
		return err
	}
	for {
		if _, err := c.Conn().WaitForNotification(ctx); err != nil {
			return err
		}
		wake()
	}
}

func (l *Lives) Add(ctx context.Context, lives []NewLive) ([]string, error) {
	var added []string
	for _, n := range lives {
		t, err := l.pool.Exec(ctx, `INSERT INTO lives(live_id, priority, follow, start_at, stop_at, note) VALUES ($1,$2,$3,$4,$5,$6) ON CONFLICT DO NOTHING`, n.LiveID, n.Priority, !n.Once, null(n.StartAt), null(n.StopAt), n.Note)
		if err != nil {
			return nil, err
		}
		if t.RowsAffected() > 0 {
			added = append(added, n.LiveID)
		}
	}
	return added, nil
}

func null(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func (l *Lives) List(ctx context.Context) ([]LiveStatus, error) {
	rows, err := l.pool.Query(ctx, `SELECT live_id, state, reason, since, coalesce(owner,'') FROM live_status ORDER BY id`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[LiveStatus])
}

func (l *Lives) ids(ctx context.Context, sql string, ids []string) ([]string, error) {
	rows, err := l.pool.Query(ctx, sql, ids)
	if err != nil {
		return nil, fmt.Errorf("x: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
func (l *Lives) Remove(ctx context.Context, ids []string) ([]string, error) {
	return l.ids(ctx, `DELETE FROM lives WHERE live_id = ANY($1) RETURNING live_id`, ids)
}
func (l *Lives) Enable(ctx context.Context, ids []string) ([]string, error) {
	return l.ids(ctx, `UPDATE lives SET enabled=true WHERE live_id = ANY($1) RETURNING live_id`, ids)
}
func (l *Lives) Disable(ctx context.Context, ids []string) ([]string, error) {
	return l.ids(ctx, `UPDATE lives SET enabled=false WHERE live_id = ANY($1) RETURNING live_id`, ids)
}
