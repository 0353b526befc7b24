-- +goose NO TRANSACTION
-- +goose Up

-- The text index knows whole words only: of a part of one (LIKE '%zzzqq%') it says
-- nothing, and all that was ever written was read. A bloom filter of the pairs of
-- characters of 8192 comments each says of almost any text where it cannot be. It
-- costs one byte a comment; where content_index is such a filter, on a server
-- without text indexes, it is there twice.
-- +goose StatementBegin
ALTER TABLE comments ADD INDEX IF NOT EXISTS pairs_index content TYPE ngrambf_v1(2, 8192, 2, 0) GRANULARITY 1
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE comments MATERIALIZE INDEX pairs_index
-- +goose StatementEnd

-- The text index misreads signs at the ends of a pattern only (see 00033): they are
-- left to position, and those within the text stay, so that neither "3.5" becomes
-- two letters that are everywhere, nor the pattern a regular expression, which took
-- twice as long to match as position.
-- +goose StatementBegin
CREATE OR REPLACE VIEW comment_search AS
SELECT live_id, live_stream_id, event_time, user_id, user_name, content
FROM comments_unique
WHERE show_type != 'hidden' AND position(content, {text:String}) > 0 AND (live_id, event_time, event_id) IN
(
    SELECT live_id, event_time, event_id FROM comments
    WHERE content LIKE concat('%', replaceRegexpAll(replaceRegexpAll({text:String}, '^[[:punct:][:space:]]+|[[:punct:][:space:]]+$', ''), '[\\\\%_]', '\\\\\\0'), '%')
        AND position(content, {text:String}) > 0 AND show_type != 'hidden'
    ORDER BY event_time DESC LIMIT {most:UInt32}
)
ORDER BY event_time DESC
COMMENT 'The newest comments in all rooms that hold a text, at most so many. In one room, ask comments_unique with position(content, text) > 0. Example: SELECT * FROM comment_search(text = ''火箭'', most = 100)'
-- +goose StatementEnd
