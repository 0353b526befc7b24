-- The role that workers have in Postgres: they read and write rows, make no tables,
-- and own nothing. `ingest migrate` stays with the owner of the database, and workers
-- are started with --no-migrate. Run it once the tables are there, and again after an
-- upgrade, in the database of ingest, as the owner of that and of the tables, who needs
-- CREATEROLE and need not be a superuser:
--
--   PGOPTIONS="-c kslive.worker_password=..." psql --dbname=kslive --file=worker.sql
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kslive_worker') THEN
        CREATE ROLE kslive_worker;
    END IF;
    -- A new role may do nothing of this. Only a superuser may write so into ALTER ROLE.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'kslive_worker' AND (rolsuper OR rolreplication OR rolbypassrls OR rolcreatedb OR rolcreaterole)) THEN
        RAISE EXCEPTION 'the role kslive_worker is there already, and may do more than a worker should' USING HINT = 'DROP ROLE it, or let a superuser take that from it';
    END IF;
    EXECUTE format('ALTER ROLE kslive_worker LOGIN NOINHERIT PASSWORD %L',
        current_setting('kslive.worker_password'));
    EXECUTE format('REVOKE CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO kslive_worker', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO kslive_worker', current_schema());
END $$;

-- What `ingest lives` and short links write, and people.
GRANT SELECT, INSERT, UPDATE, DELETE ON lives TO kslive_worker;
-- What workers write of rooms, of each other, and of what is to be done.
GRANT SELECT, INSERT, UPDATE, DELETE ON live_state, workers, accounts, broadcasts TO kslive_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON chores, spools, erasures, erasure_reports TO kslive_worker;
GRANT SELECT, UPDATE ON gift_refresh TO kslive_worker;
GRANT SELECT ON live_status, ingest_migrations TO kslive_worker;
