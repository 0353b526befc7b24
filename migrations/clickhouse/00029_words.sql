-- +goose NO TRANSACTION
-- +goose Up

-- Chinese has no spaces, and a dictionary does not know what is said in a live room.
-- So a word is what is repeated: in a run of Chinese characters each piece of two to
-- six, and the run itself when it has at most twelve, for a short comment is a
-- phrase (主播好, or a single 冲); a row of Latin letters or digits; and an emoji such
-- as [笑哭]. A comment counts once for a word, however often it is in it. A word is
-- listed from three comments by two people on.
--
-- A piece of a longer word that is hardly ever said without it is none: it is left
-- out when one longer word alone has at least four fifths of its comments. (播好, of
-- 主播好.) What stays now and then is where two words often meet.
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS words AS
SELECT
    live_id, live_stream_id, piece.1 AS word,
    maxIf(s.comments, piece.2 = 0) AS comments,
    maxIf(s.chatters, piece.2 = 0) AS chatters
FROM
(
    SELECT live_id, live_stream_id, gram, count() AS comments, uniqExact(user_id) AS chatters
    FROM
    (
        SELECT
            live_id, live_stream_id, user_id,
            '\\[[^\\[\\]]{1,8}\\]' AS emoji,
            extractAll(replaceRegexpAll(content, emoji, ' '), '\\p{Han}+|[0-9A-Za-z]+') AS runs,
            arrayFilter(run -> match(run, '^\\p{Han}'), runs) AS chinese,
            arrayDistinct(arrayConcat(
                extractAll(content, emoji),
                arrayFilter(run -> lengthUTF8(run) <= 12, runs),
                arrayFlatten(arrayMap(run -> arrayMap(n -> arrayMap(i -> substringUTF8(run, i, n), range(1, toUInt64(lengthUTF8(run) - n + 2))), range(2, least(7, lengthUTF8(run) + 1))), chinese))
            )) AS found
        FROM comments_unique
        WHERE show_type != 'hidden'
    )
    ARRAY JOIN found AS gram
    GROUP BY live_id, live_stream_id, gram
    HAVING comments >= 3 AND chatters >= 2
) AS s
ARRAY JOIN arrayConcat([(gram, 0)], if(match(gram, '^\\p{Han}'),
    arrayFlatten(arrayMap(n -> arrayMap(i -> (substringUTF8(gram, i, n), 1), range(1, toUInt64(lengthUTF8(gram) - n + 2))), range(1, lengthUTF8(gram)))), [])) AS piece
GROUP BY live_id, live_stream_id, word
HAVING comments > 1.25 * maxIf(s.comments, piece.2 = 1)
COMMENT 'Words and phrases in the comments of a broadcast, how many comments hold them and how many people wrote those. Found by repetition, without a dictionary. It is meant for one broadcast: give it both IDs. Example: SELECT word, comments, chatters FROM words WHERE live_id = ''3xabcdefgh23456'' AND live_stream_id = ''8SJgk6L-2iM'' ORDER BY comments DESC LIMIT 50'
-- +goose StatementEnd

-- The newest are looked for in the table first, since FINAL would have to read more
-- than the text of all comments, and only what was found is then read as
-- comments_unique shows it.
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS comment_search AS
SELECT live_id, live_stream_id, event_time, user_id, user_name, content
FROM comments_unique
WHERE show_type != 'hidden' AND (live_id, event_time, event_id) IN
(
    SELECT live_id, event_time, event_id FROM comments
    WHERE content LIKE concat('%', replaceRegexpAll({text:String}, '([%_\\\\])', '\\\\\\1'), '%') AND show_type != 'hidden'
    ORDER BY event_time DESC LIMIT {most:UInt32}
)
ORDER BY event_time DESC
COMMENT 'The newest comments in all rooms that hold a text, at most so many. In one room, ask comments_unique with content LIKE. Example: SELECT * FROM comment_search(text = ''火箭'', most = 100)'
-- +goose StatementEnd
