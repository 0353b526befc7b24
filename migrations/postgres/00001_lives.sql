-- +goose Up

-- What people write.

CREATE TABLE lives (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    live_id    text        NOT NULL UNIQUE CHECK (btrim(live_id) <> '' AND octet_length(live_id) <= 2000),
    enabled    boolean     NOT NULL DEFAULT true,
    follow     boolean     NOT NULL DEFAULT true,
    priority   smallint    NOT NULL DEFAULT 0,
    start_at   timestamptz,
    stop_at    timestamptz CHECK (stop_at > start_at),
    endpoint   jsonb       CHECK (jsonb_typeof(endpoint) = 'object'),
    note       text        NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE lives IS
    'The rooms to watch, one row each. People own it; ingest only reads it. INSERT INTO lives (live_id) VALUES (''3x...'') is enough; the view live_status says how each room is doing.';
COMMENT ON COLUMN lives.id IS 'Number of the row, given by the database.';
COMMENT ON COLUMN lives.live_id IS 'The room: an ID such as 3xabcdefgh23456 or KPL704668133, or the address of its page.';
COMMENT ON COLUMN lives.enabled IS 'false: the room is left within about a second and not looked at until it is true again.';
COMMENT ON COLUMN lives.follow IS 'true: after a live has ended, keep looking for the next one. false: one live, then finished.';
COMMENT ON COLUMN lives.priority IS 'Higher goes first when there are more rooms than workers can hold. Rooms already held are not pushed out.';
COMMENT ON COLUMN lives.start_at IS 'Not before this time; NULL: at once.';
COMMENT ON COLUMN lives.stop_at IS 'Left at this time and not looked at again; NULL: no end.';
COMMENT ON COLUMN lives.endpoint IS
    'Optional: how to enter the room, resolved elsewhere, instead of looking it up: {"liveStreamId": "...", "token": "...", "websocketUrls": ["wss://..."]}. Its token is a secret.';
COMMENT ON COLUMN lives.note IS 'For people; ingest does not read it.';
COMMENT ON COLUMN lives.created_at IS 'When the row was inserted.';

-- What ingest knows. Leases are renewed every few seconds: their columns are
-- in no index and pages are kept half empty, so that the updates stay on their
-- page (HOT) and touch no index; autovacuum comes early for the same reason.

CREATE TABLE live_state (
    live           bigint      PRIMARY KEY REFERENCES lives (id) ON DELETE CASCADE,
    state          text        NOT NULL DEFAULT 'queued',
    reason         text        NOT NULL DEFAULT '',
    code           integer     NOT NULL DEFAULT 0,
    live_stream_id text        NOT NULL DEFAULT '',
    author         text        NOT NULL DEFAULT '',
    title          text        NOT NULL DEFAULT '',
    since          timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    owner          text,
    lease_until    timestamptz,
    epoch          bigint      NOT NULL DEFAULT 0,
    changed        boolean     NOT NULL DEFAULT false,
    next_at        timestamptz NOT NULL DEFAULT now(),
    CHECK ((owner IS NULL) = (lease_until IS NULL))
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.02
);

CREATE INDEX live_state_due ON live_state (next_at) WHERE owner IS NULL;
CREATE INDEX live_state_held ON live_state (owner) WHERE owner IS NOT NULL;

COMMENT ON TABLE live_state IS 'What ingest knows of each row of lives. Written by ingest only; read the view live_status instead.';
COMMENT ON COLUMN live_state.live IS 'lives.id';
COMMENT ON COLUMN live_state.state IS
    'queued, resolving, connecting, live, offline, ended, finished (ended, and follow is false), rate_limited, captcha, login_required, password, banned, not_found, unreachable, invalid, failed or stopped.';
COMMENT ON COLUMN live_state.reason IS 'The state in a sentence, with Kuaishou''s own words where there were any.';
COMMENT ON COLUMN live_state.code IS 'Kuaishou''s result code, 0 when there was none.';
COMMENT ON COLUMN live_state.live_stream_id IS 'The broadcast last seen.';
COMMENT ON COLUMN live_state.author IS 'The author''s name, when it was seen.';
COMMENT ON COLUMN live_state.title IS 'The live''s title, when it was seen.';
COMMENT ON COLUMN live_state.since IS 'When the state became what it is.';
COMMENT ON COLUMN live_state.updated_at IS 'When a worker last said something of this room, renewals of its lease aside.';
COMMENT ON COLUMN live_state.owner IS 'The worker that holds the room; NULL: none.';
COMMENT ON COLUMN live_state.lease_until IS 'Until when it is the owner''s. After that any worker may take it.';
COMMENT ON COLUMN live_state.epoch IS 'Goes up with every claim, so that a worker that was taken for dead can change nothing any more.';
COMMENT ON COLUMN live_state.changed IS 'The row of lives was edited in a way that the owner must start anew.';
COMMENT ON COLUMN live_state.next_at IS 'When a room that nobody holds is looked at next; infinity: not until its row is edited.';

-- +goose StatementBegin
CREATE FUNCTION live_next_at(at timestamptz, enabled boolean, start_at timestamptz, stop_at timestamptz)
RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN NOT enabled OR stop_at <= at THEN 'infinity' ELSE greatest(at, start_at) END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION live_next_at IS 'When to look at a room that would be due at a time, given what its row of lives allows.';

-- Rows of live_state are locked in the order of their keys, here and by the
-- workers, so that they cannot deadlock. Whoever may write lives need not be
-- allowed to write live_state: hence SECURITY DEFINER.

-- +goose StatementBegin
CREATE FUNCTION lives_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    hit boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO live_state (live, next_at)
        SELECT id, live_next_at(now(), enabled, start_at, stop_at) FROM new_lives;
        hit := FOUND;
    ELSIF TG_OP = 'UPDATE' THEN
        WITH edited AS (
            SELECT n.id, live_next_at(now(), n.enabled, n.start_at, n.stop_at) AS due,
                (o.live_id, o.endpoint) IS DISTINCT FROM (n.live_id, n.endpoint) AS restart
            FROM new_lives n JOIN old_lives o USING (id)
            WHERE (o.live_id, o.endpoint, o.enabled, o.follow, o.start_at, o.stop_at)
                IS DISTINCT FROM (n.live_id, n.endpoint, n.enabled, n.follow, n.start_at, n.stop_at)
        ), locked AS (
            -- Of the rows that a worker holds, only those that it must start
            -- anew: the others it sees in lives, and its lease stays unlocked.
            SELECT s.live, s.owner IS NOT NULL AS held, e.due
            FROM live_state s JOIN edited e ON e.id = s.live
            WHERE s.owner IS NULL OR e.restart
            ORDER BY s.live FOR UPDATE OF s
        ), noted AS (
            UPDATE live_state s SET
                changed = l.held,
                next_at = CASE WHEN l.held THEN s.next_at ELSE l.due END,
                state   = CASE WHEN l.held OR l.due = 'infinity' THEN s.state  ELSE 'queued' END,
                reason  = CASE WHEN l.held OR l.due = 'infinity' THEN s.reason ELSE '' END,
                code    = CASE WHEN l.held OR l.due = 'infinity' THEN s.code   ELSE 0 END,
                since   = CASE WHEN l.held OR l.due = 'infinity' THEN s.since  ELSE now() END
            FROM locked l WHERE s.live = l.live
        )
        SELECT EXISTS (SELECT FROM edited) INTO hit;
    ELSE
        SELECT EXISTS (SELECT FROM old_lives) INTO hit;
    END IF;
    IF hit THEN
        NOTIFY lives;
    END IF;
    RETURN NULL;
END
$$;

-- The name resolution of a SECURITY DEFINER function must not be the caller's.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION lives_changed() SET search_path = %I, pg_temp', current_schema());
END $$;
-- +goose StatementEnd
COMMENT ON FUNCTION lives_changed IS 'Keeps live_state beside lives and wakes the workers: NOTIFY lives, once a statement, without a payload.';

