-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS likes
(
    live_id                        LowCardinality(String) COMMENT 'The room: the author''s principalId, as in the Postgres table lives.' CODEC(ZSTD(1)),
    live_stream_id                 String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    event_time                     DateTime64(3, 'UTC')   COMMENT 'When it happened, to the millisecond.' CODEC(Delta, ZSTD(1)),
    event_time_source              LowCardinality(String) COMMENT 'The clock event_time was read from: feed, envelope or received.' CODEC(ZSTD(1)),
    received_at                    DateTime64(3, 'UTC')   COMMENT 'When a worker read the frame.' CODEC(Delta, ZSTD(1)),
    event_id                       UInt64                 COMMENT 'The same for the same event, whoever received it and whenever. A hash: it does not compress.' CODEC(NONE),
    user_id                        String                 COMMENT 'Who: the principalId, or the numeric ID in decimal where only that was sent.' CODEC(ZSTD(1)),
    origin_user_id                 UInt64                 COMMENT 'The numeric user ID, 0 when it was not sent.' CODEC(ZSTD(1)),
    user_name                      String                 COMMENT 'The name as it was shown.' CODEC(ZSTD(1)),
    head_url                       String                 COMMENT 'Address of the portrait.' CODEC(ZSTD(1)),
    mystery                        Bool                   COMMENT 'An anonymous viewer.' CODEC(ZSTD(1)),
    fans_group_intimacy_level      UInt32                 COMMENT 'Fan-club level.' CODEC(ZSTD(1)),
    live_fans_group_intimacy_level UInt32                 COMMENT 'Fan-club level in this live.' CODEC(ZSTD(1)),
    wealth_grade                   UInt32                 COMMENT 'Spending grade.' CODEC(ZSTD(1)),
    audience_rank                  UInt32                 COMMENT 'Rank among the audience.' CODEC(ZSTD(1)),
    assistant_type                 LowCardinality(String) COMMENT 'Moderator: super, junior or empty.' CODEC(ZSTD(1)),
    fans_badge                     LowCardinality(String) COMMENT 'The fan club''s name on the viewer''s badge.' CODEC(ZSTD(1)),
    id                             String                 COMMENT 'The feed''s own ID; empty on the socket.' CODEC(ZSTD(1)),
    device_hash                    String                 COMMENT 'Hash of the sender''s device: stable for a device, not unique.' CODEC(ZSTD(1)),
    sort_rank                      UInt64                 COMMENT 'The feed''s place in the list, 0 when it was not sent.' CODEC(Delta, ZSTD(1)),
    inserted_at                    DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When the row was inserted: of two rows with the same key the later one stays.' CODEC(Delta, ZSTD(1)),
    INDEX user_id_index user_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(inserted_at)
PARTITION BY toYYYYMM(event_time)
ORDER BY (live_id, event_time, event_id)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'First likes: one row a viewer and live. Repeated likes are not sent; totals are in room_stats. Read it with FINAL, or a row that was sent or replayed twice may count twice.'
-- +goose StatementEnd
