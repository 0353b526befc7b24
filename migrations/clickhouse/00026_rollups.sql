-- +goose NO TRANSACTION
-- +goose Up

-- Rollups. Adding up what is inserted would count a row twice that a replica or a
-- replay inserts again, and could take nothing back. So a minute or an hour (of
-- gifts: a broadcast, since what a tick adds depends on those before it) is computed
-- anew, whole, when a row of it was inserted, and the new row replaces the old one.
-- What is deleted is said in rollup_changes, as ingest replay does: first said, then
-- deleted.
--
-- A row is seen at most five minutes after its inserted_at (an insert may take
-- four), and what is deleted is gone an hour after it was said, so that whoever
-- looks so far back misses nothing. The index finds what is new without reading
-- what is not.
--
-- Of very much that is new, as in a database that has been filled before there were
-- rollups, a refresh takes the part that was inserted first: about so many rows as
-- its LIMIT says, all of which are in what it writes. So it needs some hundred MB at
-- most, and the next one goes on from seen_until.
-- +goose StatementBegin
ALTER TABLE comments ADD INDEX IF NOT EXISTS inserted_at_index inserted_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE gifts ADD INDEX IF NOT EXISTS inserted_at_index inserted_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE room_stats ADD INDEX IF NOT EXISTS inserted_at_index inserted_at TYPE minmax GRANULARITY 1
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS rollup_changes
(
    live_id        LowCardinality(String) COMMENT 'The room.' CODEC(ZSTD(1)),
    live_stream_id String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    minute         DateTime('UTC')        COMMENT 'The minute in which something was deleted.' CODEC(ZSTD(1)),
    inserted_at    DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When that was said.' CODEC(ZSTD(1))
)
ENGINE = MergeTree ORDER BY inserted_at TTL toDateTime(inserted_at) + INTERVAL 7 DAY
COMMENT 'Minutes in which rows were deleted, so that the rollups compute them anew.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS comments_rollup
(
    live_id        LowCardinality(String) COMMENT 'The room.' CODEC(ZSTD(1)),
    live_stream_id String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    minute         DateTime('UTC')        COMMENT 'The minute that it is about, by its beginning.' CODEC(Delta, ZSTD(1)),
    comments       UInt64                 COMMENT 'Comments.' CODEC(Delta, ZSTD(1)),
    chatters       UInt64                 COMMENT 'How many people wrote them.' CODEC(Delta, ZSTD(1)),
    computed_at    DateTime64(3, 'UTC')   COMMENT 'When it was computed: the latest one holds.' CODEC(Delta, ZSTD(1)),
    seen_until     DateTime64(3, 'UTC')   COMMENT 'What was inserted until then is in it.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(minute)
ORDER BY (live_id, live_stream_id, minute)
COMMENT 'The view comments_by_minute, kept: for long ranges. At most some minutes behind. Read it with FINAL.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS gifts_rollup
(
    live_id        LowCardinality(String) COMMENT 'The room.' CODEC(ZSTD(1)),
    live_stream_id String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    minute         DateTime('UTC')        COMMENT 'The minute that it is about, by its beginning.' CODEC(Delta, ZSTD(1)),
    gifts          UInt64                 COMMENT 'Gifts.' CODEC(ZSTD(1)),
    value          UInt64                 COMMENT 'Their value in 快币.' CODEC(ZSTD(1)),
    givers         UInt64                 COMMENT 'How many people gave them.' CODEC(ZSTD(1)),
    computed_at    DateTime64(3, 'UTC')   COMMENT 'When it was computed: the latest one holds.' CODEC(Delta, ZSTD(1)),
    seen_until     DateTime64(3, 'UTC')   COMMENT 'What was inserted until then is in it.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(minute)
ORDER BY (live_id, live_stream_id, minute)
COMMENT 'The view revenue_by_minute, kept: for long ranges. At most some minutes behind. Read it with FINAL.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS watching_rollup
(
    live_id        LowCardinality(String) COMMENT 'The room.' CODEC(ZSTD(1)),
    live_stream_id String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    minute         DateTime('UTC')        COMMENT 'The minute that it is about, by its beginning.' CODEC(Delta, ZSTD(1)),
    watching_min   UInt64                 COMMENT 'Least.' CODEC(Delta, ZSTD(1)),
    watching_max   UInt64                 COMMENT 'Most.' CODEC(Delta, ZSTD(1)),
    watching       UInt64                 COMMENT 'Last.' CODEC(Delta, ZSTD(1)),
    exact          Bool                   COMMENT 'Not rounded.' CODEC(ZSTD(1)),
    computed_at    DateTime64(3, 'UTC')   COMMENT 'When it was computed: the latest one holds.' CODEC(Delta, ZSTD(1)),
    seen_until     DateTime64(3, 'UTC')   COMMENT 'What was inserted until then is in it.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(minute)
ORDER BY (live_id, live_stream_id, minute)
COMMENT 'The view watching_by_minute, kept: for long ranges. At most some minutes behind. Read it with FINAL.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS comments_rollup_hour
(
    live_id        LowCardinality(String) COMMENT 'The room.' CODEC(ZSTD(1)),
    live_stream_id String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    hour           DateTime('UTC')        COMMENT 'The hour that it is about, by its beginning.' CODEC(Delta, ZSTD(1)),
    comments       UInt64                 COMMENT 'Comments.' CODEC(Delta, ZSTD(1)),
    chatters       UInt64                 COMMENT 'How many people wrote them.' CODEC(Delta, ZSTD(1)),
    computed_at    DateTime64(3, 'UTC')   COMMENT 'When it was computed: the latest one holds.' CODEC(Delta, ZSTD(1)),
    seen_until     DateTime64(3, 'UTC')   COMMENT 'What was inserted until then is in it.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(hour)
ORDER BY (live_id, live_stream_id, hour)
COMMENT 'The view comments_by_hour, kept: for long ranges. At most some minutes behind. Read it with FINAL.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS gifts_rollup_hour
(
    live_id        LowCardinality(String) COMMENT 'The room.' CODEC(ZSTD(1)),
    live_stream_id String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    hour           DateTime('UTC')        COMMENT 'The hour that it is about, by its beginning.' CODEC(Delta, ZSTD(1)),
    gifts          UInt64                 COMMENT 'Gifts.' CODEC(ZSTD(1)),
    value          UInt64                 COMMENT 'Their value in 快币.' CODEC(ZSTD(1)),
    givers         UInt64                 COMMENT 'How many people gave them.' CODEC(ZSTD(1)),
    computed_at    DateTime64(3, 'UTC')   COMMENT 'When it was computed: the latest one holds.' CODEC(Delta, ZSTD(1)),
    seen_until     DateTime64(3, 'UTC')   COMMENT 'What was inserted until then is in it.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(hour)
ORDER BY (live_id, live_stream_id, hour)
COMMENT 'The view revenue_by_hour, kept: for long ranges. At most some minutes behind. Read it with FINAL.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS watching_rollup_hour
(
    live_id        LowCardinality(String) COMMENT 'The room.' CODEC(ZSTD(1)),
    live_stream_id String                 COMMENT 'The broadcast.' CODEC(ZSTD(1)),
    hour           DateTime('UTC')        COMMENT 'The hour that it is about, by its beginning.' CODEC(Delta, ZSTD(1)),
    watching_min   UInt64                 COMMENT 'Least.' CODEC(Delta, ZSTD(1)),
    watching_max   UInt64                 COMMENT 'Most.' CODEC(Delta, ZSTD(1)),
    watching       UInt64                 COMMENT 'Last.' CODEC(Delta, ZSTD(1)),
    exact          Bool                   COMMENT 'Not rounded.' CODEC(ZSTD(1)),
    computed_at    DateTime64(3, 'UTC')   COMMENT 'When it was computed: the latest one holds.' CODEC(Delta, ZSTD(1)),
    seen_until     DateTime64(3, 'UTC')   COMMENT 'What was inserted until then is in it.' CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(computed_at)
PARTITION BY toYYYYMM(hour)
ORDER BY (live_id, live_stream_id, hour)
COMMENT 'The view watching_by_hour, kept: for long ranges. At most some minutes behind. Read it with FINAL.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE MATERIALIZED VIEW IF NOT EXISTS comments_rollup_refresh REFRESH EVERY 1 MINUTE APPEND TO comments_rollup AS
WITH
    (SELECT max(seen_until) FROM comments_rollup) AS before,
    (SELECT if(count() < 2000000, now64(3), max(inserted_at)) FROM (SELECT inserted_at FROM comments WHERE inserted_at > before AND show_type != 'hidden' ORDER BY inserted_at LIMIT 2000000)) AS until,
    changed AS
    (
        SELECT DISTINCT live_id, live_stream_id, toStartOfMinute(event_time) AS minute FROM comments WHERE inserted_at > before - INTERVAL 5 MINUTE AND inserted_at <= until
        UNION DISTINCT
        SELECT live_id, live_stream_id, minute FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
    )
SELECT
    live_id, live_stream_id, minute,
    sum(m.comments) AS comments,
    sum(m.chatters) AS chatters,
    now64(3) AS computed_at,
    until AS seen_until
FROM
(
    SELECT live_id, live_stream_id, minute, comments, chatters FROM comments_by_minute WHERE (live_id, live_stream_id, minute) IN (SELECT live_id, live_stream_id, minute FROM changed)
    UNION ALL
    -- For those in which nothing is left.
    SELECT live_id, live_stream_id, minute, 0 AS comments, 0 AS chatters FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
) AS m
GROUP BY live_id, live_stream_id, minute
COMMENT 'Keeps comments_rollup.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE MATERIALIZED VIEW IF NOT EXISTS gifts_rollup_refresh REFRESH EVERY 1 MINUTE APPEND TO gifts_rollup AS
WITH
    (SELECT max(seen_until) FROM gifts_rollup) AS before,
    (SELECT if(count() < 500000, now64(3), max(inserted_at)) FROM (SELECT inserted_at FROM gifts WHERE inserted_at > before ORDER BY inserted_at LIMIT 500000)) AS until,
    changed AS
    (
        SELECT DISTINCT live_id, live_stream_id FROM gifts WHERE inserted_at > before - INTERVAL 5 MINUTE AND inserted_at <= until
        UNION DISTINCT
        SELECT live_id, live_stream_id FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
    )
SELECT
    live_id, live_stream_id, minute,
    sum(m.gifts) AS gifts,
    sum(m.value) AS value,
    sum(m.givers) AS givers,
    now64(3) AS computed_at,
    until AS seen_until
FROM
(
    SELECT live_id, live_stream_id, minute, gifts, value, givers FROM revenue_by_minute WHERE (live_id, live_stream_id) IN (SELECT live_id, live_stream_id FROM changed)
    UNION ALL
    -- For those in which nothing is left.
    SELECT live_id, live_stream_id, minute, 0 AS gifts, 0 AS value, 0 AS givers FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
) AS m
GROUP BY live_id, live_stream_id, minute
COMMENT 'Keeps gifts_rollup.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE MATERIALIZED VIEW IF NOT EXISTS watching_rollup_refresh REFRESH EVERY 1 MINUTE APPEND TO watching_rollup AS
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
COMMENT 'Keeps watching_rollup.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE MATERIALIZED VIEW IF NOT EXISTS comments_rollup_hour_refresh REFRESH EVERY 5 MINUTE APPEND TO comments_rollup_hour AS
WITH
    (SELECT max(seen_until) FROM comments_rollup_hour) AS before,
    (SELECT if(count() < 2000000, now64(3), max(inserted_at)) FROM (SELECT inserted_at FROM comments WHERE inserted_at > before AND show_type != 'hidden' ORDER BY inserted_at LIMIT 2000000)) AS until,
    changed AS
    (
        SELECT DISTINCT live_id, live_stream_id, toStartOfHour(event_time) AS hour FROM comments WHERE inserted_at > before - INTERVAL 5 MINUTE AND inserted_at <= until
        UNION DISTINCT
        SELECT live_id, live_stream_id, toStartOfHour(minute) FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
    )
SELECT
    live_id, live_stream_id, hour,
    sum(m.comments) AS comments,
    sum(m.chatters) AS chatters,
    now64(3) AS computed_at,
    until AS seen_until
FROM
(
    SELECT live_id, live_stream_id, hour, comments, chatters FROM comments_by_hour WHERE (live_id, live_stream_id, hour) IN (SELECT live_id, live_stream_id, hour FROM changed)
    UNION ALL
    -- For those in which nothing is left.
    SELECT live_id, live_stream_id, toStartOfHour(minute) AS hour, 0 AS comments, 0 AS chatters FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
) AS m
GROUP BY live_id, live_stream_id, hour
COMMENT 'Keeps comments_rollup_hour.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE MATERIALIZED VIEW IF NOT EXISTS gifts_rollup_hour_refresh REFRESH EVERY 5 MINUTE APPEND TO gifts_rollup_hour AS
WITH
    (SELECT max(seen_until) FROM gifts_rollup_hour) AS before,
    (SELECT if(count() < 500000, now64(3), max(inserted_at)) FROM (SELECT inserted_at FROM gifts WHERE inserted_at > before ORDER BY inserted_at LIMIT 500000)) AS until,
    changed AS
    (
        SELECT DISTINCT live_id, live_stream_id FROM gifts WHERE inserted_at > before - INTERVAL 5 MINUTE AND inserted_at <= until
        UNION DISTINCT
        SELECT live_id, live_stream_id FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
    )
SELECT
    live_id, live_stream_id, hour,
    sum(m.gifts) AS gifts,
    sum(m.value) AS value,
    sum(m.givers) AS givers,
    now64(3) AS computed_at,
    until AS seen_until
FROM
(
    SELECT live_id, live_stream_id, hour, gifts, value, givers FROM revenue_by_hour WHERE (live_id, live_stream_id) IN (SELECT live_id, live_stream_id FROM changed)
    UNION ALL
    -- For those in which nothing is left.
    SELECT live_id, live_stream_id, toStartOfHour(minute) AS hour, 0 AS gifts, 0 AS value, 0 AS givers FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
) AS m
GROUP BY live_id, live_stream_id, hour
COMMENT 'Keeps gifts_rollup_hour.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE MATERIALIZED VIEW IF NOT EXISTS watching_rollup_hour_refresh REFRESH EVERY 5 MINUTE APPEND TO watching_rollup_hour AS
WITH
    (SELECT max(seen_until) FROM watching_rollup_hour) AS before,
    (SELECT if(count() < 2000000, now64(3), max(inserted_at)) FROM (SELECT inserted_at FROM room_stats WHERE inserted_at > before AND display_watching_count != '' ORDER BY inserted_at LIMIT 2000000)) AS until,
    changed AS
    (
        SELECT DISTINCT live_id, live_stream_id, toStartOfHour(event_time) AS hour FROM room_stats WHERE inserted_at > before - INTERVAL 5 MINUTE AND inserted_at <= until
        UNION DISTINCT
        SELECT live_id, live_stream_id, toStartOfHour(minute) FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
    )
SELECT
    live_id, live_stream_id, hour,
    sum(m.watching_min) AS watching_min,
    sum(m.watching_max) AS watching_max,
    sum(m.watching) AS watching,
    max(m.exact) AS exact,
    now64(3) AS computed_at,
    until AS seen_until
FROM
(
    SELECT live_id, live_stream_id, hour, watching_min, watching_max, watching, exact FROM watching_by_hour WHERE (live_id, live_stream_id, hour) IN (SELECT live_id, live_stream_id, hour FROM changed)
    UNION ALL
    -- For those in which nothing is left.
    SELECT live_id, live_stream_id, toStartOfHour(minute) AS hour, 0 AS watching_min, 0 AS watching_max, 0 AS watching, false AS exact FROM rollup_changes WHERE inserted_at > before - INTERVAL 1 HOUR
) AS m
GROUP BY live_id, live_stream_id, hour
COMMENT 'Keeps watching_rollup_hour.'
-- +goose StatementEnd
