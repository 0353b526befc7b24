-- +goose Up

-- How long the rows of a room are kept, and people who are to be erased.

ALTER TABLE lives ADD COLUMN retain_days integer CHECK (retain_days BETWEEN 1 AND 36500);
COMMENT ON COLUMN lives.retain_days IS
    'How many days the rows of this room are kept in ClickHouse; NULL: for as long as --retain says. A worker deletes what is older once a day.';

CREATE TABLE chores (
    name       text        PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE chores IS 'What one of all workers does once a day. Written by ingest only.';
COMMENT ON COLUMN chores.name IS 'retention: rows that are older than lives.retain_days are deleted.';
COMMENT ON COLUMN chores.started_at IS 'When a worker last began it.';

CREATE TABLE spools (
    id      text        PRIMARY KEY,
    worker  text        NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE spools IS
    'The spools in which frames are kept, one row each. An erasure is not finished before each of them has reported. Delete the row of one that is no more, when its files are gone.';
COMMENT ON COLUMN spools.id IS 'What the file id in its folder says.';
COMMENT ON COLUMN spools.worker IS 'The worker that last had it.';
COMMENT ON COLUMN spools.seen_at IS 'When a worker last had it.';

CREATE TABLE erasures (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    users        text[]      NOT NULL,
    names        text[]      NOT NULL DEFAULT '{}',
    skip         text[]      NOT NULL DEFAULT '{}',
    requested_at timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz
);
COMMENT ON TABLE erasures IS 'People who are being erased (ingest erase), and when that was done. Written by ingest only.';
COMMENT ON COLUMN erasures.id IS 'Which erasure.';
COMMENT ON COLUMN erasures.users IS 'Their IDs; empty when it is finished: nothing here tells who it was.';
COMMENT ON COLUMN erasures.names IS 'Names under which they were found; empty when it is finished.';
COMMENT ON COLUMN erasures.skip IS 'Names that are not looked for, because they are also words; empty when it is finished.';
COMMENT ON COLUMN erasures.requested_at IS 'When it was asked for.';
COMMENT ON COLUMN erasures.finished_at IS 'When nothing was left. NULL: it is under way, or waits for a spool.';

CREATE TABLE erasure_reports (
    erasure     bigint      NOT NULL REFERENCES erasures (id) ON DELETE CASCADE,
    spool       text        NOT NULL,
    known       integer     NOT NULL,
    frames      bigint      NOT NULL,
    unread      bigint      NOT NULL,
    set_aside   bigint      NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (erasure, spool)
);
COMMENT ON TABLE erasure_reports IS 'Which spools have taken a person out of the frames that they keep. Written by ingest only.';
COMMENT ON COLUMN erasure_reports.erasure IS 'erasures.id';
COMMENT ON COLUMN erasure_reports.spool IS 'spools.id';
COMMENT ON COLUMN erasure_reports.known IS 'How many of the IDs and names of erasures it looked for; it looks once more when there are more by now.';
COMMENT ON COLUMN erasure_reports.frames IS 'Frames that were changed or dropped.';
COMMENT ON COLUMN erasure_reports.unread IS 'Frames that cannot be opened, and may hold what was not found.';
COMMENT ON COLUMN erasure_reports.set_aside IS 'Files that are kept for a person (.bad, .torn), and are not looked into.';
COMMENT ON COLUMN erasure_reports.reported_at IS 'When.';
