package ingest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// mostReleased is how many rows are given back in one statement.
const mostReleased = 1000

// The row of lives is locked: if an edit were committed between reading it and
// giving the row back, a room enabled just now would never be due again. A live
// that is not followed is over for all its workers when it is for one: the
// others find it off air only. A broadcast that another worker hears is not over.
const releaseSQL = `
WITH told AS (
	SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::int[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])
		AS t (live, epoch, state, reason, code, retry_after, live_stream_id, author, title, via, account)
), held AS (
	SELECT s.live FROM live_state s JOIN told t ON t.live = s.live AND t.epoch = s.epoch WHERE s.owner = $1
), l AS (
	SELECT id, enabled, follow, replicas, start_at, stop_at FROM lives WHERE id IN (SELECT live FROM held) ORDER BY id FOR SHARE SKIP LOCKED
), given AS (
	SELECT s.live, s.slot, s.slot >= l.replicas AS excess,
		NOT l.follow AND NOT s.changed AND (t.state = 'ended' OR t.state = 'offline' AND EXISTS (
			SELECT FROM live_state o WHERE o.live = s.live AND o.slot <> s.slot AND o.state = 'finished'
		)) AS finished,
		coalesce(nullif(t.live_stream_id, ''), s.live_stream_id) AS live_stream_id,
		t.state IN ('offline', 'ended') AS off_air, t.state = 'ended' OR s.state IN ('live', 'recall') AS heard,
		live_next_at(now() + CASE WHEN s.changed THEN interval '0' ELSE t.retry_after * interval '1 microsecond' END, l.enabled, l.start_at, l.stop_at) AS next_at,
		t.state, t.reason, t.code, t.author, t.title, t.via, t.account
	FROM l JOIN live_state s ON s.live = l.id JOIN told t ON t.live = s.live AND t.epoch = s.epoch
	WHERE s.owner = $1
	ORDER BY s.live, s.slot
	FOR UPDATE OF s SKIP LOCKED
), broadcast AS (
	UPDATE broadcasts b
	SET last_seen = CASE WHEN g.heard THEN now() ELSE b.last_seen END,
		ended_at = CASE WHEN g.off_air AND NOT EXISTS (
			SELECT FROM live_state s LEFT JOIN workers w ON w.name = s.owner
			WHERE s.live = g.live AND s.slot <> g.slot AND s.state IN ('live', 'recall') AND ` + slotHeld + `
		) THEN now() END
	FROM given g WHERE b.live = g.live AND b.live_stream_id = g.live_stream_id AND b.ended_at IS NULL
), dropped AS (
	DELETE FROM live_state s USING given g WHERE s.live = g.live AND s.slot = g.slot AND g.excess
), released AS (
	UPDATE live_state s
	SET owner = NULL, lease_until = NULL, changed = false, offered = false, successor = NULL, successor_until = NULL,
		next_at = CASE WHEN g.finished THEN 'infinity' ELSE g.next_at END,
		state = CASE WHEN g.finished THEN 'finished' ELSE g.state END,
		since = CASE WHEN s.state = g.state THEN s.since ELSE now() END,
		reason = g.reason, code = g.code, via = g.via, account = g.account,
		off_air_at = CASE WHEN g.off_air THEN now() ELSE s.off_air_at END,
		live_stream_id = g.live_stream_id,
		author = coalesce(nullif(g.author, ''), s.author),
		title = coalesce(nullif(g.title, ''), s.title),
		updated_at = now()
	FROM given g WHERE s.live = g.live AND s.slot = g.slot AND NOT g.excess
)
SELECT live FROM held WHERE live NOT IN (SELECT live FROM given)`

// releaseLockedSQL waits for whoever has locked the row.
var releaseLockedSQL = strings.ReplaceAll(releaseSQL, " SKIP LOCKED", "")

// releasing is a row that is to be given back.
type releasing struct {
	id, epoch int64
	last      Report
	done      chan struct{} // closed when the two below are set
	locked    bool          // somebody else has locked the row
	err       error
}

// releases are the rows that wait to be given back. Those that come while a
// statement runs go into the next one: rooms may end by the thousand.
type releases struct {
	mu      sync.Mutex
	waiting []*releasing
	running bool
}

