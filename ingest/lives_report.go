package ingest

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// StateChange is what a room says of itself while it is held.
type StateChange struct {
	ID    int64
	Epoch int64
	Report
}

// A row that somebody has locked is left out, so that it holds up no other.
// Several workers may hear a broadcast at the same time: it is one row, and they
// lock such rows in the same order.
const reportSQL = `
WITH news AS (
	SELECT told.*, s.slot FROM live_state s
	JOIN unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $10::text[], $11::text[])
		AS told (live, epoch, state, reason, code, live_stream_id, author, title, via, account) USING (live, epoch)
	WHERE s.owner = $9
	ORDER BY s.live, s.slot
	FOR UPDATE OF s SKIP LOCKED
), told AS (
	UPDATE live_state s
	SET state = n.state, reason = n.reason, code = n.code, via = n.via, account = n.account,
		live_stream_id = coalesce(nullif(n.live_stream_id, ''), s.live_stream_id),
		author = coalesce(nullif(n.author, ''), s.author),
		title = coalesce(nullif(n.title, ''), s.title),
		since = CASE WHEN s.state = n.state THEN s.since ELSE now() END,
		updated_at = now()
	FROM news n WHERE s.live = n.live AND s.slot = n.slot
	RETURNING s.live, s.state, s.live_stream_id
), heard AS (
	INSERT INTO broadcasts AS b (live, live_stream_id, off_air_at)
	SELECT t.live, t.live_stream_id, (SELECT max(o.off_air_at) FROM live_state o WHERE o.live = t.live)
	FROM told t WHERE t.state IN ('live', 'recall') AND t.live_stream_id <> '' ORDER BY t.live
	ON CONFLICT (live, live_stream_id) DO UPDATE SET last_seen = now(), ended_at = NULL
), old AS (
	SELECT b.live, b.live_stream_id FROM broadcasts b JOIN told t ON t.live = b.live
	WHERE t.state IN ('live', 'recall') AND b.live_stream_id <> t.live_stream_id AND b.first_seen < now() - interval '90 days'
	FOR UPDATE OF b SKIP LOCKED
), forgotten AS (
	DELETE FROM broadcasts b USING old WHERE b.live = old.live AND b.live_stream_id = old.live_stream_id
)
SELECT live FROM told`

// Report writes the states of rooms. Of several changes of one row the last
// counts; those of rows that this worker does not hold any more do not. A row
// that somebody is just deleting or giving another endpoint keeps its old state:
// its room is about to be left.
func (l *Lives) Report(ctx context.Context, changes []StateChange) error {
	news := make(map[int64]StateChange, len(changes))
	for _, change := range changes {
		news[change.ID] = change
	}
	return l.call(ctx, "writing the states of lives", func(ctx context.Context) error {
		if err := l.report(ctx, news); err != nil || len(news) == 0 {
			return err
		}
		if !sleep(ctx, busyPause) {
			return ctx.Err()
		}
		err := l.report(ctx, news)
		for _, change := range news {
			l.logger.Debug("state not written: the row is locked, or not held any more", "live", change.ID, "state", change.State)
		}
		return err
	})
}

// report writes news, and takes out of it what was written.
func (l *Lives) report(ctx context.Context, news map[int64]StateChange) error {
	var (
		ids, epochs                               []int64
		codes                                     []int32
		states, reasons, streams, authors, titles []string
		vias, accounts                            []string
	)
	for id, change := range news {
		ids, epochs, codes = append(ids, id), append(epochs, change.Epoch), append(codes, int32(change.Code))
		states, reasons = append(states, string(change.State)), append(reasons, storable(change.Reason))
		streams = append(streams, storable(change.LiveStreamID))
		authors, titles = append(authors, storable(change.Author)), append(titles, storable(change.Title))
		vias, accounts = append(vias, change.Via), append(accounts, storable(change.Account))
	}
	rows, err := l.pool.Query(ctx, reportSQL, ids, epochs, states, reasons, codes, streams, authors, titles, l.worker, vias, accounts)
	if err != nil {
		return err
	}
	written, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	for _, id := range written {
		delete(news, id)
	}
	return err
}

// maxText bounds a text in live_state, in bytes.
const maxText = 1000

// textForPostgres is text as Postgres takes it: UTF-8 and without NUL.
func textForPostgres(text string) string {
	return strings.ReplaceAll(validText(text), "\x00", "")
}

// storable is valid text that is not endless. Names and titles are what
// strangers typed.
func storable(text string) string {
	text = textForPostgres(text)
	if len(text) <= maxText {
		return text
	}
	end := maxText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}

