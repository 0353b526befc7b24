-- +goose NO TRANSACTION
-- +goose Up
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS pseudonyms
(
    fingerprint String                COMMENT 'Tells the key from others; nothing can be made from it.' CODEC(ZSTD(1)),
    since       DateTime64(3, 'UTC')  DEFAULT now64(3) COMMENT 'When it was first used.' CODEC(ZSTD(1))
)
ENGINE = MergeTree ORDER BY since
COMMENT 'Whether people in these tables stand under pseudonyms (ingest run --pseudonymize-key-file), and with which key. Empty: they do not. Nothing is inserted with another one.'
-- +goose StatementEnd
