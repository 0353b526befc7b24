-- +goose NO TRANSACTION
-- +goose Up

-- The text index holds "a.5" and "it's" as one word each, and the server (26.7) takes
-- what stands before such a sign at the end of a LIKE pattern, or behind it at the
-- beginning, for a whole word: LIKE '%火it\'%' did not find 火it's. Signs are left to
-- position, and the pattern has anything in their place. Of what a row said before
-- a replay nothing is found either.
-- +goose StatementBegin
CREATE OR REPLACE VIEW comment_search AS
SELECT live_id, live_stream_id, event_time, user_id, user_name, content
FROM comments_unique
WHERE show_type != 'hidden' AND position(content, {text:String}) > 0 AND (live_id, event_time, event_id) IN
(
    SELECT live_id, event_time, event_id FROM comments
    WHERE content LIKE concat('%', replaceRegexpAll({text:String}, '[^\\p{L}\\p{N}]+', '%'), '%') AND position(content, {text:String}) > 0
        AND show_type != 'hidden'
    ORDER BY event_time DESC LIMIT {most:UInt32}
)
ORDER BY event_time DESC
COMMENT 'The newest comments in all rooms that hold a text, at most so many. In one room, ask comments_unique with position(content, text) > 0. Example: SELECT * FROM comment_search(text = ''火箭'', most = 100)'
-- +goose StatementEnd
