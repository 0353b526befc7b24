-- +goose NO TRANSACTION
-- +goose Up

-- Before the first minutes of a broadcast nothing was usual, so that they were peaks
-- although all that followed were like them.
-- +goose StatementBegin
CREATE OR REPLACE VIEW comment_peaks AS
SELECT live_id, live_stream_id, minute, comments, chatters, usual
FROM
(
    SELECT
        live_id, live_stream_id, minute, comments, chatters,
        -- The ten minutes before; minutes without comments count.
        sum(comments) OVER (PARTITION BY live_id, live_stream_id ORDER BY toUnixTimestamp(minute) RANGE BETWEEN 600 PRECEDING AND 60 PRECEDING) / 10 AS usual,
        max(comments) OVER (PARTITION BY live_id, live_stream_id ORDER BY toUnixTimestamp(minute) RANGE BETWEEN 120 PRECEDING AND 120 FOLLOWING) AS highest,
        quantileExact(0.5)(comments) OVER (PARTITION BY live_id, live_stream_id) AS half
    FROM comments_by_minute
)
WHERE comments = highest AND comments >= 10 AND comments >= 2 * usual AND comments >= 3 * half
COMMENT 'Minutes with at least ten comments, three times as many as in half of the broadcast''s minutes that have any, twice as many as were usual in the ten minutes before, and no fewer than in the two minutes on either side. Example: SELECT minute, comments, usual FROM comment_peaks WHERE live_id = ''3xabcdefgh23456'' ORDER BY minute DESC'
-- +goose StatementEnd
