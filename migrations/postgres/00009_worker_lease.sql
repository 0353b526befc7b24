-- +goose Up

-- A worker has one lease, workers.lease_until, and renews one row, however many
-- slots it holds: they say 'infinity', which is for as long as that. Before, each
-- renewal wrote all of them.
--
-- While workers of the version before run beside new ones, their slots have
-- leases of their own and end by these, for both. They never see an end of a new
-- one's slots: those of a new worker that dies are taken over by new workers only,
-- or by one that starts under its name. So nothing is ever held twice. To go back
-- to the version before, stop the new workers first, which gives their slots back,
-- or migrate down, which gives each slot the end of its worker's lease.

-- +goose StatementBegin
CREATE FUNCTION slot_due_at(owner text, lease_until timestamptz, next_at timestamptz, worker_lease_until timestamptz)
RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN owner IS NULL THEN next_at
        WHEN lease_until < 'infinity' THEN lease_until
        ELSE coalesce(worker_lease_until, '-infinity')
    END
$$;
-- +goose StatementEnd
COMMENT ON FUNCTION slot_due_at IS
    'From when on a slot is to be taken by somebody: of one that is held, when the lease ends. Its arguments are the columns of live_state, and workers.lease_until of its owner, NULL when that is not registered.';

COMMENT ON COLUMN live_state.lease_until IS 'infinity: it is the owner''s for as long as workers.lease_until; else until when it is. After that any worker may take it; see slot_due_at.';
COMMENT ON COLUMN workers.lease_until IS 'Until when it counts as alive and holds its rooms, of which it renews no leases one by one.';

-- Slots with a lease of their own: those of workers of the version before.
CREATE INDEX live_state_lease ON live_state (lease_until) WHERE lease_until < 'infinity';

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
            FROM live_state s JOIN new_lives n ON n.id = s.live JOIN old_lives o ON o.id = n.id LEFT JOIN workers w ON w.name = s.owner
            WHERE n.replicas < o.replicas AND s.slot >= n.replicas
                AND (s.owner IS NULL OR slot_due_at(s.owner, s.lease_until, s.next_at, w.lease_until) <= now())
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

CREATE OR REPLACE VIEW live_status AS
SELECT l.id, l.live_id,
    CASE
        WHEN s.owner IS NOT NULL AND NOT s.held THEN 'lost'
        WHEN s.owner IS NOT NULL THEN s.state
        WHEN NOT l.enabled THEN 'disabled'
        WHEN l.stop_at <= now() THEN 'stopped'
        WHEN l.start_at > now() THEN 'scheduled'
        ELSE s.state
    END AS state,
    CASE
        WHEN s.owner IS NOT NULL AND NOT s.held AND s.due_at = '-infinity' THEN format('nobody has heard it since worker %s was taken out of the table workers', s.owner)
        WHEN s.owner IS NOT NULL AND NOT s.held THEN format('nobody has heard it since worker %s stopped renewing its lease, at the latest %s', s.owner, s.due_at)
        WHEN s.owner IS NOT NULL THEN s.reason
        WHEN NOT l.enabled THEN 'enabled is false'
        WHEN l.stop_at <= now() THEN 'stop_at has passed'
        WHEN l.start_at > now() THEN 'start_at is still to come'
        ELSE s.reason
    END AS reason,
    s.code, s.since, s.author, s.title, s.live_stream_id, s.owner, s.epoch,
    CASE WHEN s.owner IS NULL AND s.next_at < 'infinity' THEN s.next_at END AS next_at,
    l.enabled, l.follow, l.priority, l.start_at, l.stop_at, l.endpoint IS NOT NULL AS has_endpoint, l.note, l.created_at,
    l.replicas, coalesce(s.heard, 0) AS heard, coalesce(s.workers, '{}') AS workers,
    coalesce(s.via, '') AS via, coalesce(s.account, '') AS account
FROM lives l LEFT JOIN LATERAL (
    SELECT w.*,
        count(*) FILTER (WHERE w.held AND w.state = 'live') OVER () AS heard,
        array_agg(w.owner) FILTER (WHERE w.held) OVER (ORDER BY w.owner ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS workers
    FROM (
        SELECT o.*, d.due_at, o.owner IS NOT NULL AND d.due_at > now() AS held
        FROM live_state o LEFT JOIN workers ow ON ow.name = o.owner
        CROSS JOIN LATERAL (SELECT slot_due_at(o.owner, o.lease_until, o.next_at, ow.lease_until) AS due_at) d
        WHERE o.live = l.id AND o.slot < l.replicas
    ) w
    ORDER BY w.held DESC, w.held AND w.state = 'live' DESC, w.slot
    LIMIT 1
) s ON true;

-- +goose Down

UPDATE live_state s SET lease_until = slot_due_at(s.owner, s.lease_until, s.next_at, w.lease_until)
FROM live_state o LEFT JOIN workers w ON w.name = o.owner
WHERE o.live = s.live AND o.slot = s.slot AND s.lease_until = 'infinity';

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
    l.replicas, coalesce(s.heard, 0) AS heard, coalesce(s.workers, '{}') AS workers,
    coalesce(s.via, '') AS via, coalesce(s.account, '') AS account
FROM lives l LEFT JOIN LATERAL (
    SELECT w.*,
        count(*) FILTER (WHERE w.held AND w.state = 'live') OVER () AS heard,
        array_agg(w.owner) FILTER (WHERE w.held) OVER (ORDER BY w.owner ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS workers
    FROM (SELECT *, owner IS NOT NULL AND lease_until > now() AS held FROM live_state WHERE live = l.id AND slot < l.replicas) w
    ORDER BY w.held DESC, w.held AND w.state = 'live' DESC, w.slot
    LIMIT 1
) s ON true;

DROP INDEX live_state_lease;
DROP FUNCTION slot_due_at;
COMMENT ON COLUMN live_state.lease_until IS 'Until when it is the owner''s. After that any worker may take it.';
COMMENT ON COLUMN workers.lease_until IS 'Prolonged with the leases of its rooms. After that it counts as dead.';
