-- +goose Up

-- Several workers may watch a room at the same time, and workers share the
-- rooms: the table workers says who there is.

ALTER TABLE lives ADD COLUMN replicas smallint NOT NULL DEFAULT 1 CHECK (replicas BETWEEN 1 AND 3);
COMMENT ON COLUMN lives.replicas IS
    'How many different workers watch the room at the same time, 1 to 3. With 2, one of them can die without a gap; what both hear is one row for readers.';

CREATE TABLE workers (
    name        text        PRIMARY KEY,
    instance    text        NOT NULL,
    capacity    integer     NOT NULL CHECK (capacity >= 0),
    started_at  timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE workers IS 'The workers that run, and those that died lately. Written by ingest only.';
COMMENT ON COLUMN workers.name IS 'The name under which it holds rooms: --worker.';
COMMENT ON COLUMN workers.instance IS 'Made at random by each process, so that a second one of the same name is told from the first.';
COMMENT ON COLUMN workers.capacity IS 'How many rooms it can hold: --max-rooms, or 0 while its spool is full and when it is stopping. Rooms are shared in proportion.';
COMMENT ON COLUMN workers.started_at IS 'When the process registered.';
COMMENT ON COLUMN workers.lease_until IS 'Prolonged with the leases of its rooms. After that it counts as dead.';

-- A slot is one place among the workers of a room: 0 to replicas - 1, each with
-- a lease of its own. That a worker holds one slot of a room at most is a
-- promise to readers and kept by an index; (live, owner, epoch) is one slot.

ALTER TABLE live_state
    ADD COLUMN slot            smallint NOT NULL DEFAULT 0 CHECK (slot BETWEEN 0 AND 2),
    ADD COLUMN offered         boolean  NOT NULL DEFAULT false,
    ADD COLUMN successor       text,
    ADD COLUMN successor_until timestamptz,
    ADD CHECK ((successor IS NULL) = (successor_until IS NULL)),
    DROP CONSTRAINT live_state_pkey,
    ADD PRIMARY KEY (live, slot);

DROP INDEX live_state_held;
CREATE UNIQUE INDEX live_state_held ON live_state (owner, live) WHERE owner IS NOT NULL;
CREATE INDEX live_state_offered ON live_state (live, slot) WHERE offered;

COMMENT ON TABLE live_state IS 'What ingest knows of each row of lives, one row for each worker that is to watch it. Written by ingest only; read the view live_status instead.';
COMMENT ON COLUMN live_state.slot IS 'Which of the workers that are to watch the room: 0 to lives.replicas - 1. Higher ones are dropped when their worker lets go.';
COMMENT ON COLUMN live_state.offered IS 'The owner has more than its share of rooms: a worker with room to spare may become its successor. The owner goes on until then.';
COMMENT ON COLUMN live_state.successor IS 'The worker that is entering the room to become the owner; NULL: none.';
COMMENT ON COLUMN live_state.successor_until IS 'Until when the successor has time to get in; after that another may try.';

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION lives_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    hit boolean;
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO live_state (live, slot, next_at)
        SELECT id, slot, live_next_at(now(), enabled, start_at, stop_at) FROM new_lives, generate_series(0, replicas - 1) slot;
        hit := FOUND;
    ELSIF TG_OP = 'UPDATE' THEN
        -- A slot that was wanted no more and is still held is wanted again.
        INSERT INTO live_state (live, slot, next_at)
        SELECT n.id, slot, live_next_at(now(), n.enabled, n.start_at, n.stop_at)
        FROM new_lives n JOIN old_lives o USING (id), generate_series(o.replicas, n.replicas - 1) slot
        ON CONFLICT DO NOTHING;
        WITH excess AS (
            -- Those that a worker holds it drops itself when it has left.
            SELECT s.live, s.slot
            FROM live_state s JOIN new_lives n ON n.id = s.live JOIN old_lives o ON o.id = n.id
            WHERE n.replicas < o.replicas AND s.slot >= n.replicas AND (s.owner IS NULL OR s.lease_until <= now())
            ORDER BY s.live, s.slot FOR UPDATE OF s
        )
        DELETE FROM live_state s USING excess e WHERE (s.live, s.slot) = (e.live, e.slot);
        WITH edited AS (
            SELECT n.id, live_next_at(now(), n.enabled, n.start_at, n.stop_at) AS due,
                (o.live_id, o.endpoint) IS DISTINCT FROM (n.live_id, n.endpoint) AS restart
            FROM new_lives n JOIN old_lives o USING (id)
            WHERE (o.live_id, o.endpoint, o.enabled, o.follow, o.replicas, o.start_at, o.stop_at)
                IS DISTINCT FROM (n.live_id, n.endpoint, n.enabled, n.follow, n.replicas, n.start_at, n.stop_at)
        ), locked AS (
            -- Of the rows that a worker holds, only those that it must start
            -- anew: the others it sees in lives, and its lease stays unlocked.
            SELECT s.live, s.slot, s.owner IS NOT NULL AS held, e.due
            FROM live_state s JOIN edited e ON e.id = s.live
            WHERE s.owner IS NULL OR e.restart
            ORDER BY s.live, s.slot FOR UPDATE OF s
        ), noted AS (
            UPDATE live_state s SET
                changed = l.held,
                next_at = CASE WHEN l.held THEN s.next_at ELSE l.due END,
                state   = CASE WHEN l.held OR l.due = 'infinity' THEN s.state  ELSE 'queued' END,
                reason  = CASE WHEN l.held OR l.due = 'infinity' THEN s.reason ELSE '' END,
                code    = CASE WHEN l.held OR l.due = 'infinity' THEN s.code   ELSE 0 END,
                since   = CASE WHEN l.held OR l.due = 'infinity' THEN s.since  ELSE now() END
            FROM locked l WHERE (s.live, s.slot) = (l.live, l.slot)
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

-- Replacing a function ends its settings. The name resolution of a SECURITY
-- DEFINER function must not be the caller's.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION lives_changed() SET search_path = %I, pg_temp', current_schema());
END $$;
-- +goose StatementEnd

-- One line a room: the slot that is doing best speaks for it.

CREATE OR REPLACE VIEW live_status AS
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
    l.enabled, l.follow, l.priority, l.start_at, l.stop_at, l.endpoint IS NOT NULL AS has_endpoint, l.note, l.created_at,
    l.replicas, coalesce(s.heard, 0) AS heard, coalesce(s.workers, '{}') AS workers
FROM lives l LEFT JOIN LATERAL (
    SELECT w.*,
        count(*) FILTER (WHERE w.held AND w.state = 'live') OVER () AS heard,
        array_agg(w.owner) FILTER (WHERE w.held) OVER (ORDER BY w.owner ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS workers
    FROM (SELECT *, owner IS NOT NULL AND lease_until > now() AS held FROM live_state WHERE live = l.id AND slot < l.replicas) w
    ORDER BY w.held DESC, w.held AND w.state = 'live' DESC, w.slot
    LIMIT 1
) s ON true;

COMMENT ON COLUMN live_status.state IS
    'live_state.state, or disabled, scheduled (start_at is to come), stopped (stop_at has passed), or lost (its worker went silent and none has taken over). Of several workers'' the best; see heard.';
COMMENT ON COLUMN live_status.owner IS 'The worker that holds the room, of several the one whose state this is; NULL: none.';
COMMENT ON COLUMN live_status.epoch IS 'How often that worker''s place has been claimed.';
COMMENT ON COLUMN live_status.replicas IS 'lives.replicas: how many workers are to hear the room.';
COMMENT ON COLUMN live_status.heard IS 'How many workers hear the room now.';
COMMENT ON COLUMN live_status.workers IS 'The workers that hold the room now, whether they hear it or are on the way.';
