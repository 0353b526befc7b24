-- +goose NO TRANSACTION
-- +goose Up

-- Which frame a row is from. A replay of that frame finds by it the rows that it
-- does not produce any more; the index on received_at is what keeps that look-up
-- from reading whole tables. Rows from before have 0 in both columns.
-- +goose StatementBegin
ALTER TABLE comments
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE combo_comments
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE gifts
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE likes
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE shares
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE notices
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE room_stats
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE viewers
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE entries
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE rankings
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE fan_joins
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE red_packs
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE room_events
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE undecoded
    ADD COLUMN IF NOT EXISTS session_id UInt64 COMMENT 'The connection that the frame came over: coverage.event_id.' CODEC(ZSTD(1)) AFTER event_id,
    ADD COLUMN IF NOT EXISTS frame_number UInt32 COMMENT 'Which frame of the session the row is from, counted from 1.' CODEC(Delta, ZSTD(1)) AFTER session_id,
    ADD INDEX IF NOT EXISTS received_at_index received_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
