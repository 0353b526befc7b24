-- 00003_gifts.sql, in kslive_local
CREATE TABLE IF NOT EXISTS gifts ON CLUSTER 'production'
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
    time                           DateTime64(3, 'UTC')   COMMENT 'The feed''s own time; 1970-01-01 when it was not sent.' CODEC(Delta, ZSTD(1)),
    gift_id                        UInt32                 COMMENT 'Which gift.' CODEC(ZSTD(1)),
    gift_name                      LowCardinality(String) COMMENT 'Its name, when it was sent.' CODEC(ZSTD(1)),
    unit_price                     UInt32                 COMMENT 'Price of one in 快币 (10 are 1 CNY), 0 when it was not sent.' CODEC(ZSTD(1)),
    merge_key                      String                 COMMENT 'The combo: <numeric user ID>-<combo key>-<gift ID>-<batch size>.' CODEC(ZSTD(1)),
    batch_size                     UInt32                 COMMENT 'Gifts a send.' CODEC(ZSTD(1)),
    combo_count                    UInt32                 COMMENT 'Sends so far in this combo.' CODEC(ZSTD(1)),
    rank                           UInt32                 COMMENT 'Rank of the gift; unit price + 1 for a single one.' CODEC(ZSTD(1)),
    expire_duration                UInt64                 COMMENT 'How long the combo stays open, in ms.' CODEC(ZSTD(1)),
    client_timestamp               UInt64                 COMMENT 'The sender''s clock, Unix ms.' CODEC(Delta, ZSTD(1)),
    slot_display_duration          UInt64                 COMMENT 'How long it is shown, in ms.' CODEC(ZSTD(1)),
    star_level                     UInt32                 COMMENT 'Star level of the animation.' CODEC(ZSTD(1)),
    style_type                     LowCardinality(String) COMMENT 'Style of the animation: batch_star_0 to batch_star_6, or empty.' CODEC(ZSTD(1)),
    live_assistant_type            LowCardinality(String) COMMENT 'Moderator: super, junior or empty.' CODEC(ZSTD(1)),
    device_hash                    String                 COMMENT 'Hash of the sender''s device: stable for a device, not unique.' CODEC(ZSTD(1)),
    danmaku_display                Bool                   COMMENT 'Also shown as a flying comment.' CODEC(ZSTD(1)),
    sort_rank                      UInt64                 COMMENT 'The feed''s place in the list, 0 when it was not sent.' CODEC(Delta, ZSTD(1)),
    inserted_at                    DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When the row was inserted: of two rows with the same key the later one stays.' CODEC(Delta, ZSTD(1)),
    INDEX user_id_index user_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/gifts', '{replica}', inserted_at)
PARTITION BY toYYYYMM(event_time)
ORDER BY (live_id, event_time, event_id)
SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'Ticks of gift combos. combo_count is cumulative: the gifts of a combo are batch_size * max(combo_count) by merge_key, not a sum. Read it with FINAL, or a row that was sent or replayed twice may count twice.';
-- 00003_gifts.sql, in kslive
CREATE OR REPLACE TABLE gifts ON CLUSTER 'production' AS `kslive_local`.gifts ENGINE = Distributed('production', 'kslive_local', 'gifts', cityHash64(live_id)) COMMENT 'Ticks of gift combos.';

-- 00019_unique.sql, in kslive_local
CREATE VIEW IF NOT EXISTS gifts_unique ON CLUSTER 'production' AS
SELECT * FROM gifts FINAL SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table gifts with each event once, whatever retries, replicas and replays inserted.';
-- 00019_unique.sql, in kslive
CREATE OR REPLACE TABLE gifts_unique ON CLUSTER 'production' AS `kslive_local`.gifts_unique ENGINE = Distributed('production', 'kslive_local', 'gifts_unique', cityHash64(live_id)) COMMENT 'The table gifts with each event once.';

-- 00023_gift_catalogue.sql, in kslive_local
CREATE TABLE IF NOT EXISTS gift_catalogue ON CLUSTER 'production'
(
    gift_id        UInt32                 COMMENT 'Which gift. Names repeat, IDs do not.' CODEC(ZSTD(1)),
    seen_at        DateTime64(3, 'UTC')   COMMENT 'When the list was read that first said so.' CODEC(ZSTD(1)),
    source         LowCardinality(String) COMMENT 'The list: gift/all, gift-list or allgifts.' CODEC(ZSTD(1)),
    name           String                 COMMENT 'Its name.' CODEC(ZSTD(1)),
    type           UInt32                 COMMENT 'Kuaishou''s number for the kind of gift; those paid in a free currency have one of their own.' CODEC(ZSTD(1)),
    type_name      LowCardinality(String) COMMENT 'The same in words.' CODEC(ZSTD(1)),
    priced         Bool                   COMMENT 'The list has prices.' CODEC(ZSTD(1)),
    unit_price     UInt32                 COMMENT 'Price of one in 快币 (10 are 1 CNY); 0 for free ones.' CODEC(ZSTD(1)),
    virtual_price  UInt32                 COMMENT 'The price that is shown for gifts that are not paid in 快币.' CODEC(ZSTD(1)),
    max_batch_size UInt32                 COMMENT 'How many can be sent at once.' CODEC(ZSTD(1)),
    can_combo      Bool                   COMMENT 'Whether sends add up to a combo.' CODEC(ZSTD(1)),
    picture        String                 COMMENT 'Address of its picture as it was then; another address alone makes no row.' CODEC(ZSTD(1)),
    inserted_at    DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When the row was inserted: of two rows with the same key the later one stays.' CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/everywhere/{database}/gift_catalogue', '{shard}-{replica}', inserted_at)
