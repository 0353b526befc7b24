-- +goose NO TRANSACTION
-- +goose Up

-- +goose StatementBegin
ALTER TABLE coverage
    ADD COLUMN IF NOT EXISTS via LowCardinality(String) COMMENT 'Which resolver found the way in, or refused it: endpoint, page, livedetail, byuser, or recall: then comments only were heard, by polling. See live_state.via.' CODEC(ZSTD(1)) AFTER reconnects,
    MODIFY COLUMN cause LowCardinality(String) COMMENT 'Why it ended: dial, no_ack, silent, too_big, closed, write, rejected, mute (only counters came), append (frames could not be kept), refused (the look-up), recalled (a socket takes over from recalling), unwanted (a person wants the room no more), lease_lost, handed_over, spool_full, stopping or left.' CODEC(ZSTD(1))
-- +goose StatementEnd
