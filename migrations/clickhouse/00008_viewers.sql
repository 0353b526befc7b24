-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS viewers
(
    live_id             LowCardinality(String) COMMENT 'The room: the author''s principalId, as in the Postgres table lives.' CODEC(ZSTD(1)),
    live_stream_id      String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    event_time          DateTime64(3, 'UTC')   COMMENT 'When it happened, to the millisecond.' CODEC(Delta, ZSTD(1)),
    event_time_source   LowCardinality(String) COMMENT 'The clock event_time was read from: feed, envelope or received.' CODEC(ZSTD(1)),
    received_at         DateTime64(3, 'UTC')   COMMENT 'When a worker read the frame.' CODEC(Delta, ZSTD(1)),
    event_id            UInt64                 COMMENT 'The same for the same event, whoever received it and whenever. A hash: it does not compress.' CODEC(NONE),
    user_id             String                 COMMENT 'Who: the principalId, or the numeric ID in decimal where only that was sent.' CODEC(ZSTD(1)),
    origin_user_id      UInt64                 COMMENT 'The numeric user ID, 0 when it was not sent.' CODEC(ZSTD(1)),
    user_name           String                 COMMENT 'The name as it was shown.' CODEC(ZSTD(1)),
    head_url            String                 COMMENT 'Address of the portrait.' CODEC(ZSTD(1)),
    mystery             Bool                   COMMENT 'An anonymous viewer.' CODEC(ZSTD(1)),
    position            UInt32                 COMMENT 'Place in the list, from 1.' CODEC(ZSTD(1)),
    offline             Bool                   COMMENT 'Has left.' CODEC(ZSTD(1)),
    tuhao               Bool                   COMMENT 'Marked as a big spender.' CODEC(ZSTD(1)),
    live_assistant_type LowCardinality(String) COMMENT 'Moderator: super, junior or empty.' CODEC(ZSTD(1)),
    display_ks_coin     LowCardinality(String) COMMENT '快币 spent, as shown.' CODEC(ZSTD(1)),
    ks_coin             UInt64                 COMMENT '快币 spent.' CODEC(Delta, ZSTD(1)),
    ks_coin_exact       Bool                   COMMENT 'Not rounded.' CODEC(ZSTD(1)),
    inserted_at         DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When the row was inserted: of two rows with the same key the later one stays.' CODEC(Delta, ZSTD(1)),
    INDEX user_id_index user_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
PARTITION BY toYYYYMM(event_time)
ORDER BY (live_id, event_time, event_id)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'The list of viewers: the top spenders among those watching, not all. One row a line of the list, as often as the list was sent. Read it with FINAL, or a row that was sent or replayed twice may count twice.'
-- +goose StatementEnd
