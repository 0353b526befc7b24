-- +goose NO TRANSACTION
-- +goose Up

-- A tick says how many sends its combo has had so far. Hence what it adds is what
-- it has beyond the largest count before it, and a tick that was lost, repeated or
-- came late changes no total, but for a last one that was lost.
--
-- A merge key with a combo key is one combo. One with the combo key 0 is used again
-- by the same sender for the same gift: it is a new combo when the one before has
-- expired, which is expire_duration (300 s when it was not sent) after its last
-- tick. Of such a combo, ticks that were lost for longer than that make two, and
-- beginning_heard says that the second did not begin where it seems to.
--
-- A combo has one price: that of a feed of it, else the catalogue's when it began,
-- else rank - 1, which is known to be the price for single gifts only; else it is
-- not known, and 0.
-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS gift_ticks AS
SELECT
    live_id, live_stream_id, event_time, event_id, received_at,
    user_id, origin_user_id, user_name, mystery, fans_badge, wealth_grade,
    t.gift_id AS gift_id,
    if(t.told_name != '', t.told_name, p.name) AS gift_name,
    multiIf(t.told_price > 0, 'feed', p.priced, 'catalogue', batch = 1 AND least_rank > 1, 'rank', 'unknown') AS price_source,
    toUInt32(multiIf(price_source = 'feed', t.told_price, price_source = 'catalogue', p.unit_price, price_source = 'rank', least_rank - 1, 0)) AS unit_price,
    merge_key, combo, began_at, batch AS batch_size, sends AS combo_count,
    toUInt64(if(sends > sends_before, sends - sends_before, 0) * batch) AS gifts,
    toUInt64(gifts * unit_price) AS value
FROM
(
    SELECT *,
        max(sends) OVER (PARTITION BY live_id, live_stream_id, key, combo ORDER BY event_time, sends, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS sends_before,
        min(event_time) OVER whole AS began_at,
        max(unit_price) OVER whole AS told_price,
        max(gift_name) OVER whole AS told_name,
        min(if(rank > 1, rank, 4294967295)) OVER whole AS rank_or_most,
        if(rank_or_most = 4294967295, 0, rank_or_most) AS least_rank
    FROM
    (
        SELECT *,
            sum(begins) OVER (PARTITION BY live_id, live_stream_id, key ORDER BY event_time, sends, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS combo
        FROM
        (
            SELECT *,
                if(merge_key = '', toString(event_id), merge_key) AS key,
                greatest(batch_size, 1) AS batch,
                greatest(combo_count, 1) AS sends,
                lagInFrame(toNullable(event_time)) OVER (PARTITION BY live_id, live_stream_id, key ORDER BY event_time, sends, event_id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS tick_before,
                tick_before IS NULL OR splitByChar('-', merge_key)[2] = '0'
                    AND dateDiff('millisecond', assumeNotNull(tick_before), event_time) > if(expire_duration > 0, expire_duration, 300000) AS begins
            FROM gifts_unique
        )
    )
    WINDOW whole AS (PARTITION BY live_id, live_stream_id, key, combo)
) AS t
ASOF LEFT JOIN gift_prices AS p ON p.gift_id = t.gift_id AND t.began_at >= p.valid_from
COMMENT 'Each tick of a gift combo with what it added: gifts and value (快币) can be summed, by minute or by sender, whatever was repeated, lost in the middle or came late. combo counts the combos of a merge_key in a broadcast; price_source says where its price is from: feed, catalogue, rank, or unknown (and 0).'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS gift_combos AS
SELECT
    live_id, live_stream_id, merge_key, combo,
    argMax(t.user_id, (t.event_time, t.combo_count)) AS user_id,
    any(t.origin_user_id) AS origin_user_id,
    argMax(t.user_name, (t.event_time, t.combo_count)) AS user_name,
    any(t.gift_id) AS gift_id,
    any(t.gift_name) AS gift_name,
    any(t.unit_price) AS unit_price,
    any(t.price_source) AS price_source,
    any(t.batch_size) AS batch_size,
    max(t.combo_count) AS combo_count,
    sum(t.gifts) AS gifts,
    sum(t.value) AS value,
    value / 10 AS value_cny,
    any(t.began_at) AS first_tick,
    max(t.event_time) AS last_tick,
    count() AS ticks,
    argMin(t.combo_count, (t.event_time, t.combo_count)) = 1 AS beginning_heard
FROM gift_ticks AS t
GROUP BY live_id, live_stream_id, merge_key, combo, if(merge_key = '', event_id, 0)
COMMENT 'Each gift combo once: who gave what, how many (batch_size * the largest combo_count) and for how much: value is in 快币, value_cny in yuan. Where beginning_heard is false, its first sends were not heard, and are counted all the same.'
-- +goose StatementEnd
