package ingest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
)

// A row that somebody is editing or claiming is left for the next time. The row
// of lives is locked too: a claim that reads it just before an edit is committed
// would keep the old endpoint, and nobody would notice.
const claimSQL = `
WITH due AS (
	SELECT s.live, l.live_id, l.endpoint, s.owner AS silent
	FROM live_state s JOIN lives l ON l.id = s.live
	WHERE (s.owner IS NULL AND s.next_at <= now() OR s.owner IS NOT NULL AND s.lease_until <= now())
		AND l.enabled
		AND (l.start_at IS NULL OR l.start_at <= now())
		AND (l.stop_at IS NULL OR l.stop_at > now())
	ORDER BY l.priority DESC, s.next_at, s.live
	LIMIT $1
	FOR UPDATE OF s SKIP LOCKED
	FOR SHARE OF l SKIP LOCKED
)
UPDATE live_state s
SET owner = $2, lease_until = now() + $3::interval, epoch = s.epoch + 1, changed = false, updated_at = now(),
	-- What a worker that has gone silent said last is not so any more.
	state = CASE WHEN due.silent IS NULL THEN s.state ELSE 'queued' END,
	reason = CASE WHEN due.silent IS NULL THEN s.reason ELSE format('taken over from worker %s', due.silent) END,
	since = CASE WHEN due.silent IS NULL THEN s.since ELSE now() END
FROM due
WHERE s.live = due.live
RETURNING s.live, due.live_id, due.endpoint, s.epoch`

// Claim takes up to n rows that are due and that nobody holds, those with the
// highest priority first. Trust the claims until TrustedUntil of a time before
// the call.
func (l *Lives) Claim(ctx context.Context, n int) ([]Live, error) {
	if n <= 0 {
		return nil, nil
	}
	var lives []Live
	err := l.call(ctx, "claiming lives", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, claimSQL, n, l.worker, l.lease)
		if err != nil {
			return err
		}
		lives, err = pgx.CollectRows(rows, scanLive)
		return err
	})
	return lives, err
}

func scanLive(row pgx.CollectableRow) (Live, error) {
	var (
		live     Live
		endpoint []byte
	)
	if err := row.Scan(&live.ID, &live.Text, &endpoint, &live.Epoch); err != nil {
		return Live{}, err
	}
	if endpoint != nil {
		live.Endpoint = new(Endpoint)
		if err := json.Unmarshal(endpoint, live.Endpoint); err != nil {
			// One row that is written wrongly must not keep the others from
			// being claimed: the room says what is wrong with it.
			live.Endpoint = new(Endpoint)
		}
	}
	return live, nil
}

// A row that somebody has locked is left out, so that it holds up no other.
const renewSQL = `
WITH mine AS (
	SELECT s.live FROM live_state s JOIN unnest($1::bigint[], $2::bigint[]) AS held (live, epoch) USING (live, epoch)
	WHERE s.owner = $3 AND s.lease_until > now()
	ORDER BY s.live
	FOR UPDATE OF s SKIP LOCKED
)
UPDATE live_state s SET lease_until = now() + $4::interval
FROM mine WHERE s.live = mine.live
RETURNING s.live`

// busyPause is how long to wait before rows that may have been locked are tried
// again: longer than a statement of a worker takes.
const busyPause = 100 * time.Millisecond

// Renew prolongs the leases in held, which has the epoch by row ID. Those in
// kept may be trusted until trustedUntil; the others are lost: another worker
// has the row, or may have it soon, or somebody is just deleting it or giving it
// another endpoint.
func (l *Lives) Renew(ctx context.Context, held map[int64]int64) (kept map[int64]bool, trustedUntil time.Time, err error) {
	trustedUntil = l.TrustedUntil(time.Now())
	kept = make(map[int64]bool, len(held))
	err = l.call(ctx, "renewing leases", func(ctx context.Context) error {
		if err := l.renew(ctx, held, kept); err != nil || len(kept) == len(held) {
			return err
		}
		if !sleep(ctx, busyPause) {
			return ctx.Err()
		}
		return l.renew(ctx, held, kept)
	})
	if err != nil {
		return nil, time.Time{}, err
	}
	return kept, trustedUntil, nil
}

// renew tries to renew what is in held and not in kept, and adds to kept.
func (l *Lives) renew(ctx context.Context, held map[int64]int64, kept map[int64]bool) error {
	var ids, epochs []int64
	for id, epoch := range held {
		if !kept[id] {
			ids, epochs = append(ids, id), append(epochs, epoch)
		}
	}
	rows, err := l.pool.Query(ctx, renewSQL, ids, epochs, l.worker, l.lease)
	if err != nil {
		return err
	}
	renewed, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	for _, id := range renewed {
		kept[id] = true
	}
	return err
}

const unwantedSQL = `
SELECT a.live
FROM unnest($1::bigint[]) AS a (live)
LEFT JOIN lives l ON l.id = a.live
LEFT JOIN live_state s ON s.live = a.live
WHERE l.id IS NULL OR NOT l.enabled OR l.start_at > now() OR l.stop_at <= now() OR s.changed`

// Unwanted returns those of ids that must be let go: deleted, disabled, outside
// start_at and stop_at, or given another live_id or endpoint. The last are due
// again as soon as they are released.
func (l *Lives) Unwanted(ctx context.Context, ids []int64) ([]int64, error) {
	var unwanted []int64
	err := l.call(ctx, "looking for lives that are not wanted any more", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, unwantedSQL, ids)
		if err != nil {
			return err
		}
		unwanted, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return unwanted, err
}
