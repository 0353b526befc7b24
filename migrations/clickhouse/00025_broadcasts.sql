-- +goose NO TRANSACTION
-- +goose Up

-- Views for the questions that people ask of a broadcast. Each reads every event
-- once, and ends its comment with an example. Give them a live_id, and where there
-- is one a live_stream_id: they then read only that room's rows. A day is one in
-- China, where the viewers are.
--
-- Hidden comments, the twins of likes, are no comments here.
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS chatters AS
SELECT
    live_id, live_stream_id, toDate(c.event_time, 'Asia/Shanghai') AS day, user_id,
    argMax(c.user_name, c.event_time) AS user_name,
    count() AS comments,
    min(c.event_time) AS first_comment,
    max(c.event_time) AS last_comment
FROM comments_unique AS c
WHERE show_type != 'hidden' AND user_id != ''
GROUP BY live_id, live_stream_id, day, user_id
COMMENT 'Who commented how often, by broadcast and day. Example: SELECT user_name, sum(comments) AS n FROM chatters WHERE live_id = ''3xabcdefgh23456'' GROUP BY user_id, user_name ORDER BY n DESC LIMIT 20'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS gifters AS
SELECT
    live_id, live_stream_id, toDate(t.event_time, 'Asia/Shanghai') AS day, user_id,
    argMax(t.user_name, t.event_time) AS user_name,
    max(t.origin_user_id) AS origin_user_id,
    sum(t.gifts) AS gifts,
    sum(t.value) AS value,
    min(t.event_time) AS first_gift,
    max(t.event_time) AS last_gift
FROM gift_ticks AS t
GROUP BY live_id, live_stream_id, day, user_id
COMMENT 'Who gave how much (快币, 10 are 1 CNY), by broadcast and day. Example: SELECT user_name, sum(value) AS kuaibi FROM gifters WHERE live_id = ''3xabcdefgh23456'' AND day = today() GROUP BY user_id, user_name ORDER BY kuaibi DESC LIMIT 20'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS presence AS
SELECT
    live_id, live_stream_id, user_id,
    argMaxIf(p.user_name, p.event_time, p.user_name != '') AS user_name,
    min(p.event_time) AS first_seen,
    max(p.event_time) AS last_seen,
    countIf(p.kind = 'comment') AS comments,
    countIf(p.kind = 'gift') AS gift_ticks,
    countIf(p.kind = 'like') AS likes,
    countIf(p.kind = 'share') AS shares,
    countIf(p.kind = 'entry') AS entries,
    countIf(p.kind = 'viewer') AS seen_in_list
FROM
(
    SELECT live_id, live_stream_id, user_id, user_name, event_time, 'comment' AS kind FROM comments_unique WHERE show_type != 'hidden'
    UNION ALL SELECT live_id, live_stream_id, user_id, user_name, event_time, 'gift' FROM gifts_unique
    UNION ALL SELECT live_id, live_stream_id, user_id, user_name, event_time, 'like' FROM likes_unique
    UNION ALL SELECT live_id, live_stream_id, user_id, user_name, event_time, 'share' FROM shares_unique
    UNION ALL SELECT live_id, live_stream_id, user_id, user_name, event_time, 'entry' FROM entries_unique
    UNION ALL SELECT live_id, live_stream_id, user_id, user_name, event_time, 'viewer' FROM viewers_unique WHERE NOT offline
) AS p
WHERE user_id != ''
GROUP BY live_id, live_stream_id, user_id
COMMENT 'Who was in a broadcast, from the first to the last sign of them. Viewers who do nothing are not told of by Kuaishou, but for the top spenders. Example: SELECT user_name, first_seen, last_seen FROM presence WHERE live_id = ''3xabcdefgh23456'' AND first_seen <= now() - INTERVAL 1 HOUR AND last_seen >= now() - INTERVAL 1 HOUR'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS user_names AS
SELECT
    user_id, user_name, live_id,
    min(p.first_seen) AS first_seen, max(p.last_seen) AS last_seen, uniqExact(p.live_stream_id) AS broadcasts,
    sum(p.comments) AS comments, sum(p.gift_ticks) AS gift_ticks
