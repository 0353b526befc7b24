-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS room_stats
(
    live_id                LowCardinality(String) COMMENT 'The room: the author''s principalId, as in the Postgres table lives.' CODEC(ZSTD(1)),
    live_stream_id         String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    event_time             DateTime64(3, 'UTC')   COMMENT 'When it happened, to the millisecond.' CODEC(Delta, ZSTD(1)),
    event_time_source      LowCardinality(String) COMMENT 'The clock event_time was read from: feed, envelope or received.' CODEC(ZSTD(1)),
    received_at            DateTime64(3, 'UTC')   COMMENT 'When a worker read the frame.' CODEC(Delta, ZSTD(1)),
    event_id               UInt64                 COMMENT 'The same for the same event, whoever received it and whenever. A hash: it does not compress.' CODEC(NONE),
    payload_type           LowCardinality(String) COMMENT 'The message that brought them, such as SC_FEED_PUSH.' CODEC(ZSTD(1)),
    display_watching_count LowCardinality(String) COMMENT 'Viewers now, as shown.' CODEC(ZSTD(1)),
    watching_count         UInt64                 COMMENT 'Viewers now.' CODEC(Delta, ZSTD(1)),
    watching_count_exact   Bool                   COMMENT 'Not rounded.' CODEC(ZSTD(1)),
    display_like_count     LowCardinality(String) COMMENT 'Likes so far, as shown.' CODEC(ZSTD(1)),
    like_count             UInt64                 COMMENT 'Likes so far.' CODEC(Delta, ZSTD(1)),
    like_count_exact       Bool                   COMMENT 'Not rounded.' CODEC(ZSTD(1)),
    pending_like_count     UInt64                 COMMENT 'Likes since the last message, for the animation.' CODEC(ZSTD(1)),
    push_interval          UInt64                 COMMENT 'Time between messages, in ms.' CODEC(ZSTD(1)),
    inserted_at            DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When the row was inserted: of two rows with the same key the later one stays.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
PARTITION BY toYYYYMM(event_time)
ORDER BY (live_id, event_time, event_id)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'The room''s counters: the text shown and the number it stands for. Where *_exact is false the number was rounded by Kuaishou (1.2万 is 12000). Read it with FINAL, or a row that was sent or replayed twice may count twice.'
-- +goose StatementEnd
