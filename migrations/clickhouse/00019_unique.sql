-- +goose NO TRANSACTION
-- +goose Up

-- A table may hold an event more than once until its parts are merged: two
-- workers watched the room, or it was replayed. These views read each event once
-- whatever was inserted. An event's time is part of its identity and decides its
-- partition, so partitions need not be compared with each other.
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS comments_unique AS
SELECT * FROM comments FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table comments with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS combo_comments_unique AS
SELECT * FROM combo_comments FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table combo_comments with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS gifts_unique AS
SELECT * FROM gifts FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table gifts with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS likes_unique AS
SELECT * FROM likes FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table likes with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS shares_unique AS
SELECT * FROM shares FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table shares with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS notices_unique AS
SELECT * FROM notices FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table notices with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS room_stats_unique AS
SELECT * FROM room_stats FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table room_stats with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS viewers_unique AS
SELECT * FROM viewers FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table viewers with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS entries_unique AS
SELECT * FROM entries FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table entries with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS rankings_unique AS
SELECT * FROM rankings FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table rankings with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS fan_joins_unique AS
SELECT * FROM fan_joins FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table fan_joins with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS red_packs_unique AS
SELECT * FROM red_packs FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table red_packs with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS room_events_unique AS
SELECT * FROM room_events FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table room_events with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS undecoded_unique AS
SELECT * FROM undecoded FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table undecoded with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
