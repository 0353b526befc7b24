-- +goose NO TRANSACTION
-- +goose Up

-- A row is what a list of gifts said of one of them, and is written when it says
-- something new: the rows of a gift are the history of its price. Lists without
-- prices (allgifts) give names only, and only of gifts without a price.
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS gift_catalogue
(
    gift_id        UInt32                 COMMENT 'Which gift. Names repeat, IDs do not.' CODEC(ZSTD(1)),
    seen_at        DateTime64(3, 'UTC')   COMMENT 'When the list was read that first said so.' CODEC(ZSTD(1)),
    source         LowCardinality(String) COMMENT 'The list: gift/all, gift-list or allgifts.' CODEC(ZSTD(1)),
    name           String                 COMMENT 'Its name.' CODEC(ZSTD(1)),
    type           UInt32                 COMMENT 'Kuaishou''s number for the kind of gift; those paid in a free currency have one of their own.' CODEC(ZSTD(1)),
    type_name      LowCardinality(String) COMMENT 'The same in words.' CODEC(ZSTD(1)),
    priced         Bool                   COMMENT 'The list has prices.' CODEC(ZSTD(1)),
    unit_price     UInt32                 COMMENT 'Price of one in 快币 (10 are 1 CNY); 0 for free ones.' CODEC(ZSTD(1)),
    virtual_price  UInt32                 COMMENT 'The price that is shown for gifts that are not paid in 快币.' CODEC(ZSTD(1)),
    max_batch_size UInt32                 COMMENT 'How many can be sent at once.' CODEC(ZSTD(1)),
    can_combo      Bool                   COMMENT 'Whether sends add up to a combo.' CODEC(ZSTD(1)),
    picture        String                 COMMENT 'Address of its picture as it was then; another address alone makes no row.' CODEC(ZSTD(1)),
    inserted_at    DateTime64(3, 'UTC')   DEFAULT now64(3) COMMENT 'When the row was inserted: of two rows with the same key the later one stays.' CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(inserted_at)
ORDER BY (gift_id, seen_at, source)
SETTINGS non_replicated_deduplication_window = 100
COMMENT 'What the lists of gifts said, with the history of prices. Read the view gift_prices to look one up.'
-- +goose StatementEnd

-- +goose StatementBegin
CREATE VIEW IF NOT EXISTS gift_prices AS
SELECT
    gift_id,
    -- The first price that was seen is taken to have held before.
    if(row_number() OVER gift = 1, toDateTime64(0, 3, 'UTC'), seen_at) AS valid_from,
    name, type_name, priced, unit_price, picture
FROM gift_catalogue FINAL
WHERE priced OR gift_id NOT IN (SELECT gift_id FROM gift_catalogue WHERE priced)
WINDOW gift AS (PARTITION BY gift_id ORDER BY seen_at, source)
COMMENT 'The price of each gift from a time on, and the names of those that no list has a price of (priced = false): join it with ASOF LEFT JOIN gift_prices AS p ON p.gift_id = t.gift_id AND t.event_time >= p.valid_from. (It is not a dictionary of the server, because that would hold a password in its definition.)'
-- +goose StatementEnd
