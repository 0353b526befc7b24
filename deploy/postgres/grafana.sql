-- The role that Grafana has in Postgres: it reads how the rooms, the workers and
-- the accounts are doing, and nothing that holds a secret (lives.endpoint does).
-- Run it once the tables are there (ingest migrate), and again after an upgrade,
-- in the database of ingest, as the owner of that and of the tables, who needs
-- CREATEROLE and need not be a superuser:
--
--   PGOPTIONS="-c kslive.grafana_password=..." psql --dbname=kslive --file=grafana.sql
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana') THEN
        CREATE ROLE grafana;
    END IF;
    -- A new role may do nothing of this. Only a superuser may write so into ALTER ROLE.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'grafana' AND (rolsuper OR rolreplication OR rolbypassrls OR rolcreatedb OR rolcreaterole)) THEN
        RAISE EXCEPTION 'the role grafana is there already, and may do more than read' USING HINT = 'DROP ROLE it, or let a superuser take that from it';
    END IF;
    EXECUTE format('ALTER ROLE grafana LOGIN CONNECTION LIMIT 20 PASSWORD %L',
        current_setting('kslive.grafana_password'));
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO grafana', current_database());
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO grafana', current_schema());
END $$;
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '15s';
ALTER ROLE grafana SET idle_in_transaction_session_timeout = '15s';
GRANT SELECT ON live_status, workers, accounts, broadcasts TO grafana;