CREATE TRIGGER lives_inserted AFTER INSERT ON lives
    REFERENCING NEW TABLE AS new_lives FOR EACH STATEMENT EXECUTE FUNCTION lives_changed();
CREATE TRIGGER lives_updated AFTER UPDATE ON lives
    REFERENCING OLD TABLE AS old_lives NEW TABLE AS new_lives FOR EACH STATEMENT EXECUTE FUNCTION lives_changed();
CREATE TRIGGER lives_deleted AFTER DELETE ON lives
    REFERENCING OLD TABLE AS old_lives FOR EACH STATEMENT EXECUTE FUNCTION lives_changed();

CREATE VIEW live_status AS
SELECT l.id, l.live_id,
    CASE
        WHEN s.owner IS NOT NULL AND s.lease_until <= now() THEN 'lost'
        WHEN s.owner IS NOT NULL THEN s.state
        WHEN NOT l.enabled THEN 'disabled'
        WHEN l.stop_at <= now() THEN 'stopped'
        WHEN l.start_at > now() THEN 'scheduled'
        ELSE s.state
    END AS state,
    CASE
        WHEN s.owner IS NOT NULL AND s.lease_until <= now() THEN format('nobody has heard it since worker %s stopped renewing its lease, at the latest %s', s.owner, s.lease_until)
        WHEN s.owner IS NOT NULL THEN s.reason
        WHEN NOT l.enabled THEN 'enabled is false'
        WHEN l.stop_at <= now() THEN 'stop_at has passed'
        WHEN l.start_at > now() THEN 'start_at is still to come'
        ELSE s.reason
    END AS reason,
    s.code, s.since, s.author, s.title, s.live_stream_id, s.owner, s.epoch,
    CASE WHEN s.owner IS NULL AND s.next_at < 'infinity' THEN s.next_at END AS next_at,
    l.enabled, l.follow, l.priority, l.start_at, l.stop_at, l.endpoint IS NOT NULL AS has_endpoint, l.note, l.created_at
