-- +goose NO TRANSACTION
-- +goose Up

-- Comments of which it is not said whose they are were one person's, so that what
-- somebody repeats could look like what two people say.
-- +goose StatementBegin
CREATE OR REPLACE VIEW words AS
SELECT
    live_id, live_stream_id, piece.1 AS word,
    maxIf(s.comments, piece.2 = 0) AS comments,
    maxIf(s.chatters, piece.2 = 0) AS chatters
FROM
(
    SELECT live_id, live_stream_id, gram, count() AS comments, uniqExactIf(user_id, user_id != '') AS chatters
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
