-- +goose NO TRANSACTION
-- +goose Up

-- Nothing that was sent is left out because it has no column: the rest of each
-- message is kept as it came. Rows from before have none; a replay of their frames
-- adds it. A view has the columns that its table had when it was made, so the views
-- are made anew; that of comments in the next migration.
-- +goose StatementBegin
ALTER TABLE room_events COMMENT COLUMN part 'The field''s name for the parts of an action signal (510), envelope for what the message around a payload said, otherwise empty.'
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE comments
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER segments
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE combo_comments
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER combo_count
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE gifts
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER sort_rank
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE likes
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER sort_rank
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE shares
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER sort_rank
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE notices
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER sort_rank
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE room_stats
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER push_interval
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE viewers
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER ks_coin_exact
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE entries
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER extra_info
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE rankings
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER display_user_name
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE fan_joins
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER join_source
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE red_packs
    ADD COLUMN IF NOT EXISTS other_fields String COMMENT 'What else was sent, as JSON, fields that are not known as "?<number>"; empty when nothing was.' CODEC(ZSTD(1)) AFTER cover_type
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW combo_comments_unique AS
SELECT * FROM combo_comments FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table combo_comments with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW gifts_unique AS
SELECT * FROM gifts FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table gifts with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW likes_unique AS
SELECT * FROM likes FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table likes with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW shares_unique AS
SELECT * FROM shares FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table shares with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW notices_unique AS
SELECT * FROM notices FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table notices with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW room_stats_unique AS
SELECT * FROM room_stats FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table room_stats with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW viewers_unique AS
SELECT * FROM viewers FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table viewers with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW entries_unique AS
SELECT * FROM entries FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table entries with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW rankings_unique AS
SELECT * FROM rankings FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table rankings with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW fan_joins_unique AS
SELECT * FROM fan_joins FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table fan_joins with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE VIEW red_packs_unique AS
SELECT * FROM red_packs FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table red_packs with each event once, whatever retries, replicas and replays inserted.'
-- +goose StatementEnd
