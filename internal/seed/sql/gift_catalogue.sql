-- What the gifts cost; that of the third has gone up in the midst.
INSERT INTO gift_catalogue (gift_id, seen_at, source, name, type, type_name, priced, unit_price, max_batch_size, can_combo, inserted_at)
SELECT
    {gift_ids:Array(UInt32)}[gift], at, 'gift/all', {gift_names:Array(String)}[gift], 1, '付费礼物', true, {gift_prices:Array(UInt32)}[gift] - before, 1314, {gift_prices:Array(UInt32)}[gift] < 300, at + INTERVAL 2 SECOND
FROM
(
    SELECT arrayJoin(range(1, 1 + length({gift_ids:Array(UInt32)}))) AS gift, arrayJoin([1, 0]) AS before,
        toDateTime64({first:Date} + (before ? 0 : intDiv({days:UInt32}, 2)), 3, 'UTC') AS at
    WHERE before = 0 OR gift = 3
)
