-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS rankings
(
    live_id           LowCardinality(String) COMMENT 'The room: the author''s principalId, as in the Postgres table lives.' CODEC(ZSTD(1)),
    live_stream_id    String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    event_time        DateTime64(3, 'UTC')   COMMENT 'When it happened, to the millisecond.' CODEC(Delta, ZSTD(1)),
    event_time_source LowCardinality(String) COMMENT 'The clock event_time was read from: feed, envelope or received.' CODEC(ZSTD(1)),
    received_at       DateTime64(3, 'UTC')   COMMENT 'When a worker read the frame.' CODEC(Delta, ZSTD(1)),
    event_id          UInt64                 COMMENT 'The same for the same event, whoever received it and whenever. A hash: it does not compress.' CODEC(NONE),
    id                String                 COMMENT 'The feed''s own ID; empty on the socket.' CODEC(ZSTD(1)),
    notice_text       String                 COMMENT 'The line shown.' CODEC(ZSTD(1)),
    need_fold         Bool                   COMMENT 'Shown folded.' CODEC(ZSTD(1)),
    display_user_name String                 COMMENT 'Who, as shown.' CODEC(ZSTD(1)),
    inserted_at       DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When the row was inserted: of two rows with the same key the later one stays.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
PARTITION BY toYYYYMM(event_time)
ORDER BY (live_id, event_time, event_id)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Viewers who rose in the list of viewers. Read it with FINAL, or a row that was sent or replayed twice may count twice.'
-- +goose StatementEnd
