package ingest

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
)

// slotDueAt is from when on a slot s is to be taken by somebody, w being the row
// of workers of its owner, if there is one: LEFT JOIN workers w ON w.name = s.owner.
const slotDueAt = "slot_due_at(s.owner, s.lease_until, s.next_at, w.lease_until)"

// slotHeld is the condition that a slot s is some worker's.
const slotHeld = "s.owner IS NOT NULL AND " + slotDueAt + " > now()"

// slotWanted is the condition that a slot s of a live l is to be held by somebody.
const slotWanted = `s.slot < l.replicas
		AND l.enabled
		AND (l.start_at IS NULL OR l.start_at <= now())
		AND (l.stop_at IS NULL OR l.stop_at > now())`

// freeSQL finds in free all slots for which slotDueAt may have passed, by nothing
// but the ends of indexes: most slots are held, or are due later. Those of one
// owner stand together, so that it is known by a few looks who holds any.
const freeSQL = `
RECURSIVE owners AS (
	SELECT min(owner) AS name FROM live_state WHERE owner IS NOT NULL
	UNION ALL
	SELECT (SELECT min(s.owner) FROM live_state s WHERE s.owner > o.name) FROM owners o WHERE o.name IS NOT NULL
), silent AS (
	SELECT o.name FROM owners o LEFT JOIN workers w USING (name) WHERE w.lease_until IS NULL OR w.lease_until <= now()
), free AS (
	SELECT live, slot FROM live_state WHERE owner IS NULL AND next_at <= now()
	UNION ALL
	SELECT live, slot FROM live_state WHERE lease_until < 'infinity' AND lease_until <= now()
	UNION ALL
	SELECT s.live, s.slot FROM silent JOIN live_state s ON s.owner = silent.name WHERE s.lease_until = 'infinity'
)`

// claimedHistory is what is known of the broadcasts of a row t that is taken. One
// began between two looks at its room; when they are far apart, it is not known
// when.
const claimedHistory = `
	SELECT coalesce(array_agg(b.off_air_at + (b.first_seen - b.off_air_at) / 2)
			FILTER (WHERE b.first_seen - b.off_air_at < interval '15 minutes'), '{}') AS starts,
		max(b.ended_at) AS ended,
		coalesce(max(b.first_seen) FILTER (WHERE b.ended_at IS NULL) = max(b.first_seen), false) AS on_air
	FROM broadcasts b WHERE b.live = t.live AND b.first_seen > now() - $3::interval`

// A row that somebody is editing or claiming is left for the next time. The row
// of lives is locked too: a claim that reads it just before an edit is committed
// would keep the old endpoint, and nobody would notice.
//
// So is the registration of a worker whose slots are taken because it has gone
// silent: its lease is not renewed in the middle of that, and whatever it renews
// after that sees what was taken. One that renews it just now keeps its slots.
//
// Of one live only the lowest slot that is due is taken, and none when this
// worker has another one: two replicas are two workers.
//
// Ten workers may claim at once, and Postgres looks again at each row that another
// one has changed meanwhile, by running what chooses and locks it for that row
// alone: so that is kept apart from the finding, and compares what it saw.
const claimSQL = `
WITH ` + freeSQL + `, dead AS MATERIALIZED (
	SELECT name FROM workers WHERE lease_until <= now() FOR SHARE SKIP LOCKED
), due AS MATERIALIZED (
	SELECT s.live, s.slot, s.epoch, s.owner, s.lease_until, s.next_at
	FROM free f JOIN live_state s ON s.live = f.live AND s.slot = f.slot
	LEFT JOIN workers w ON w.name = s.owner
	WHERE ` + slotDueAt + ` <= now() - $4::interval
		AND (w.name IS NULL OR s.lease_until < 'infinity' OR w.name IN (SELECT name FROM dead))
		AND s.live NOT IN (SELECT unnest($5::bigint[]))
		AND NOT EXISTS (
			SELECT FROM live_state o LEFT JOIN workers ow ON ow.name = o.owner
			WHERE o.live = s.live AND o.slot <> s.slot AND (
				o.owner = $2 OR o.successor = $2 AND o.successor_until > now()
				OR o.slot < s.slot AND slot_due_at(o.owner, o.lease_until, o.next_at, ow.lease_until) <= now()
			)
		)
		AND EXISTS (SELECT FROM workers WHERE name = $2 AND instance = $6 AND lease_until > now())
), taken AS (
	SELECT d.live, d.slot, d.epoch, d.owner AS silent, l.live_id, l.endpoint
	FROM due d JOIN lives l ON l.id = d.live JOIN live_state s ON s.live = d.live AND s.slot = d.slot
	WHERE (s.epoch, s.owner, s.lease_until, s.next_at) IS NOT DISTINCT FROM (d.epoch, d.owner, d.lease_until, d.next_at) AND ` + slotWanted + `
	ORDER BY l.priority DESC, d.next_at, d.live, d.slot
	LIMIT $1
	FOR UPDATE OF s SKIP LOCKED
	FOR SHARE OF l SKIP LOCKED
)
UPDATE live_state s
SET owner = $2, lease_until = 'infinity', epoch = s.epoch + 1, changed = false, updated_at = now(),
	offered = false, successor = NULL, successor_until = NULL,
	-- What a worker that has gone silent said last is not so any more.
	state = CASE WHEN t.silent IS NULL THEN s.state ELSE 'queued' END,
	reason = CASE WHEN t.silent IS NULL THEN s.reason ELSE format('taken over from worker %s', t.silent) END,
	since = CASE WHEN t.silent IS NULL THEN s.since ELSE now() END
FROM taken t CROSS JOIN LATERAL (` + claimedHistory + `) h
WHERE s.live = t.live AND s.slot = t.slot AND s.epoch = t.epoch
RETURNING s.live, t.live_id, t.endpoint, s.epoch, h.starts, h.ended, h.on_air`

// Claims say which slots a worker asks for.
type Claims struct {
	// Limit is how many slots it takes at most.
	Limit int
	// DueFor is for how long they must have been due.
	DueFor time.Duration
	// Except are the IDs of lives of which it has a slot already, also those
	// that it is about to give back.
	Except []int64
}

// Claim takes slots that are due and that nobody holds, those with the highest
// priority first. They are held by the worker's lease: trust them for as long as
// Register or Renew said last. A worker that is not registered gets none.
func (l *Lives) Claim(ctx context.Context, c Claims) ([]Live, error) {
	if c.Limit <= 0 {
		return nil, nil
	}
	return l.lives(ctx, "claiming lives", claimSQL, c.Limit, l.worker, historyDays*day, c.DueFor, notNil(c.Except), l.instance)
}

// lives runs a statement that answers what scanLive reads.
func (l *Lives) lives(ctx context.Context, doing, sql string, args ...any) (lives []Live, err error) {
	err = l.call(ctx, doing, func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		lives, err = pgx.CollectRows(rows, scanLive)
		return err
	})
	return lives, err
}

// notNil is ids as Postgres takes them: NULL is no array.
func notNil(ids []int64) []int64 {
	if ids == nil {
		return []int64{}
	}
	return ids
}

func scanLive(row pgx.CollectableRow) (Live, error) {
	var (
		live     Live
		endpoint []byte
		ended    *time.Time
	)
	history := &live.Habits
	if err := row.Scan(&live.ID, &live.Text, &endpoint, &live.Epoch, &history.Starts, &ended, &history.OnAir); err != nil {
		return Live{}, err
	}
	if ended != nil {
		history.Ended = *ended
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
