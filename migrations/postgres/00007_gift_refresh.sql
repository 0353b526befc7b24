-- +goose Up

-- When the catalogue of gifts (gift_catalogue in ClickHouse) is read again, and by
-- which worker: one of all of them asks Kuaishou, about once a day.

CREATE TABLE gift_refresh (
    one          boolean     PRIMARY KEY DEFAULT true CHECK (one),
    next_at      timestamptz NOT NULL DEFAULT now(),
    worker       text        NOT NULL DEFAULT '',
    instance     text        NOT NULL DEFAULT '',
    refreshed_at timestamptz,
    source       text        NOT NULL DEFAULT '',
    gifts        integer     NOT NULL DEFAULT 0 CHECK (gifts >= 0),
    failures     integer     NOT NULL DEFAULT 0 CHECK (failures >= 0),
    reason       text        NOT NULL DEFAULT '',
    looked_for   bigint[]    NOT NULL DEFAULT '{}'
);
INSERT INTO gift_refresh DEFAULT VALUES;

COMMENT ON TABLE gift_refresh IS
    'How it stands with the catalogue of gifts and their prices, in one row. Written by ingest; UPDATE gift_refresh SET next_at = now() has it read now.';
COMMENT ON COLUMN gift_refresh.one IS 'There is one row.';
COMMENT ON COLUMN gift_refresh.next_at IS 'When the lists are read again.';
COMMENT ON COLUMN gift_refresh.worker IS 'workers.name of the one that is at it; empty: none. When it dies, another takes over.';
COMMENT ON COLUMN gift_refresh.instance IS 'workers.instance of the same.';
COMMENT ON COLUMN gift_refresh.refreshed_at IS 'When prices were last read and stored; NULL: never.';
COMMENT ON COLUMN gift_refresh.source IS 'The list that they were in: gift/all or gift-list.';
COMMENT ON COLUMN gift_refresh.gifts IS
    'How many gifts that list named. A list that names less than half of them, or that differs from what is known in too many prices, is not believed. 0: the next list is believed whatever it says.';
COMMENT ON COLUMN gift_refresh.failures IS 'How often in a row no prices could be read. Each doubles the time to the next try, from half an hour to a day.';
COMMENT ON COLUMN gift_refresh.reason IS 'Why there was no list to believe the last time; empty: there was.';
COMMENT ON COLUMN gift_refresh.looked_for IS 'IDs of gifts that were given and had no price, and for which the lists were read early: once for each.';