FROM lives l LEFT JOIN live_state s ON s.live = l.id;

COMMENT ON VIEW live_status IS 'Every room with what people wrote and how it is doing. Holds no secret: has_endpoint stands for the endpoint.';
COMMENT ON COLUMN live_status.id IS 'lives.id';
COMMENT ON COLUMN live_status.live_id IS 'lives.live_id';
COMMENT ON COLUMN live_status.state IS
    'live_state.state, or disabled, scheduled (start_at is to come), stopped (stop_at has passed), or lost (its worker went silent and none has taken over).';
COMMENT ON COLUMN live_status.reason IS 'The state in a sentence.';
COMMENT ON COLUMN live_status.code IS 'Kuaishou''s result code, 0 when there was none.';
COMMENT ON COLUMN live_status.since IS 'Since when a worker has reported this state.';
COMMENT ON COLUMN live_status.author IS 'The author''s name, when it was seen.';
COMMENT ON COLUMN live_status.title IS 'The live''s title, when it was seen.';
COMMENT ON COLUMN live_status.live_stream_id IS 'The broadcast last seen.';
COMMENT ON COLUMN live_status.owner IS 'The worker that holds the room; NULL: none.';
COMMENT ON COLUMN live_status.epoch IS 'How often the room has been claimed.';
COMMENT ON COLUMN live_status.next_at IS 'When the room is looked at next; NULL while it is held, and when it is not to be looked at.';
COMMENT ON COLUMN live_status.enabled IS 'lives.enabled';
COMMENT ON COLUMN live_status.follow IS 'lives.follow';
COMMENT ON COLUMN live_status.priority IS 'lives.priority';
COMMENT ON COLUMN live_status.start_at IS 'lives.start_at';
COMMENT ON COLUMN live_status.stop_at IS 'lives.stop_at';
COMMENT ON COLUMN live_status.has_endpoint IS 'Whether lives.endpoint is set.';
COMMENT ON COLUMN live_status.note IS 'lives.note';
COMMENT ON COLUMN live_status.created_at IS 'lives.created_at';

COMMENT ON TABLE ingest_migrations IS 'Which migrations of these tables were applied. Kept by ingest.';
