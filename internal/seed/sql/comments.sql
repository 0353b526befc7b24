-- The comments of a day. Those of a frame have its time, which the server's clock
-- gives to the push, about every two seconds. One in six is said in one of the
-- minutes in which something happens. Who comments does so four times in a
-- broadcast, some of them much more often; three in five are the room's regulars.
INSERT INTO comments
(
    live_id, live_stream_id, event_time, event_time_source, received_at, event_id, session_id, frame_number,
    user_id, origin_user_id, user_name, fans_group_intimacy_level, live_fans_group_intimacy_level, wealth_grade, audience_rank, fans_badge,
    source, content, show_type, color, device_hash, inserted_at
)
WITH
    cityHash64({seed:UInt64}, 'comment', broadcast, i) AS comment,
    (x -> intHash64(comment + x) / 18446744073709551616.) AS random,
    -- One of a list, those in front more often than others: by 1/rank, or less so.
    ((list, r) -> list[toUInt32(exp(r * log(length(list) + 0.99)))]) AS often,
    ((list, r) -> list[toUInt32(length(list) * r * r) + 1]) AS any_of,

    greatest(1, intDiv(heard_seconds, 1500)) AS peaks,
    if(random(1) < 0.16, (floor(random(2) * peaks) + 0.5) / peaks * heard_seconds + 60 * random(3), random(2) * heard_seconds) AS heard_at,
    least(toUInt32(heard_at / 2), intDiv(heard_seconds, 2) - 2) AS frame,
    cityHash64(broadcast, frame) AS push,
    2000 * frame >= 1000 * gap_at AS after_gap,
    start + toIntervalMillisecond(2000 * frame + push % 1500 + 1000 * after_gap * gap_seconds) AS at,
    at + toIntervalMillisecond(60 + push % 311) AS received,
    frame - after_gap * intDiv(gap_at, 2) AS frame_of_session,

    cityHash64(broadcast, 'seat', toUInt32(intDiv(comments + 2, 3) * pow(random(4), 1.5))) AS seat,
    if(seat % 5 < 3,
        cityHash64(live, toUInt64(exp(intHash64(seat) / 18446744073709551616. * log(regulars)))) % {users:UInt64},
        toUInt64({users:UInt64} * pow(intHash64(seat) / 18446744073709551616., 3))) AS number,
    cityHash64({seed:UInt64}, 'person', number) AS person,
    number % 20 = 0 AND day > person % {days:UInt32} AS renamed,
    intHash64(person + renamed) AS face,
    concat({name_heads:Array(String)}[face % length({name_heads:Array(String)}) + 1],
        {name_tails:Array(String)}[intDiv(face, 1000) % length({name_tails:Array(String)}) + 1],
        {name_ends:Array(String)}[intDiv(face, 1000000) % length({name_ends:Array(String)}) + 1],
        if(intDiv(face, 100000000) % 2 = 0, toString(intDiv(face, 1000000000) % 10000), '')) AS name,
    person % 10 < 6 AS graded,
    graded AND person % 30 < 8 AS fan,

    random(6) < 0.08 AS hidden,
    multiIf(
        hidden, concat(name, '赞了这个直播'),
        random(7) < 0.34, often({phrases:Array(String)}, random(8)),
        random(7) < 0.48, repeat(often({emoji:Array(String)}, random(8)), toUInt32(1 + 5 * pow(random(9), 3))),
        random(7) < 0.58, repeat(often({shouts:Array(String)}, random(8)), toUInt32(1 + 8 * pow(random(9), 2))),
        concat(
            often({openings:Array(String)}, random(9)),
            any_of({subjects:Array(String)}, random(10)),
            if(random(11) < 0.5, any_of({adverbs:Array(String)}, random(12)), ''),
            any_of({verbs:Array(String)}, random(13)),
            if(random(14) < 0.7, any_of({objects:Array(String)}, random(15)), ''),
            often({endings:Array(String)}, random(16)))) AS text
SELECT
    live_id, live_stream_id, at, 'envelope', received, sipHash64(broadcast, i), cityHash64(broadcast, 'session', after_gap), 2 + frame_of_session + intDiv(frame_of_session, 10),
    concat('3x', substring(lower(base58Encode(reinterpretAsFixedString(sipHash128(person)))), 3, 13)), 0, name,
    if(fan, 1 + person % 20, 0), if(fan, 1 + intDiv(person, 100) % 20, 0), if(graded, intDiv(person, 1000) % 40, 0), if(graded AND person % 300 = 0, 1 + day % 3, 0),
    if(fan AND person % 4 = 0, {badges:Array(String)}[live % length({badges:Array(String)}) + 1], ''),
    'feed', text, if(hidden, 'hidden', 'normal'), if(hidden OR random(17) < 0.85, '', {colors:Array(String)}[person % length({colors:Array(String)}) + 1]),
    base64Encode(reinterpretAsFixedString(toUInt32(person))),
    toStartOfInterval(received, INTERVAL 1 SECOND) + toIntervalMillisecond(1200 + cityHash64(toUnixTimestamp(received)) % 900)
FROM (SELECT * FROM seed_broadcasts WHERE day = {day:UInt32}) ARRAY JOIN range(comments) AS i
