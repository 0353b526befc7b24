package ingest

import (
	"context"
	"maps"
	"slices"
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

// Report writes the states of rooms, and returns those that were not written:
// the row is locked just now, perhaps by a person who deletes it or gives it
// another endpoint, or this worker does not hold it any more. Of several changes
// of one row the last counts.
func (l *Lives) Report(ctx context.Context, changes []StateChange) (unwritten []StateChange, err error) {
	news := make(map[int64]StateChange, len(changes))
	for _, change := range changes {
		news[change.ID] = change
	}
	err = l.call(ctx, "writing the states of lives", func(ctx context.Context) error {
		written, err := l.report(ctx, news)
		for _, id := range written {
			delete(news, id)
		}
		return err
	})
	return slices.Collect(maps.Values(news)), err
}

// report writes news, and returns the rows that were written.
func (l *Lives) report(ctx context.Context, news map[int64]StateChange) (written []int64, err error) {
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
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
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
