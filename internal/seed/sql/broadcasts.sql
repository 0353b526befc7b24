-- The plan: a row for each broadcast, with its share of the comments and ticks.
-- Rooms are popular by a power law, go on air on three days in five, at about the
-- same hour, for one to five hours; one broadcast in eight is not heard for some
-- minutes in its midst.
CREATE TABLE seed_broadcasts ENGINE = MergeTree ORDER BY (day, live) AS
WITH
    cityHash64({seed:UInt64}, 'room', live) AS room,
    cityHash64({seed:UInt64}, 'broadcast', live, day) AS broadcast,
    (x -> intHash64(broadcast + x) / 18446744073709551616.) AS random
SELECT
    live, day, broadcast,
    concat('3x', substring(lower(base58Encode(reinterpretAsFixedString(sipHash128(room)))), 3, 13)) AS live_id,
    substring(base64URLEncode(reinterpretAsFixedString(sipHash128(broadcast))), 3, 11) AS live_stream_id,
    toDateTime64(date, 3, 'UTC') + toIntervalMillisecond(3600000 * (room % 16) + toUInt64(2400000 * random(1))) AS start,
    toUInt32(3600 * (1 + 4 * pow(random(2), 2))) AS seconds,
    if(random(3) < 0.125, toUInt32(60 + 540 * random(4)), 0) AS gap_seconds,
    toUInt32(gap_seconds > 0 ? (0.2 + 0.6 * random(5)) * seconds : seconds) AS gap_at,
    seconds - gap_seconds AS heard_seconds,
    pow(5 + live, -0.8) AS popularity,
    toUInt64(1000 * popularity * heard_seconds * (0.5 + random(6))) AS weight,
    sum(weight) OVER (ORDER BY day, live ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) / sum(weight) OVER () AS share,
    sum(weight) OVER (ORDER BY day, live ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) / sum(weight) OVER () AS share_before,
    toUInt32(floor({comments:UInt64} * share) - floor({comments:UInt64} * share_before)) AS comments,
    toUInt32(floor({ticks:UInt64} * share) - floor({ticks:UInt64} * share_before)) AS ticks,
    greatest(20, toUInt64({comments:UInt64} * popularity / sum(popularity) OVER (PARTITION BY day) / 20)) AS regulars
FROM
(
    SELECT number % {lives:UInt32} AS live, intDiv(number, {lives:UInt32}) AS day, {first:Date} + day AS date
    FROM numbers(toUInt64({lives:UInt32}) * {days:UInt32})
)
WHERE random(0) < 0.6
