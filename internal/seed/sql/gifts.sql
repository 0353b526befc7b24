-- The gift ticks of a day, one for each send that was heard: twenty sends are a
-- combo of twenty, four of five, ten of two, one of ten and ten single ones, or
-- twenty single ones, two seconds apart. Few people give most. One tick in three
-- tells the price.
INSERT INTO gifts
(
    live_id, live_stream_id, event_time, event_time_source, received_at, event_id, session_id, frame_number,
    user_id, origin_user_id, user_name, fans_group_intimacy_level, live_fans_group_intimacy_level, wealth_grade, fans_badge,
    gift_id, gift_name, unit_price, merge_key, batch_size, combo_count, rank, expire_duration, client_timestamp, slot_display_duration,
    star_level, style_type, device_hash, danmaku_display, inserted_at
)
WITH
    intDiv(i, 20) AS twenty,
    [20, 5, 2, 10, 1][cityHash64({seed:UInt64}, 'shape', broadcast, twenty) % 5 + 1] AS length,
    length = 10 AND i % 20 >= 10 ? 1 : length AS sends,
    i - i % sends AS first_send,
    1 + i % sends AS send,
    cityHash64({seed:UInt64}, 'combo', broadcast, first_send) AS combo,
    (x -> intHash64(combo + x) / 18446744073709551616.) AS random,

    toUInt32(random(1) * (intDiv(heard_seconds, 2) - 50)) + send AS frame,
    cityHash64(broadcast, frame) AS push,
    2000 * frame >= 1000 * gap_at AS after_gap,
    start + toIntervalMillisecond(2000 * frame + push % 1500 + 1000 * after_gap * gap_seconds) AS at,
    at + toIntervalMillisecond(60 + push % 311) AS received,
    frame - after_gap * intDiv(gap_at, 2) AS frame_of_session,

    cityHash64(live, toUInt64(exp(pow(random(2), 1.5) * log(regulars)))) % {users:UInt64} AS number,
    cityHash64({seed:UInt64}, 'person', number) AS person,
    number % 20 = 0 AND day > person % {days:UInt32} AS renamed,
    intHash64(person + renamed) AS face,
    concat({name_heads:Array(String)}[face % length({name_heads:Array(String)}) + 1],
        {name_tails:Array(String)}[intDiv(face, 1000) % length({name_tails:Array(String)}) + 1],
        {name_ends:Array(String)}[intDiv(face, 1000000) % length({name_ends:Array(String)}) + 1],
        if(intDiv(face, 100000000) % 2 = 0, toString(intDiv(face, 1000000000) % 10000), '')) AS name,
    person % 10 < 6 AS graded,
    graded AND person % 30 < 8 AS fan,

    toUInt32(exp(random(3) * log(length({gift_ids:Array(UInt32)}) + 0.99))) AS gift,
    {gift_prices:Array(UInt32)}[gift] AS price,
    multiIf(price > 10 OR sends = 1 OR random(4) > 0.15, 1, random(4) > 0.03, 10, 66) AS batch,
    intHash64(combo + send) % 3 = 0 AS told
SELECT
    live_id, live_stream_id, at, 'envelope', received, sipHash64(broadcast, 'gift', i), cityHash64(broadcast, 'session', after_gap), 2 + frame_of_session + intDiv(frame_of_session, 10),
    concat('3x', substring(lower(base58Encode(reinterpretAsFixedString(sipHash128(person)))), 3, 13)), 2030000000 + number, name,
    if(fan, 1 + person % 20, 0), if(fan, 1 + intDiv(person, 100) % 20, 0), if(graded, intDiv(person, 1000) % 40, 0),
    if(fan AND person % 4 = 0, {badges:Array(String)}[live % length({badges:Array(String)}) + 1], ''),
    {gift_ids:Array(UInt32)}[gift], if(told, {gift_names:Array(String)}[gift], ''), if(told, price, 0),
    concat(toString(2030000000 + number), '-', substring(base58Encode(reinterpretAsFixedString(sipHash128(combo))), 3, 16), '_', toString(toUnixTimestamp64Milli(start + toIntervalSecond(2 * (frame - send)))), '-', toString({gift_ids:Array(UInt32)}[gift]), '-', toString(batch)),
    batch, send, price * batch + 1, 300000, toUnixTimestamp64Milli(at) - 150 - push % 90, 3000,
    if(batch > 1, 1 + combo % 7, 0), if(batch > 1, concat('batch_star_', toString(combo % 7)), ''), base64Encode(reinterpretAsFixedString(toUInt32(person))), price > 100,
    toStartOfInterval(received, INTERVAL 1 SECOND) + toIntervalMillisecond(1200 + cityHash64(toUnixTimestamp(received)) % 900)
FROM (SELECT * FROM seed_broadcasts WHERE day = {day:UInt32}) ARRAY JOIN range(ticks) AS i
