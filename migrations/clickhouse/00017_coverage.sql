-- +goose NO TRANSACTION
-- +goose Up

-- The record of a session is written again while it lasts, and at its end: of
-- those the one written last stays, whatever is replayed. Hence the version is
-- received_at and not inserted_at.
-- +goose StatementBegin
CREATE TABLE IF NOT EXISTS coverage
(
    live_id           LowCardinality(String)          COMMENT 'The room: the author''s principalId, as in the Postgres table lives.' CODEC(ZSTD(1)),
    live_stream_id    String                          COMMENT 'The broadcast; empty when it was not learnt.' CODEC(ZSTD(1)),
    event_time        DateTime64(3, 'UTC')            COMMENT 'When the attempt began: with the look-up, or the connection.' CODEC(Delta, ZSTD(1)),
    event_time_source LowCardinality(String)          COMMENT 'The clock event_time was read from: received, the worker''s own.' CODEC(ZSTD(1)),
    received_at       DateTime64(3, 'UTC')            COMMENT 'When this record was written. Of several of one attempt the latest counts.' CODEC(Delta, ZSTD(1)),
    event_id          UInt64                          COMMENT 'The attempt: random.' CODEC(NONE),
    session_id        UInt64                          COMMENT 'The same as event_id, as in the tables of events.' CODEC(ZSTD(1)),
    frame_number      UInt32                          COMMENT 'Which record of the attempt it is, from 1.' CODEC(Delta, ZSTD(1)),
    worker            LowCardinality(String)          COMMENT 'Name of the worker.' CODEC(ZSTD(1)),
    epoch             Int64                           COMMENT 'The claim under which it was made; goes up with every claim of the room.' CODEC(ZSTD(1)),
    connected_at      Nullable(DateTime64(3, 'UTC'))  COMMENT 'When the server let us in; NULL: it did not.' CODEC(ZSTD(1)),
    last_frame_at     Nullable(DateTime64(3, 'UTC'))  COMMENT 'When the last frame came, heartbeats'' answers included; NULL: none.' CODEC(ZSTD(1)),
    ended_at          Nullable(DateTime64(3, 'UTC'))  COMMENT 'When it ended; NULL: it lasts, or its worker died.' CODEC(ZSTD(1)),
    state             LowCardinality(String)          COMMENT 'The state of the room: live while it lasts, then the one that followed. See live_state.state.' CODEC(ZSTD(1)),
    cause             LowCardinality(String)          COMMENT 'Why it ended: dial, no_ack, silent, too_big, closed, write, rejected, append (frames could not be kept), refused (the look-up), unwanted (a person wants the room no more), lease_lost, handed_over, spool_full, stopping or left.' CODEC(ZSTD(1)),
    reason            String                          COMMENT 'The same in a sentence, with Kuaishou''s own words.' CODEC(ZSTD(1)),
    code              Int32                           COMMENT 'Kuaishou''s result code, 0 when there was none.' CODEC(ZSTD(1)),
    close_code        UInt16                          COMMENT 'The websocket''s close code, 0 when there was none.' CODEC(ZSTD(1)),
    frames            UInt64                          COMMENT 'Frames received.' CODEC(ZSTD(1)),
    bytes             UInt64                          COMMENT 'Their bytes.' CODEC(ZSTD(1)),
    unknown_payloads  UInt64                          COMMENT 'Those of them whose payload type is not known.' CODEC(ZSTD(1)),
    reconnects        UInt32                          COMMENT 'Connections of this broadcast that this worker had tried before.' CODEC(ZSTD(1)),
    inserted_at       DateTime64(3, 'UTC')            DEFAULT now64(3) COMMENT 'When the row was inserted.' CODEC(Delta, ZSTD(1)),
    INDEX received_at_index received_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(received_at)
PARTITION BY toYYYYMM(event_time)
ORDER BY (live_id, event_time, event_id)
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1
COMMENT 'When a room was heard: a row for each connection, and for each refusal (those that repeat, once an hour). Read the views gaps and coverage_by_live, or this with FINAL.'
-- +goose StatementEnd
