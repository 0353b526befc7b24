-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS undecoded
(
    live_id           LowCardinality(String) COMMENT 'The room: the author''s principalId, as in the Postgres table lives.' CODEC(ZSTD(1)),
    live_stream_id    String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    event_time        DateTime64(3, 'UTC')   COMMENT 'When it happened, to the millisecond.' CODEC(Delta, ZSTD(1)),
    event_time_source LowCardinality(String) COMMENT 'The clock event_time was read from: feed, envelope or received.' CODEC(ZSTD(1)),
    received_at       DateTime64(3, 'UTC')   COMMENT 'When a worker read the frame.' CODEC(Delta, ZSTD(1)),
    event_id          UInt64                 COMMENT 'The same for the same event, whoever received it and whenever. A hash: it does not compress.' CODEC(NONE),
    payload_type      UInt32                 COMMENT 'Number of the payload type.' CODEC(ZSTD(1)),
    payload_type_name LowCardinality(String) COMMENT 'Its name, when it is known.' CODEC(ZSTD(1)),
    part              LowCardinality(String) COMMENT 'The field it stood in, when it was not the whole message.' CODEC(ZSTD(1)),
    payload           String                 COMMENT 'The bytes, uncompressed; not text.' CODEC(ZSTD(1)),
    error             String                 COMMENT 'Why it was not decoded.' CODEC(ZSTD(1)),
    inserted_at       DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When the row was inserted: of two rows with the same key the later one stays.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
PARTITION BY toYYYYMM(event_time)
ORDER BY (live_id, event_time, event_id)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'What could not be decoded, raw: unknown payload types and broken messages. After a protocol change the rows to make good are here. Read it with FINAL, or a row that was sent or replayed twice may count twice.'
-- +goose StatementEnd