FROM
(
    SELECT live_id, live_stream_id, user_id, user_name, min(event_time) AS first_seen, max(event_time) AS last_seen, count() AS comments, 0 AS gift_ticks
    FROM comments_unique WHERE show_type != 'hidden' GROUP BY live_id, live_stream_id, user_id, user_name
    UNION ALL
    SELECT live_id, live_stream_id, user_id, user_name, min(event_time), max(event_time), 0, count()
    FROM gifts_unique GROUP BY live_id, live_stream_id, user_id, user_name
) AS p
WHERE user_id != ''
GROUP BY user_id, user_name, live_id
COMMENT 'Where a user was seen, and under which names. Example: SELECT user_name, live_id, first_seen, last_seen FROM user_names WHERE user_id = ''3xabcdefgh23456'' ORDER BY first_seen'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS comments_by_minute AS
SELECT
    live_id, live_stream_id, toStartOfMinute(c.event_time) AS minute,
    count() AS comments,
    uniqExact(c.user_id) AS chatters
FROM comments_unique AS c
WHERE show_type != 'hidden'
GROUP BY live_id, live_stream_id, minute
COMMENT 'Comments a minute, and how many people wrote them. Minutes without any are not there. Example: SELECT minute, comments, chatters FROM comments_by_minute WHERE live_id = ''3xabcdefgh23456'' AND live_stream_id = ''8SJgk6L-2iM'' ORDER BY minute'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS comments_by_hour AS
SELECT
    live_id, live_stream_id, toStartOfHour(c.event_time) AS hour,
    count() AS comments,
    uniqExact(c.user_id) AS chatters
FROM comments_unique AS c
WHERE show_type != 'hidden'
GROUP BY live_id, live_stream_id, hour
COMMENT 'Comments an hour, and how many people wrote them. Example: SELECT hour, comments, chatters FROM comments_by_hour WHERE live_id = ''3xabcdefgh23456'' ORDER BY hour'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS comment_peaks AS
SELECT live_id, live_stream_id, minute, comments, chatters, usual
FROM
(
    SELECT
        live_id, live_stream_id, minute, comments, chatters,
        -- The ten minutes before; minutes without comments count.
        sum(comments) OVER (PARTITION BY live_id, live_stream_id ORDER BY toUnixTimestamp(minute) RANGE BETWEEN 600 PRECEDING AND 60 PRECEDING) / 10 AS usual,
        max(comments) OVER (PARTITION BY live_id, live_stream_id ORDER BY toUnixTimestamp(minute) RANGE BETWEEN 120 PRECEDING AND 120 FOLLOWING) AS highest
    FROM comments_by_minute
)
WHERE comments = highest AND comments >= 10 AND comments >= 2 * usual
COMMENT 'Minutes with at least ten comments, twice as many as were usual in the ten minutes before, and more than in the two minutes on either side. Example: SELECT minute, comments, usual FROM comment_peaks WHERE live_id = ''3xabcdefgh23456'' ORDER BY minute DESC'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS revenue_by_minute AS
SELECT
    live_id, live_stream_id, toStartOfMinute(t.event_time) AS minute,
    sum(t.gifts) AS gifts,
    sum(t.value) AS value,
    uniqExact(t.user_id) AS givers
FROM gift_ticks AS t
GROUP BY live_id, live_stream_id, minute
COMMENT 'What was given in each minute, in 快币 (10 are 1 CNY). Example: SELECT minute, value FROM revenue_by_minute WHERE live_id = ''3xabcdefgh23456'' AND live_stream_id = ''8SJgk6L-2iM'' ORDER BY minute'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS revenue_by_hour AS
SELECT
    live_id, live_stream_id, toStartOfHour(t.event_time) AS hour,
    sum(t.gifts) AS gifts,
    sum(t.value) AS value,
    uniqExact(t.user_id) AS givers