// The row of lives is locked: if an edit were committed between reading it and
// giving the row back, a room enabled just now would never be due again. A live
// that is not followed is over for all its workers when it is for one: the
// others find it off air only. A broadcast that another worker hears is not over.
const releaseSQL = `
WITH l AS (
	SELECT id, enabled, follow, replicas, start_at, stop_at FROM lives WHERE id = $1 FOR SHARE
), given AS (
	SELECT s.live, s.slot, s.slot >= l.replicas AS excess,
		NOT l.follow AND NOT s.changed AND ($4 = 'ended' OR $4 = 'offline' AND EXISTS (
			SELECT FROM live_state o WHERE o.live = s.live AND o.slot <> s.slot AND o.state = 'finished'
		)) AS finished,
		coalesce(nullif($8, ''), s.live_stream_id) AS live_stream_id,
		$4 IN ('offline', 'ended') AS off_air, $4 = 'ended' OR s.state IN ('live', 'recall') AS heard,
		live_next_at(now() + CASE WHEN s.changed THEN interval '0' ELSE $6::interval END, l.enabled, l.start_at, l.stop_at) AS next_at
	FROM l JOIN live_state s ON s.live = l.id
	WHERE s.epoch = $2 AND s.owner = $3
	FOR UPDATE OF s
), broadcast AS (
	UPDATE broadcasts b
	SET last_seen = CASE WHEN g.heard THEN now() ELSE b.last_seen END,
		ended_at = CASE WHEN g.off_air AND NOT EXISTS (
			SELECT FROM live_state o WHERE o.live = g.live AND o.slot <> g.slot AND o.state IN ('live', 'recall') AND o.lease_until > now()
		) THEN now() END
	FROM given g WHERE b.live = g.live AND b.live_stream_id = g.live_stream_id AND b.ended_at IS NULL
), dropped AS (
	DELETE FROM live_state s USING given g WHERE s.live = g.live AND s.slot = g.slot AND g.excess
)
UPDATE live_state s
SET owner = NULL, lease_until = NULL, changed = false, offered = false, successor = NULL, successor_until = NULL,
	next_at = CASE WHEN g.finished THEN 'infinity' ELSE g.next_at END,
	state = CASE WHEN g.finished THEN 'finished' ELSE $4 END,
	since = CASE WHEN s.state = $4 THEN s.since ELSE now() END,
	reason = $5, code = $7, via = $11, account = $12,
	off_air_at = CASE WHEN g.off_air THEN now() ELSE s.off_air_at END,
	live_stream_id = g.live_stream_id,
	author = coalesce(nullif($9, ''), s.author),
	title = coalesce(nullif($10, ''), s.title),
	updated_at = now()
FROM given g WHERE s.live = g.live AND s.slot = g.slot AND NOT g.excess`

// Release gives a row back with the room's last report: it is due again after
// last.RetryAfter, or never when the live has ended and is not to be followed.
// It does nothing when this worker does not hold the row any more.
func (l *Lives) Release(ctx context.Context, id, epoch int64, last Report) error {
	return l.call(ctx, "releasing a live", func(ctx context.Context) error {
		_, err := l.pool.Exec(ctx, releaseSQL, id, epoch, l.worker, string(last.State), storable(last.Reason), last.RetryAfter, last.Code,
			storable(last.LiveStreamID), storable(last.Author), storable(last.Title), last.Via, storable(last.Account))
		return err
	})
}

// Another process may have taken the name; then the rows are its own.
const releaseAllSQL = `
WITH mine AS (
	SELECT live, slot FROM live_state
	WHERE owner = $1 AND EXISTS (SELECT FROM workers WHERE name = $1 AND instance = $2)
	ORDER BY live, slot FOR UPDATE SKIP LOCKED
)
UPDATE live_state s
SET owner = NULL, lease_until = NULL, changed = false, offered = false, successor = NULL, successor_until = NULL, next_at = now(),
	state = 'queued', reason = 'its worker has stopped', code = 0, since = now(), updated_at = now()
FROM mine WHERE s.live = mine.live AND s.slot = mine.slot`

// ReleaseAll gives back whatever this worker still holds, due at once. Rows that
// somebody has locked come free when their leases end.
func (l *Lives) ReleaseAll(ctx context.Context) error {
	return l.call(ctx, "releasing all lives", func(ctx context.Context) error {
		_, err := l.pool.Exec(ctx, releaseAllSQL, l.worker, l.instance)
		return err
	})
}
