-- A session for each broadcast, or two where it was not heard for a while: then
-- nothing came over the first one any more.
INSERT INTO coverage
(
    live_id, live_stream_id, event_time, event_time_source, received_at, event_id, session_id, frame_number, worker, epoch,
    connected_at, last_frame_at, ended_at, state, cause, reason, frames, bytes, reconnects, via, inserted_at
)
WITH
    part = 0 AND gap_seconds > 0 AS silent,
    cityHash64(broadcast, 'session', part) AS session,
    start + toIntervalSecond(part * (gap_at + gap_seconds)) AS connected,
    start + toIntervalSecond(silent ? gap_at : seconds) AS last,
    silent ? last + toIntervalSecond(least(50, gap_seconds)) : last AS ended,
    1 + intDiv(toUnixTimestamp(last) - toUnixTimestamp(connected), 2) AS frames
SELECT
    live_id, live_stream_id, connected - toIntervalMillisecond(800), 'received', ended, session, session, 1 + intDiv(frames, 7), 'worker-1', 1 + day,
    connected, last, ended, silent ? 'connecting' : 'ended', silent ? 'silent' : 'closed', silent ? 'nothing came for 50s' : 'the author has stopped',
    frames, frames * 900, part, 'page', ended + INTERVAL 2 SECOND
FROM seed_broadcasts ARRAY JOIN range(1 + toUInt8(gap_seconds > 0)) AS part
