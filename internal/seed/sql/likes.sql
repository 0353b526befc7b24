-- Each like has a twin among the comments, which is hidden.
INSERT INTO likes
(
    live_id, live_stream_id, event_time, event_time_source, received_at, event_id, session_id, frame_number,
    user_id, user_name, fans_group_intimacy_level, live_fans_group_intimacy_level, wealth_grade, audience_rank, fans_badge, device_hash, inserted_at
)
SELECT
    live_id, live_stream_id, event_time, event_time_source, received_at, sipHash64(event_id), session_id, frame_number,
    user_id, user_name, fans_group_intimacy_level, live_fans_group_intimacy_level, wealth_grade, audience_rank, fans_badge, device_hash, inserted_at
FROM comments WHERE show_type = 'hidden' AND event_time >= {first:Date} + {day:UInt32} AND event_time < {first:Date} + {day:UInt32} + 1
