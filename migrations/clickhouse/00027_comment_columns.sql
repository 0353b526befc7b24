-- +goose NO TRANSACTION
-- +goose Up

-- What people write, and who, is most of what a comment costs on disk. The same
-- people write again and again in a room: in blocks of 2 MiB rather than of a
-- granule, ZSTD finds them again. A query of one room then unpacks at most a few
-- MiB more. In the rows of internal/seed a comment costs in bytes
--
--     event_id 8.0   content 5.0   user_name 4.2   user_id 3.2   device_hash 2.5
--     event_time, received_at, inserted_at 1.7 each   all else 3.0   index for searches 5.6   other indexes 0.3
--
-- which is 37 in all, where who writes in a room does so six times a month. Where it
-- is twice, it is 42, since names and IDs are found again less often; there the four
-- columns took 24.1 before and 19.6 now.
-- +goose StatementBegin
ALTER TABLE comments
    MODIFY COLUMN user_id CODEC(ZSTD(3)),
    MODIFY COLUMN user_name CODEC(ZSTD(3)),
    MODIFY COLUMN content CODEC(ZSTD(3)),
    MODIFY COLUMN device_hash CODEC(ZSTD(3))
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE comments MODIFY COLUMN user_id MODIFY SETTING min_compress_block_size = 2097152, max_compress_block_size = 4194304
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE comments MODIFY COLUMN user_name MODIFY SETTING min_compress_block_size = 2097152, max_compress_block_size = 4194304
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE comments MODIFY COLUMN content MODIFY SETTING min_compress_block_size = 2097152, max_compress_block_size = 4194304
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE comments MODIFY COLUMN device_hash MODIFY SETTING min_compress_block_size = 2097152, max_compress_block_size = 4194304
-- +goose StatementEnd

-- A broadcast's rows lie together, since a room has one after the other: the index
-- finds them without reading what else was in that room. It costs nothing to speak of.
-- +goose StatementBegin
ALTER TABLE comments ADD INDEX IF NOT EXISTS stream_index live_stream_id TYPE bloom_filter(0.01) GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE comments MATERIALIZE INDEX stream_index
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE gifts ADD INDEX IF NOT EXISTS stream_index live_stream_id TYPE bloom_filter(0.01) GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE gifts MATERIALIZE INDEX stream_index
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE room_stats ADD INDEX IF NOT EXISTS stream_index live_stream_id TYPE bloom_filter(0.01) GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE room_stats MATERIALIZE INDEX stream_index
-- +goose StatementEnd
