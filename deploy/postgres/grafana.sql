-- The role that Grafana has in Postgres: it reads how the rooms, the workers and
-- the accounts are doing, and nothing that holds a secret (lives.endpoint does).
-- Run it once the tables are there (ingest migrate), and again after an upgrade,
-- in the database of ingest:
--
--   PGOPTIONS="-c kslive.grafana_password=..." psql --dbname=kslive --file=grafana.sql
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') THEN
        CREATE ROLE grafana;
    END IF;
    EXECUTE format('ALTER ROLE grafana LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT 20 PASSWORD %L',
        current_setting('kslive.grafana_password'));
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO grafana', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO grafana', current_schema());
END $$;
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '15s';
ALTER ROLE grafana SET idle_in_transaction_session_timeout = '15s';
GRANT SELECT ON live_status, workers, accounts, broadcasts TO grafana;
