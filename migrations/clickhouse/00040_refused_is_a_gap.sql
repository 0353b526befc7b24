-- +goose NO TRANSACTION
-- +goose Up

-- Kicked out (606), banned from the room by its author (69101) or by region (67606)
-- is said of us: the broadcast goes on, and is not heard. The other codes of
-- banned are about the author, who is off air.
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
        state = 'banned' AND code IN (606, 67606, 69101), if(heard, 'on', ''),
        state IN ('ended', 'offline', 'finished', 'not_found', 'banned', 'invalid'), 'off',
        heard, 'on',
        '') AS verdict
FROM coverage FINAL
COMMENT 'Each attempt of the table coverage as a span of time in which the room was heard, or a point in time. What the views gaps and coverage_by_live are made of.'
-- +goose StatementEnd

-- A connection that only answered heartbeats was not heard.
-- +goose StatementBegin
ALTER TABLE coverage
    MODIFY COLUMN last_frame_at Nullable(DateTime64(3, 'UTC')) COMMENT 'When the last frame came, heartbeats'' answers included but where we hung up because nothing else came; NULL: none.' CODEC(ZSTD(1)),
    MODIFY COLUMN cause LowCardinality(String) COMMENT 'Why it ended: dial, no_ack, silent (nothing came, or nothing but heartbeats'' answers), too_big, closed, write, rejected, mute (only counters came), append (frames could not be kept), refused (the look-up), recalled (a socket takes over from recalling), unwanted (a person wants the room no more), lease_lost, handed_over, spool_full, stopping or left.' CODEC(ZSTD(1))
-- +goose StatementEnd
