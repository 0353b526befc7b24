-- +goose NO TRANSACTION
-- +goose Up

-- Who wrote or gave something is not always said. Those together were counted as one
-- person, and their comments were missing from broadcasts alone.
-- +goose StatementBegin
CREATE OR REPLACE VIEW comments_by_minute AS
SELECT
    live_id, live_stream_id, toStartOfMinute(c.event_time) AS minute,
    count() AS comments,
    uniqExactIf(c.user_id, c.user_id != '') AS chatters
FROM comments_unique AS c
WHERE show_type != 'hidden'
GROUP BY live_id, live_stream_id, minute
COMMENT 'Comments a minute, and how many people wrote them. Minutes without any are not there. Example: SELECT minute, comments, chatters FROM comments_by_minute WHERE live_id = ''3xabcdefgh23456'' AND live_stream_id = ''8SJgk6L-2iM'' ORDER BY minute'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE VIEW comments_by_hour AS
SELECT
    live_id, live_stream_id, toStartOfHour(c.event_time) AS hour,
    count() AS comments,
    uniqExactIf(c.user_id, c.user_id != '') AS chatters
FROM comments_unique AS c
WHERE show_type != 'hidden'
GROUP BY live_id, live_stream_id, hour
COMMENT 'Comments an hour, and how many people wrote them. Example: SELECT hour, comments, chatters FROM comments_by_hour WHERE live_id = ''3xabcdefgh23456'' ORDER BY hour'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE VIEW revenue_by_minute AS
SELECT
    live_id, live_stream_id, toStartOfMinute(t.event_time) AS minute,
    sum(t.gifts) AS gifts,
    sum(t.value) AS value,
    uniqExactIf(t.user_id, t.user_id != '') AS givers
FROM gift_ticks AS t
GROUP BY live_id, live_stream_id, minute
COMMENT 'What was given in each minute, in 快币 (10 are 1 CNY). Example: SELECT minute, value FROM revenue_by_minute WHERE live_id = ''3xabcdefgh23456'' AND live_stream_id = ''8SJgk6L-2iM'' ORDER BY minute'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE VIEW revenue_by_hour AS
SELECT
    live_id, live_stream_id, toStartOfHour(t.event_time) AS hour,
    sum(t.gifts) AS gifts,
    sum(t.value) AS value,
    uniqExactIf(t.user_id, t.user_id != '') AS givers
FROM gift_ticks AS t
GROUP BY live_id, live_stream_id, hour
COMMENT 'What was given in each hour, and by how many people, in 快币 (10 are 1 CNY). Example: SELECT hour, value FROM revenue_by_hour WHERE live_id = ''3xabcdefgh23456'' ORDER BY hour'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE VIEW broadcasts AS
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
LEFT JOIN (SELECT live_id, live_stream_id, count() AS comments, uniqExactIf(user_id, user_id != '') AS chatters FROM comments_unique WHERE show_type != 'hidden' GROUP BY live_id, live_stream_id) AS c USING (live_id, live_stream_id)
LEFT JOIN (SELECT live_id, live_stream_id, sum(gifts) AS gifts, sum(value) AS value, uniqExactIf(user_id, user_id != '') AS givers FROM gifters GROUP BY live_id, live_stream_id) AS g USING (live_id, live_stream_id)
LEFT JOIN likes_by_broadcast AS l USING (live_id, live_stream_id)
LEFT JOIN (SELECT live_id, live_stream_id, max(watching_max) AS most, argMax(exact, watching_max) AS exact FROM watching_by_minute GROUP BY live_id, live_stream_id) AS w USING (live_id, live_stream_id)
COMMENT 'Each broadcast that was heard, in one line. What it was before the first and after the last connection is not known; gaps tells of the times between. Example: SELECT first_heard, seconds, comments, chatters, value, watching_max FROM broadcasts WHERE live_id = ''3xabcdefgh23456'' ORDER BY first_heard DESC'
-- +goose StatementEnd

-- The day of the example is one in China, as that of the view, wherever the server is.
-- +goose StatementBegin
CREATE OR REPLACE VIEW gifters AS
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
COMMENT 'Who gave how much (快币, 10 are 1 CNY), by broadcast and day. Example: SELECT user_name, sum(value) AS kuaibi FROM gifters WHERE live_id = ''3xabcdefgh23456'' AND day = toDate(now(), ''Asia/Shanghai'') GROUP BY user_id, user_name ORDER BY kuaibi DESC LIMIT 20'
-- +goose StatementEnd
