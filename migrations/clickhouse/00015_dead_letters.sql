-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS dead_letters
(
    inserted_at  DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When it was given up.' CODEC(Delta, ZSTD(1)),
    table_name   LowCardinality(String) COMMENT 'The table the row was for.' CODEC(ZSTD(1)),
    token        String                 COMMENT 'The insert that it was refused in: <spool ID>/<segment>/<table>, and the part of it.' CODEC(ZSTD(1)),
    frame_offset Int64                  COMMENT 'Where the frame''s record begins in the segment.' CODEC(ZSTD(1)),
    error_code   Int32                  COMMENT 'ClickHouse''s error code.' CODEC(ZSTD(1)),
    error        String                 COMMENT 'What ClickHouse said.' CODEC(ZSTD(1)),
    row          String                 COMMENT 'The row as JSON.' CODEC(ZSTD(1)),
    frame        String                 COMMENT 'The frame''s record, raw: enough to decode it again.' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(inserted_at)
ORDER BY (table_name, inserted_at, token, frame_offset)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Rows that ClickHouse would not take, with the reason and the raw frame. Should stay empty.'
-- +goose StatementEnd