FROM gift_ticks AS t
GROUP BY live_id, live_stream_id, hour
COMMENT 'What was given in each hour, and by how many people, in 快币 (10 are 1 CNY). Example: SELECT hour, value FROM revenue_by_hour WHERE live_id = ''3xabcdefgh23456'' ORDER BY hour'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS watching_by_minute AS
SELECT
    live_id, live_stream_id, toStartOfMinute(s.event_time) AS minute,
    min(s.watching_count) AS watching_min,
    max(s.watching_count) AS watching_max,
    argMax(s.watching_count, s.event_time) AS watching,
    argMax(s.display_watching_count, s.event_time) AS display_watching_count,
    min(s.watching_count_exact) AS exact
FROM room_stats_unique AS s
WHERE s.display_watching_count != ''
GROUP BY live_id, live_stream_id, minute
COMMENT 'How many were watching: least, most and last of each minute, with the last text that was shown. Where exact is false, Kuaishou had rounded. Example: SELECT minute, watching, exact FROM watching_by_minute WHERE live_id = ''3xabcdefgh23456'' AND live_stream_id = ''8SJgk6L-2iM'' ORDER BY minute'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS watching_by_hour AS
SELECT
    live_id, live_stream_id, toStartOfHour(s.event_time) AS hour,
    min(s.watching_count) AS watching_min,
    max(s.watching_count) AS watching_max,
    argMax(s.watching_count, s.event_time) AS watching,
    argMax(s.display_watching_count, s.event_time) AS display_watching_count,
    min(s.watching_count_exact) AS exact
FROM room_stats_unique AS s
WHERE s.display_watching_count != ''
GROUP BY live_id, live_stream_id, hour
COMMENT 'How many were watching: least, most and last of each hour, with the last text that was shown. Where exact is false, Kuaishou had rounded. Example: SELECT hour, watching, exact FROM watching_by_hour WHERE live_id = ''3xabcdefgh23456'' ORDER BY hour'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS likes_by_broadcast AS
SELECT
    live_id, live_stream_id,
    argMin(s.like_count, s.event_time) AS likes_first,
    max(s.like_count) AS likes_last,
    likes_last - likes_first AS gained,
    argMin(s.like_count_exact, s.event_time) AND argMax(s.like_count_exact, s.like_count) AS exact,
    argMin(s.display_like_count, s.event_time) AS display_first,
    argMax(s.display_like_count, s.like_count) AS display_last
FROM room_stats_unique AS s
WHERE s.display_like_count != ''
GROUP BY live_id, live_stream_id
COMMENT 'Likes gained while a broadcast was heard, from its counter, which is text and rounded when it is large: then exact is false. (The rows of likes are first likes only.) Example: SELECT gained, exact, display_first, display_last FROM likes_by_broadcast WHERE live_id = ''3xabcdefgh23456'''
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS broadcasts AS
SELECT
    live_id, live_stream_id,
    h.first_heard AS first_heard, h.last_heard AS last_heard,
    dateDiff('millisecond', first_heard, last_heard) / 1000 AS seconds,
    c.comments AS comments, c.chatters AS chatters,
    g.gifts AS gifts, g.value AS value, g.givers AS givers,
    l.gained AS likes_gained, l.exact AS likes_exact,
    w.most AS watching_max, w.exact AS watching_exact
