package ingest

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// Erasure is a person who is being erased.
type Erasure struct {
	ID    int64
	Users []string
	Names []string
	Skip  []string // Person.Skip
}

// PersonOf is the person with one of those IDs; skip is Person.Skip.
func PersonOf(users, skip []string) *Person {
	p := &Person{Skip: skip}
	for _, user := range users {
		if n, err := strconv.ParseUint(user, 10, 64); err == nil {
			p.Numbers = append(p.Numbers, n)
		} else {
			p.IDs = append(p.IDs, user)
		}
	}
	return p
}

// Person is whom it is about.
func (e Erasure) Person() *Person {
	p := PersonOf(e.Users, e.Skip)
	p.addNames(e.Names...)
	return p
}

// BeginErasure asks all workers to erase a person. While one of a person with one
// of those IDs is under way it is that, and is told what is new.
func (l *Lives) BeginErasure(ctx context.Context, p *Person) (e Erasure, err error) {
	err = l.call(ctx, "asking for the erasure", func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "LOCK TABLE erasures IN SHARE ROW EXCLUSIVE MODE"); err != nil {
				return err
			}
			err := tx.QueryRow(ctx, "SELECT id FROM erasures WHERE finished_at IS NULL AND users && $1 ORDER BY id LIMIT 1", p.userIDs()).Scan(&e.ID)
			if errors.Is(err, pgx.ErrNoRows) {
				err = tx.QueryRow(ctx, "INSERT INTO erasures (users) VALUES ($1) RETURNING id", p.userIDs()).Scan(&e.ID)
			}
			if err != nil {
				return err
			}
			return tx.QueryRow(ctx, learnSQL, e.ID, p.userIDs(), p.Names, p.Skip).Scan(&e.Users, &e.Names, &e.Skip)
		})
	})
	return e, err
}

// learnSQL adds IDs and names, and replaces the names that are skipped unless
// they are NULL.
const learnSQL = `
UPDATE erasures SET users = ARRAY(SELECT u FROM unnest(users || $2::text[]) u GROUP BY u),
	names = ARRAY(SELECT n FROM unnest(names || $3::text[]) n WHERE n <> ALL (coalesce($4, skip)) GROUP BY n), skip = coalesce($4, skip)
WHERE id = $1 AND finished_at IS NULL RETURNING users, names, skip`

// ErasuresFor answers the erasures that a spool has not reported yet, or not with
// all names; it makes the spool known as this worker's.
func (l *Lives) ErasuresFor(ctx context.Context, spoolID string) (open []Erasure, err error) {
	err = l.call(ctx, "looking for erasures", func(ctx context.Context) error {
		_, err := l.pool.Exec(ctx, `INSERT INTO spools AS s (id, worker) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET worker = excluded.worker, seen_at = now() WHERE s.seen_at < now() - interval '1 minute' OR s.worker <> excluded.worker`, spoolID, l.worker)
		if err != nil {
			return err
		}
		rows, err := l.pool.Query(ctx, `SELECT id, users, names, skip FROM erasures e WHERE finished_at IS NULL
			AND NOT EXISTS (SELECT FROM erasure_reports r WHERE r.erasure = e.id AND r.spool = $1 AND r.known >= cardinality(e.users) + cardinality(e.names)) ORDER BY id`, spoolID)
		if err != nil {
			return err
		}
		open, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Erasure])
		return err
	})
	return open, err
}

// ReportErasure says what a spool did about an erasure, with all that it looked
// for.
func (l *Lives) ReportErasure(ctx context.Context, erasure int64, spoolID string, p *Person, met ErasedFrames) error {
	return l.call(ctx, "reporting an erasure", func(ctx context.Context) error {
		if _, err := l.pool.Exec(ctx, learnSQL, erasure, p.userIDs(), p.Names, []string(nil)); err != nil {
			return err
		}
		_, err := l.pool.Exec(ctx, `INSERT INTO erasure_reports AS r (erasure, spool, known, frames, unread, set_aside) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (erasure, spool) DO UPDATE SET known = excluded.known, frames = r.frames + excluded.frames,
				unread = excluded.unread, set_aside = excluded.set_aside, reported_at = now()`,
			erasure, spoolID, len(p.userIDs())+len(p.Names), met.Frames, met.Unread, met.SetAside)
		return err
	})
}

// SpoolErasure is how far a spool is with an erasure.
type SpoolErasure struct {
	Spool    string    `json:"spool"`
	Worker   string    `json:"worker"`
	SeenAt   time.Time `json:"seen_at"`
	Done     bool      `json:"done"`
	Frames   int64     `json:"frames"`
	Unread   int64     `json:"unread"`
	SetAside int64     `json:"set_aside"`
}

// ErasureSpools answers how far all spools are with an erasure, and what is known
// of the person by now.
func (l *Lives) ErasureSpools(ctx context.Context, erasure int64) (spools []SpoolErasure, e Erasure, err error) {
	err = l.call(ctx, "looking how far the erasure is", func(ctx context.Context) error {
		if err := l.pool.QueryRow(ctx, "SELECT id, users, names, skip FROM erasures WHERE id = $1", erasure).Scan(&e.ID, &e.Users, &e.Names, &e.Skip); err != nil {
			return err
		}
		rows, err := l.pool.Query(ctx, `SELECT s.id, s.worker, s.seen_at, coalesce(r.known >= $2, false), coalesce(r.frames, 0), coalesce(r.unread, 0), coalesce(r.set_aside, 0)
			FROM spools s LEFT JOIN erasure_reports r ON r.spool = s.id AND r.erasure = $1 ORDER BY s.worker, s.id`, erasure, len(e.Users)+len(e.Names))
		if err != nil {
			return err
		}
		spools, err = pgx.CollectRows(rows, pgx.RowToStructByPos[SpoolErasure])
		return err
	})
	return spools, e, err
}

// FinishErasure notes that nothing is left, and forgets who it was.
func (l *Lives) FinishErasure(ctx context.Context, erasure int64) error {
	return l.call(ctx, "finishing the erasure", func(ctx context.Context) error {
		_, err := l.pool.Exec(ctx, "UPDATE erasures SET finished_at = now(), users = '{}', names = '{}', skip = '{}' WHERE id = $1 AND finished_at IS NULL", erasure)
		return err
	})
}
