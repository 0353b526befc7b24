-- +goose NO TRANSACTION
-- +goose Up

-- What is no envelope has no time but that of its receipt, which is in the sorting
-- key: when two workers heard it, as replicas or while one took over from the other,
-- these were two rows for good. Their event_id is equal, being that of the bytes. What
-- one session heard again was sent again, so its first goes with the first of another
-- session, its second with the second.
-- +goose StatementBegin
CREATE OR REPLACE VIEW undecoded_unique AS
SELECT * FROM undecoded FINAL WHERE event_time_source != 'received'
SETTINGS do_not_merge_across_partitions_select_final = 1
UNION ALL
SELECT * FROM undecoded FINAL
WHERE event_time_source = 'received' AND (live_id, event_time, event_id) IN
(
    SELECT live_id, event_time, event_id
    FROM
    (
        SELECT live_id, event_time, event_id, row_number() OVER (PARTITION BY live_id, event_id, session_id ORDER BY event_time) AS nth
        FROM undecoded FINAL WHERE event_time_source = 'received'
    )
    ORDER BY event_time LIMIT 1 BY live_id, event_id, nth
)
SETTINGS do_not_merge_across_partitions_select_final = 1
COMMENT 'The table undecoded with each event once, whatever retries, replicas and replays inserted. Of what has no time of its own, equal bytes that several connections to a broadcast brought count as often as in the one that brought most.'
-- +goose StatementEnd