FROM
(
    SELECT live_id, live_stream_id, min(span_start) AS first_heard, max(span_end) AS last_heard
    FROM coverage_spans WHERE heard AND live_stream_id != '' GROUP BY live_id, live_stream_id
) AS h
LEFT JOIN (SELECT live_id, live_stream_id, sum(comments) AS comments, uniqExact(user_id) AS chatters FROM chatters GROUP BY live_id, live_stream_id) AS c USING (live_id, live_stream_id)
LEFT JOIN (SELECT live_id, live_stream_id, sum(gifts) AS gifts, sum(value) AS value, uniqExact(user_id) AS givers FROM gifters GROUP BY live_id, live_stream_id) AS g USING (live_id, live_stream_id)
LEFT JOIN likes_by_broadcast AS l USING (live_id, live_stream_id)
LEFT JOIN (SELECT live_id, live_stream_id, max(watching_max) AS most, argMax(exact, watching_max) AS exact FROM watching_by_minute GROUP BY live_id, live_stream_id) AS w USING (live_id, live_stream_id)
COMMENT 'Each broadcast that was heard, in one line. What it was before the first and after the last connection is not known; gaps tells of the times between. Example: SELECT first_heard, seconds, comments, chatters, value, watching_max FROM broadcasts WHERE live_id = ''3xabcdefgh23456'' ORDER BY first_heard DESC'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS retention AS
SELECT
    live_id, live_stream_id, began, chatters, new_chatters, returning_chatters, from_the_last,
    lagInFrame(chatters) OVER (PARTITION BY live_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS chatters_of_the_last,
    if(chatters_of_the_last > 0, from_the_last / chatters_of_the_last, NULL) AS retained
FROM
(
    SELECT
        live_id, live_stream_id, began, number,
        count() AS chatters,
        countIf(last_time IS NULL) AS new_chatters,
        countIf(last_time IS NOT NULL) AS returning_chatters,
        countIf(last_time = number - 1) AS from_the_last
    FROM
    (
        SELECT
            live_id, live_stream_id, began, number,
            lagInFrame(toNullable(number)) OVER (PARTITION BY live_id, user_id ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS last_time
        FROM
        (
            SELECT live_id, live_stream_id, user_id, began, dense_rank() OVER (PARTITION BY live_id ORDER BY began, live_stream_id) AS number
            FROM
            (
                SELECT live_id, live_stream_id, user_id, min(first_comment) OVER (PARTITION BY live_id, live_stream_id) AS began
                FROM (SELECT live_id, live_stream_id, user_id, min(c.event_time) AS first_comment FROM comments_unique AS c WHERE show_type != 'hidden' AND user_id != '' GROUP BY live_id, live_stream_id, user_id)
            )
        )
    )
    GROUP BY live_id, live_stream_id, began, number
)
COMMENT 'How many of those who commented in a broadcast were new to the room, had commented in any earlier one, and in the one just before; retained is the share of the people of that one who came back. Example: SELECT began, chatters, new_chatters, retained FROM retention WHERE live_id = ''3xabcdefgh23456'' ORDER BY began'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS broadcast_minutes AS
SELECT
    live_id, live_stream_id, minute,
    dateDiff('minute', toStartOfMinute(b.first_heard), minute) AS minutes_in,
    sum(m.comments) AS comments, sum(m.chatters) AS chatters, sum(m.gifts) AS gifts, sum(m.value) AS value, max(m.watching) AS watching
FROM
(
    SELECT live_id, live_stream_id, minute, comments, chatters, 0 AS gifts, 0 AS value, 0 AS watching FROM comments_by_minute
    UNION ALL SELECT live_id, live_stream_id, minute, 0, 0, gifts, value, 0 FROM revenue_by_minute
    UNION ALL SELECT live_id, live_stream_id, minute, 0, 0, 0, 0, watching_max FROM watching_by_minute
) AS m
INNER JOIN
(
    SELECT live_id, live_stream_id, min(span_start) AS first_heard
    FROM coverage_spans WHERE heard AND live_stream_id != '' GROUP BY live_id, live_stream_id
) AS b USING (live_id, live_stream_id)
GROUP BY live_id, live_stream_id, minute, minutes_in
COMMENT 'The minutes of each broadcast, counted from when it was first heard, so that broadcasts can be laid over each other. Example: SELECT live_stream_id, minutes_in, comments, value, watching FROM broadcast_minutes WHERE live_id = ''3xabcdefgh23456'' ORDER BY live_stream_id, minutes_in'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS moment AS
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
COMMENT 'What happened in a room in the seconds before a moment, such as a peak of comment_peaks. Example: SELECT * FROM moment(live = ''3xabcdefgh23456'', at = now64(3), seconds = 60) ORDER BY event_time'
-- +goose StatementEnd
