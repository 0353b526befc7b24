-- +goose Up

-- With which accounts the workers look rooms up, and how Kuaishou takes them. No
-- foreign key: its locks would be in the way of the workers' registrations. A
-- worker takes its rows out when it stops; those of workers that are not
-- registered any more the others take out.

CREATE TABLE accounts (
    worker            text             NOT NULL,
    account           text             NOT NULL,
    exit              text             NOT NULL,
    state             text             NOT NULL,
    reason            text             NOT NULL DEFAULT '',
    since             timestamptz      NOT NULL,
    until             timestamptz,
    logged_in         boolean          NOT NULL,
    calls             bigint           NOT NULL,
    refusals          bigint           NOT NULL,
    rooms             integer          NOT NULL,
    rate              double precision NOT NULL,
    exit_rate         double precision NOT NULL,
    exit_calls_minute integer          NOT NULL,
    exit_waiting      integer          NOT NULL,
    updated_at        timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (worker, account)
) WITH (fillfactor = 50);

COMMENT ON TABLE accounts IS
    'The accounts with which workers look rooms up, one row for each worker and account. Written by ingest only; holds no secret. `ingest accounts` reads it.';
COMMENT ON COLUMN accounts.worker IS 'workers.name. When its lease_until has passed, the row is what it said last.';
COMMENT ON COLUMN accounts.account IS 'Its name in the accounts file; cookie: the one of --cookie-file; guest: nobody''s.';
COMMENT ON COLUMN accounts.exit IS 'From where its calls go: host and port of its proxy, or direct. Accounts of one worker with the same exit share its budget.';
COMMENT ON COLUMN accounts.state IS
    'ok; backing_off: told to slow down, it or its exit; captcha, login_required: out until its cookies are changed; unreachable: its proxy takes no calls.';
COMMENT ON COLUMN accounts.reason IS 'The state in a sentence.';
COMMENT ON COLUMN accounts.since IS 'Since when the state is so.';
COMMENT ON COLUMN accounts.until IS 'When it is used again; NULL: it is in use, or is out until its cookies are changed.';
COMMENT ON COLUMN accounts.logged_in IS 'Whether its cookies have kuaishou.live.web_st, without which most rooms on air are not shown.';
COMMENT ON COLUMN accounts.calls IS 'HTTP calls that the worker has made with it since the account was read.';
COMMENT ON COLUMN accounts.refusals IS 'How many of them Kuaishou refused for reasons of the account or its address.';
COMMENT ON COLUMN accounts.rooms IS 'Rooms held by the worker that are looked up with it now.';
COMMENT ON COLUMN accounts.rate IS 'Calls a second that it may make at most; 0: as many as its exit.';
COMMENT ON COLUMN accounts.exit_rate IS 'Calls a second that its exit may make at most; 0: no bound.';
COMMENT ON COLUMN accounts.exit_calls_minute IS 'Calls that its exit has made in the minute before updated_at.';
COMMENT ON COLUMN accounts.exit_waiting IS 'Calls that wait for their turns at its exit.';
COMMENT ON COLUMN accounts.updated_at IS 'When the worker wrote the row: every few seconds while something changes.';
