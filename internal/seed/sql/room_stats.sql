-- The counters of a day, every half minute. (A room sends them with every push.)
-- More and more watch at first, and fewer at the end; from 10,000 on the numbers
-- are rounded.
INSERT INTO room_stats
(
    live_id, live_stream_id, event_time, event_time_source, received_at, event_id, session_id, frame_number, payload_type,
    display_watching_count, watching_count, watching_count_exact, display_like_count, like_count, like_count_exact, pending_like_count, push_interval, inserted_at
)
WITH
    15 * i AS frame,
    cityHash64(broadcast, frame) AS push,
    2000 * frame >= 1000 * gap_at AS after_gap,
    start + toIntervalMillisecond(2000 * frame + push % 1500 + 1000 * after_gap * gap_seconds) AS at,
    at + toIntervalMillisecond(60 + push % 311) AS received,
    frame - after_gap * intDiv(gap_at, 2) AS frame_of_session,

    2 * frame / heard_seconds AS part,
    toUInt64(5 + 100000 * popularity * (0.5 + broadcast % 1000 / 1000) * (1 - exp(-6 * part)) * (1 - 0.6 * pow(part, 4)) * (0.97 + push % 61 / 1000)) AS watching,
    toUInt64(part * (200 + 4 * comments)) AS likes,
    (n -> n < 10000 ? n : n - n % 1000) AS rounded,
    (n -> n < 10000 ? toString(n) : concat(toString(intDiv(n, 10000)), n % 10000 < 1000 ? '' : concat('.', toString(intDiv(n % 10000, 1000))), '万')) AS shown
SELECT
    live_id, live_stream_id, at, 'envelope', received, sipHash64(broadcast, 'counters', i), cityHash64(broadcast, 'session', after_gap), 2 + frame_of_session + intDiv(frame_of_session, 10), 'SC_FEED_PUSH',
    shown(watching), rounded(watching), watching < 10000, shown(likes), rounded(likes), likes < 10000, push % 20, 2000,
    toStartOfInterval(received, INTERVAL 1 SECOND) + toIntervalMillisecond(1200 + cityHash64(toUnixTimestamp(received)) % 900)
FROM (SELECT * FROM seed_broadcasts WHERE day = {day:UInt32}) ARRAY JOIN range(intDiv(heard_seconds - 3, 30)) AS i