ORDER BY (gift_id, seen_at, source)
SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 100
COMMENT 'What the lists of gifts said, with the history of prices. Read the view gift_prices to look one up.';
-- 00023_gift_catalogue.sql, in kslive
CREATE OR REPLACE TABLE gift_catalogue ON CLUSTER 'production' AS `kslive_local`.gift_catalogue ENGINE = Merge('kslive_local', '^gift_catalogue$') COMMENT 'What the lists of gifts said.';

-- 00025_broadcasts.sql, in kslive_local
CREATE VIEW IF NOT EXISTS moment ON CLUSTER 'production' AS
SELECT event_time, kind, user_name, text
FROM
(
    SELECT live_id, event_time, 'comment' AS kind, user_name, content AS text FROM comments_unique WHERE show_type != 'hidden'
    UNION ALL SELECT live_id, event_time, 'gift', user_name, concat(if(gift_name != '', gift_name, toString(gift_id)), ' ×', toString(gifts)) FROM gift_ticks WHERE gifts > 0
    UNION ALL SELECT live_id, event_time, 'entry', user_name, display_text FROM entries_unique
    UNION ALL SELECT live_id, event_time, 'share', user_name, '' FROM shares_unique
    UNION ALL SELECT live_id, event_time, 'notice', user_name, content FROM notices_unique
    UNION ALL SELECT live_id, event_time, 'event', payload_type, message FROM room_events_unique
)
WHERE live_id = {live:String} AND event_time > {at:DateTime64(3, 'UTC')} - toIntervalSecond({seconds:UInt32}) AND event_time <= {at:DateTime64(3, 'UTC')}
COMMENT 'What happened in a room in the seconds before a moment, such as a peak of comment_peaks. Example: SELECT * FROM moment(live = ''3xabcdefgh23456'', at = now64(3), seconds = 60) ORDER BY event_time';
-- 00025_broadcasts.sql, in kslive
CREATE VIEW IF NOT EXISTS moment ON CLUSTER 'production' AS
SELECT event_time, kind, user_name, text
FROM
(
    SELECT live_id, event_time, 'comment' AS kind, user_name, content AS text FROM comments_unique WHERE show_type != 'hidden'
    UNION ALL SELECT live_id, event_time, 'gift', user_name, concat(if(gift_name != '', gift_name, toString(gift_id)), ' ×', toString(gifts)) FROM gift_ticks WHERE gifts > 0
    UNION ALL SELECT live_id, event_time, 'entry', user_name, display_text FROM entries_unique
    UNION ALL SELECT live_id, event_time, 'share', user_name, '' FROM shares_unique
    UNION ALL SELECT live_id, event_time, 'notice', user_name, content FROM notices_unique
    UNION ALL SELECT live_id, event_time, 'event', payload_type, message FROM room_events_unique
)
WHERE live_id = {live:String} AND event_time > {at:DateTime64(3, 'UTC')} - toIntervalSecond({seconds:UInt32}) AND event_time <= {at:DateTime64(3, 'UTC')}
SETTINGS distributed_product_mode = 'global'
COMMENT 'What happened in a room in the seconds before a moment, such as a peak of comment_peaks. Example: SELECT * FROM moment(live = ''3xabcdefgh23456'', at = now64(3), seconds = 60) ORDER BY event_time';

-- 00026_rollups.sql, in kslive_local
CREATE MATERIALIZED VIEW IF NOT EXISTS watching_rollup_refresh ON CLUSTER 'production' REFRESH EVERY 1 MINUTE APPEND TO watching_rollup AS
WITH
    (SELECT max(seen_until) FROM watching_rollup) AS before,
    (SELECT if(count() < 2000000, now64(3), max(inserted_at)) FROM (SELECT inserted_at FROM room_stats WHERE inserted_at > before AND display_watching_count != '' ORDER BY inserted_at LIMIT 2000000)) AS until,
    changed AS
    (
        SELECT DISTINCT live_id, live_stream_id, toStartOfMinute(event_time) AS minute FROM room_stats WHERE inserted_at > before - INTERVAL 5 MINUTE AND inserted_at <= until
        UNION DISTINCT
        SELECT live_id, live_stream_id, minute FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
    )
SELECT
    live_id, live_stream_id, minute,
    sum(m.watching_min) AS watching_min,
    sum(m.watching_max) AS watching_max,
    sum(m.watching) AS watching,
    max(m.exact) AS exact,
    now64(3) AS computed_at,
    until AS seen_until
FROM
(
    SELECT live_id, live_stream_id, minute, watching_min, watching_max, watching, exact FROM watching_by_minute WHERE (live_id, live_stream_id, minute) IN (SELECT live_id, live_stream_id, minute FROM changed)
    UNION ALL
    -- For those in which nothing is left.
    SELECT live_id, live_stream_id, minute, 0 AS watching_min, 0 AS watching_max, 0 AS watching, false AS exact FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
) AS m
GROUP BY live_id, live_stream_id, minute
COMMENT 'Keeps watching_rollup.';

