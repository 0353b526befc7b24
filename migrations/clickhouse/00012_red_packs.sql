-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS red_packs
(
    live_id               LowCardinality(String) COMMENT 'The room: the author''s principalId, as in the Postgres table lives.' CODEC(ZSTD(1)),
    live_stream_id        String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    event_time            DateTime64(3, 'UTC')   COMMENT 'When it happened, to the millisecond.' CODEC(Delta, ZSTD(1)),
    event_time_source     LowCardinality(String) COMMENT 'The clock event_time was read from: feed, envelope or received.' CODEC(ZSTD(1)),
    received_at           DateTime64(3, 'UTC')   COMMENT 'When a worker read the frame.' CODEC(Delta, ZSTD(1)),
    event_id              UInt64                 COMMENT 'The same for the same event, whoever received it and whenever. A hash: it does not compress.' CODEC(NONE),
    user_id               String                 COMMENT 'Who: the principalId, or the numeric ID in decimal where only that was sent.' CODEC(ZSTD(1)),
    origin_user_id        UInt64                 COMMENT 'The numeric user ID, 0 when it was not sent.' CODEC(ZSTD(1)),
    user_name             String                 COMMENT 'The name as it was shown.' CODEC(ZSTD(1)),
    head_url              String                 COMMENT 'Address of the portrait.' CODEC(ZSTD(1)),
    mystery               Bool                   COMMENT 'An anonymous viewer.' CODEC(ZSTD(1)),
    id                    String                 COMMENT 'The packet.' CODEC(ZSTD(1)),
    balance               UInt64                 COMMENT 'What is in it, in 快币.' CODEC(ZSTD(1)),
    open_time             DateTime64(3, 'UTC')   COMMENT 'When it can be opened.' CODEC(Delta, ZSTD(1)),
    current_time          DateTime64(3, 'UTC')   COMMENT 'Kuaishou''s clock when it was announced.' CODEC(Delta, ZSTD(1)),
    grab_token            String                 COMMENT 'Token for opening it.' CODEC(ZSTD(1)),
    need_send_request     Bool                   COMMENT 'Opening takes a request.' CODEC(ZSTD(1)),
    request_delay_millis  UInt64                 COMMENT 'Wait before that request, in ms.' CODEC(ZSTD(1)),
    luckiest_delay_millis UInt64                 COMMENT 'Wait before the luckiest is named, in ms.' CODEC(ZSTD(1)),
    cover_type            LowCardinality(String) COMMENT 'normal, pretty or empty.' CODEC(ZSTD(1)),
    inserted_at           DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When the row was inserted: of two rows with the same key the later one stays.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
PARTITION BY toYYYYMM(event_time)
ORDER BY (live_id, event_time, event_id)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Red packets on offer; the user is the giver. One row each time it was announced, so the same id can come more than once. Read it with FINAL, or a row that was sent or replayed twice may count twice.'
-- +goose StatementEnd
