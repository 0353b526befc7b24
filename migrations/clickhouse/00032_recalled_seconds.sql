-- +goose NO TRANSACTION
-- +goose Up

-- A room whose comments are recalled counts as heard, although nothing else of it
-- is: recalled_seconds are those in which no socket heard it.
-- +goose StatementBegin
CREATE OR REPLACE VIEW coverage_spans AS
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
    code, via, frames, bytes, unknown_payloads,
    multiIf(
        cause = 'unwanted', 'unwanted',
        state IN ('ended', 'offline', 'finished', 'not_found', 'banned', 'invalid'), 'off',
        heard, 'on',
        '') AS verdict
FROM coverage FINAL
COMMENT 'Each attempt of the table coverage as a span of time in which the room was heard, or a point in time. What the views gaps and coverage_by_live are made of.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE VIEW coverage_by_live AS
SELECT
    live_id, first_heard, last_heard, heard_seconds,
    greatest(0, heard_seconds - socket_seconds) AS recalled_seconds,
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
        sumIf(greatest(0, dateDiff('millisecond', greatest(span_start, covered_by_socket), span_end)), via != 'recall') / 1000 AS socket_seconds,
        uniqExactIf(live_stream_id, heard) AS broadcasts,
        countIf(heard) AS sessions,
        sum(frames) AS frames, sum(bytes) AS bytes, sum(unknown_payloads) AS unknown_payloads
    FROM
    (
        SELECT *, max(span_end) OVER before AS covered, maxIf(span_end, via != 'recall') OVER before AS covered_by_socket
        FROM coverage_spans
        WINDOW before AS (PARTITION BY live_id ORDER BY span_start, span_end, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    GROUP BY live_id
) AS spans
LEFT JOIN
(
    SELECT live_id, sumIf(seconds, on_air = 'known') AS gap_seconds, sumIf(seconds, on_air = 'unknown') AS unknown_seconds
    FROM gaps GROUP BY live_id
) AS gaps USING (live_id)
COMMENT 'How much of each live was heard: share is heard_seconds of all seconds known to be on air, NULL when it never was. In recalled_seconds of these comments alone were heard, by polling their history. Frames and bytes are those of all workers.'
-- +goose StatementEnd
