-- +goose Up

-- When authors are live: for people, and to look at a room more often when it is
-- likely to go on air.

ALTER TABLE live_state ADD COLUMN off_air_at timestamptz;
COMMENT ON COLUMN live_state.off_air_at IS 'When its author was last found not to be live; NULL: never.';

-- No foreign key: inserting a row would wait for whoever has its row of lives
-- locked, and with it the news of all other rooms. A trigger deletes instead.

CREATE TABLE broadcasts (
    live           bigint      NOT NULL,
    live_stream_id text        NOT NULL,
    off_air_at     timestamptz,
    first_seen     timestamptz NOT NULL DEFAULT now(),
    last_seen      timestamptz NOT NULL DEFAULT now(),
    ended_at       timestamptz,
    PRIMARY KEY (live, live_stream_id)
) WITH (fillfactor = 80);

CREATE INDEX broadcasts_recent ON broadcasts (live, first_seen); -- claims read a month of them

COMMENT ON TABLE broadcasts IS
    'The broadcasts of each room that were heard, one row each, however many workers heard it. When a room is heard, those that are older than 90 days are deleted. Rooms are looked at more often around the hours at which theirs began. Written by ingest only.';
COMMENT ON COLUMN broadcasts.live IS 'lives.id';
COMMENT ON COLUMN broadcasts.live_stream_id IS 'The broadcast, as in the tables of ClickHouse.';
COMMENT ON COLUMN broadcasts.off_air_at IS 'When the author was last found not to be live before that: it began between this and first_seen. NULL: it was on air when the room was first looked at.';
COMMENT ON COLUMN broadcasts.first_seen IS 'When it was first heard.';
COMMENT ON COLUMN broadcasts.last_seen IS 'When a worker last began or ceased to hear it. While it is being heard, live_status says so.';
COMMENT ON COLUMN broadcasts.ended_at IS 'When it was found to be over. NULL: it is on air, or its end was missed and a later one has begun.';

-- +goose StatementBegin
CREATE FUNCTION broadcasts_forgotten() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM broadcasts b USING old_lives o WHERE b.live = o.id;
    ELSE
        DELETE FROM broadcasts b USING old_lives o JOIN new_lives n USING (id) WHERE b.live = o.id AND o.live_id <> n.live_id;
    END IF;
    RETURN NULL;
END
$$;

-- The name resolution of a SECURITY DEFINER function must not be the caller's.
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION broadcasts_forgotten() SET search_path = %I, pg_temp', current_schema());
END $$;
-- +goose StatementEnd
COMMENT ON FUNCTION broadcasts_forgotten IS 'Deletes the broadcasts of rows of lives that are deleted or become another room.';

CREATE TRIGGER lives_renamed AFTER UPDATE ON lives
    REFERENCING OLD TABLE AS old_lives NEW TABLE AS new_lives FOR EACH STATEMENT EXECUTE FUNCTION broadcasts_forgotten();
CREATE TRIGGER lives_forgotten AFTER DELETE ON lives
    REFERENCING OLD TABLE AS old_lives FOR EACH STATEMENT EXECUTE FUNCTION broadcasts_forgotten();

-- Workers that share an address share what Kuaishou takes from it.

ALTER TABLE workers ADD COLUMN exits text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN workers.exits IS
    'The addresses that its calls to Kuaishou come from: the host and port of each proxy, and direct@<host name> without one. Workers that name the same one divide its budget evenly.';
