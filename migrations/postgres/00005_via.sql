-- +goose Up

-- In which way a room is entered, and with which account that was found.

ALTER TABLE live_state
    ADD COLUMN via     text NOT NULL DEFAULT '',
    ADD COLUMN account text NOT NULL DEFAULT '';

COMMENT ON COLUMN live_state.via IS
    'Which resolver found the way in, or refused it: endpoint (given with the row, or by the operator''s program), page, livedetail, byuser, or recall (comments only, by polling). Empty: none yet.';
COMMENT ON COLUMN live_state.account IS 'The name of the account that the room was looked up with; empty: none.';
COMMENT ON COLUMN live_state.state IS
    'queued, resolving, connecting, live, recall (comments only, by polling), offline, ended, finished, rate_limited, captcha, login_required, password, banned, not_found, unreachable, invalid, failed or stopped.';

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

COMMENT ON COLUMN live_status.via IS 'live_state.via';
COMMENT ON COLUMN live_status.account IS 'live_state.account';
