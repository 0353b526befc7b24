-- +goose NO TRANSACTION
-- +goose Up

-- What holds for the views: an attempt that was let in was heard from
-- connected_at until it ended, but only until its last frame when nothing came
-- after that (silent, no_ack) or nobody knows (its worker died: it has not ended,
-- and its record was not written for a minute). Any other is a point in time, at
-- which we learnt how it stands with the room.
--
-- A gap is what lies between such a span or point and the next, when none of
-- any worker covers it. It is described by the attempt that ended last, where a
-- worker that died was alive for up to 15 s longer than its record says. On air is
-- known from a connection until an attempt finds the author off air; and for
-- half a day at most after the last word, so that a room nobody asks for any
-- more does not stay on air for ever.
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS coverage_spans AS
SELECT
    live_id, live_stream_id, event_id, worker, epoch,
    connected_at IS NOT NULL AS heard,
    ended_at IS NULL AND received_at <= now64(3) - INTERVAL 60 SECOND AS orphaned,
    if(heard, assumeNotNull(connected_at), coalesce(ended_at, received_at)) AS span_start,
    greatest(span_start, multiIf(
        NOT heard, span_start,
        ended_at IS NULL AND NOT orphaned, now64(3),
        ended_at IS NULL OR cause IN ('silent', 'no_ack'), coalesce(last_frame_at, connected_at),
        ended_at)) AS span_end,
    if(orphaned, span_end + INTERVAL 15 SECOND, span_end) AS said_at,
    if(orphaned, 'lost', state) AS state,
    if(orphaned, 'worker_lost', cause) AS cause,
    if(orphaned, concat('worker ', worker, ' was not heard of any more'), reason) AS reason,
    code, frames, bytes, unknown_payloads,
    multiIf(
        cause = 'unwanted', 'unwanted',
        state IN ('ended', 'offline', 'finished', 'not_found', 'banned', 'invalid'), 'off',
        heard, 'on',
        '') AS verdict
FROM coverage FINAL
COMMENT 'Each attempt of the table coverage as a span of time in which the room was heard, or a point in time. What the views gaps and coverage_by_live are made of.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS gaps AS
SELECT
    live_id,
    last.1 AS live_stream_id,
    gap_start,
    if(next_start IS NULL AND until < gap_start + INTERVAL 12 HOUR, NULL, until) AS gap_end,
    dateDiff('millisecond', gap_start, until) / 1000 AS seconds,
    last.2 AS cause, last.3 AS state, last.4 AS reason, last.5 AS code, last.6 AS worker,
    if(known = 'on', 'known', 'unknown') AS on_air
FROM
(
    SELECT *, least(coalesce(next_start, now64(3)), gap_start + INTERVAL 12 HOUR) AS until
    FROM
    (
        SELECT
            live_id,
            max(span_end) OVER so_far AS gap_start,
            leadInFrame(toNullable(span_start), 1) OVER (PARTITION BY live_id ORDER BY span_start, span_end, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS next_start,
            argMax(tuple(live_stream_id, cause, state, reason, code, worker), tuple(said_at, span_start, event_id)) OVER so_far AS last,
            argMaxIf(verdict, tuple(said_at, span_start, event_id), verdict != '') OVER so_far AS known
        FROM coverage_spans
        WINDOW so_far AS (PARTITION BY live_id ORDER BY span_start, span_end, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
    )
)
WHERE until > gap_start AND known IN ('on', '')
COMMENT 'Times in which a live was on air, as far as is known, and nobody heard it, with the reason. gap_end is NULL while it lasts. on_air is unknown where we were refused before we ever knew.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS coverage_by_live AS
SELECT
    live_id, first_heard, last_heard, heard_seconds,
    coalesce(gap_seconds, 0) AS gap_seconds,
    coalesce(unknown_seconds, 0) AS unknown_seconds,
    if(heard_seconds + gap_seconds > 0, heard_seconds / (heard_seconds + gap_seconds), NULL) AS share,
    broadcasts, sessions, frames, bytes, unknown_payloads
FROM
(
    SELECT
        live_id,
        minIf(span_start, heard) AS first_heard,
        maxIf(span_end, heard) AS last_heard,
        sum(greatest(0, dateDiff('millisecond', greatest(span_start, covered), span_end))) / 1000 AS heard_seconds,
        uniqExactIf(live_stream_id, heard) AS broadcasts,
        countIf(heard) AS sessions,
        sum(frames) AS frames, sum(bytes) AS bytes, sum(unknown_payloads) AS unknown_payloads
    FROM
    (
        SELECT *, max(span_end) OVER (PARTITION BY live_id ORDER BY span_start, span_end, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS covered
        FROM coverage_spans
    )
    GROUP BY live_id
) AS spans
LEFT JOIN
(
    SELECT live_id, sumIf(seconds, on_air = 'known') AS gap_seconds, sumIf(seconds, on_air = 'unknown') AS unknown_seconds
    FROM gaps GROUP BY live_id
) AS gaps USING (live_id)
COMMENT 'How much of each live was heard: share is heard_seconds of all seconds known to be on air, NULL when it never was. Frames and bytes are those of all workers.'
-- +goose StatementEnd