// Release gives a row back with the room's last report: it is due again after
// last.RetryAfter, or never when the live has ended and is not to be followed.
// It does nothing when this worker does not hold the row any more.
func (l *Lives) Release(ctx context.Context, id, epoch int64, last Report) error {
	r := &releasing{id: id, epoch: epoch, last: last, done: make(chan struct{})}
	l.releases.mu.Lock()
	l.releases.waiting = append(l.releases.waiting, r)
	if !l.releases.running {
		l.releases.running = true
		go l.releaseWaiting()
	}
	l.releases.mu.Unlock()
	select {
	case <-r.done:
	case <-ctx.Done():
		return fmt.Errorf("releasing a live: %w", explainPostgres(l.pool.Config().ConnConfig, ctx.Err()))
	}
	if !r.locked {
		return r.err
	}
	return l.call(ctx, "releasing a live", func(ctx context.Context) error {
		_, err := l.release(ctx, releaseLockedSQL, []*releasing{r})
		return err
	})
}

// releaseWaiting ends when nothing waits any more.
func (l *Lives) releaseWaiting() {
	for {
		l.releases.mu.Lock()
		n := min(len(l.releases.waiting), mostReleased)
		batch := l.releases.waiting[:n:n]
		l.releases.waiting = l.releases.waiting[n:]
		l.releases.running = n > 0
		l.releases.mu.Unlock()
		if n == 0 {
			return
		}
		var locked map[int64]bool
		err := l.call(context.Background(), "releasing lives", func(ctx context.Context) (err error) {
			locked, err = l.release(ctx, releaseSQL, batch)
			return err
		})
		for _, r := range batch {
			r.locked, r.err = locked[r.id], err
			close(r.done)
		}
	}
}

// release answers the rows that this worker holds and that somebody has locked.
func (l *Lives) release(ctx context.Context, sql string, batch []*releasing) (locked map[int64]bool, err error) {
	var (
		ids, epochs, retries     []int64
		codes                    []int32
		states, reasons          []string
		streams, authors, titles []string
		vias, accounts           []string
	)
	for _, r := range batch {
		ids, epochs, retries = append(ids, r.id), append(epochs, r.epoch), append(retries, r.last.RetryAfter.Microseconds())
		states, reasons, codes = append(states, string(r.last.State)), append(reasons, storable(r.last.Reason)), append(codes, int32(r.last.Code))
		streams = append(streams, storable(r.last.LiveStreamID))
		authors, titles = append(authors, storable(r.last.Author)), append(titles, storable(r.last.Title))
		vias, accounts = append(vias, r.last.Via), append(accounts, storable(r.last.Account))
	}
	rows, err := l.pool.Query(ctx, sql, l.worker, ids, epochs, states, reasons, codes, retries, streams, authors, titles, vias, accounts)
	if err != nil {
		return nil, err
	}
	left, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	locked = make(map[int64]bool, len(left))
	for _, id := range left {
		locked[id] = true
	}
	return locked, err
}

// Another process may have taken the name; then the rows are its own.
const releaseRestSQL = `
WITH mine AS (
	SELECT live, slot FROM live_state
	WHERE owner = $1 AND EXISTS (SELECT FROM workers WHERE name = $1 AND instance = $2) AND ($3::bigint[] IS NULL OR live = ANY ($3))
	ORDER BY live, slot FOR UPDATE SKIP LOCKED
)
UPDATE live_state s
SET owner = NULL, lease_until = NULL, changed = false, offered = false, successor = NULL, successor_until = NULL, next_at = now(),
	state = 'queued', reason = format('given back by worker %s', $1::text), code = 0, since = now(), updated_at = now()
FROM mine WHERE s.live = mine.live AND s.slot = mine.slot`

// ReleaseRest gives back whatever this worker still holds, due at once. Rows that
// somebody has locked come free when its lease ends.
func (l *Lives) ReleaseRest(ctx context.Context) error {
	return l.call(ctx, "releasing the rest of the lives", func(ctx context.Context) error { return l.releaseRest(ctx, nil) })
}

// releaseRest gives back what this worker holds of the lives in ids; nil: of all.
func (l *Lives) releaseRest(ctx context.Context, ids []int64) error {
	_, err := l.pool.Exec(ctx, releaseRestSQL, l.worker, l.instance, ids)
	return err
}
