-- +goose NO TRANSACTION
-- +goose Up

-- History is asked for again and again, and holds what a socket has heard too. A
-- recalled comment has the ID and the time that the socket leaves out, so the two
-- rows differ. They are one comment when the same person wrote the same text from
-- the same device in the same broadcast, and it was heard at most 10 seconds after its
-- time: it waits up to 3 for the next push, and the others are for a push that is
-- late. Or 2 seconds before, where clocks differ. A comment from outside of the room
-- (rich_text) has its ID and time on the socket as well, so there these must be
-- equal.
--
-- A person may write the same again within that time. Equal comments are therefore
-- paired in the order of their times, each with at most one other: of three that
-- were recalled and two that were heard, one is left over.
--
-- Few comments are recalled, and most broadcasts have none: the index finds those
-- that have some without reading the others.
-- +goose StatementBegin
ALTER TABLE comments ADD INDEX IF NOT EXISTS source_index source TYPE set(8) GRANULARITY 8
-- +goose StatementEnd
-- +goose StatementBegin
ALTER TABLE comments MATERIALIZE INDEX source_index
-- +goose StatementEnd

-- One line of the inner query is what one person said in one broadcast with one
-- text. heard are the times at which sockets heard it, in Unix ms, however many
-- replicas did. recalled are the rows from history, which are the same comment when
-- their own time (0 when there was none to believe) and ID are; nth counts those,
-- and first has each once, but for those without a time, which are paired with none.
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS recalled_twins AS
SELECT live_id, twin.1 AS event_time, twin.2 AS event_id
FROM
(
    SELECT
        live_id, live_stream_id, user_id,
        segments != '' AS rich,
        if(rich, id, content) AS text,
        if(rich, '', device_hash) AS device,
        if(rich, 0, 2000) AS before,
        if(rich, 0, 10000) AS after,
        arraySort(groupUniqArrayIf((toUnixTimestamp64Milli(event_time), event_id), source != 'recall')).1 AS heard,
        arraySort(groupUniqArrayIf((
            if(event_time_source = 'feed', toUnixTimestamp64Milli(event_time), 0) AS clock,
            multiIf(id != '', id, clock != 0, '', toString(event_id)),
            event_time,
            event_id), source = 'recall')) AS recalled,
        arrayEnumerateUniq(recalled.1, recalled.2) AS nth,
        arrayFilter((r, n) -> n = 1 AND r.1 != 0, recalled, nth) AS first
    FROM comments
    WHERE live_stream_id IN (SELECT live_stream_id FROM comments WHERE source = 'recall')
    GROUP BY live_id, live_stream_id, user_id, rich, text, device
    HAVING notEmpty(recalled)
)
ARRAY JOIN arrayConcat(
    arrayMap(r -> (r.3, r.4), arrayFilter((r, n) -> n > 1, recalled, nth)),
    -- The pairing: next is the earliest time in heard that is not taken.
    arrayFold(
        (next, r, earliest) -> if(
            heard[greatest(next.1, earliest)] BETWEEN r.1 - before AND r.1 + after,
            (greatest(next.1, earliest) + 1, arrayPushBack(next.2, (r.3, r.4))),
            next),
        first,
        arrayMap(r -> arrayFirstIndex(h -> h >= r.1 - before, heard), first),
        (toUInt64(1), CAST([], 'Array(Tuple(DateTime64(3, ''UTC''), UInt64))'))
    ).2
) AS twin
COMMENT 'The recalled comments that are in the table comments already: a socket heard them, or they were recalled before. The view comments_unique leaves them out.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE VIEW comments_unique AS
SELECT * FROM comments FINAL WHERE source != 'recall'
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT c.* FROM comments AS c FINAL
LEFT ANTI JOIN recalled_twins AS t ON c.live_id = t.live_id AND c.event_time = t.event_time AND c.event_id = t.event_id
WHERE c.source = 'recall'
SETTINGS do_not_merge_across_partitions_select_final = 1, use_skip_indexes_if_final = 1
COMMENT 'The table comments with each event once, whatever retries, replicas and replays inserted, and whatever was recalled as well as heard.'
-- +goose StatementEnd
