package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"kslive/internal/chdb"
	"kslive/internal/simulator"
)

// A worker does all that it has to with the roles of deploy/postgres/worker.sql and
// deploy/clickhouse/users.d/worker.xml, and can do nothing else with them.
func TestLeastPrivilege(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 3, Rate: 50, PushEvery: 200 * time.Millisecond})
	postgres := workerRole(t, s)
	restartWithGrants(t, s)
	ids := s.rooms(t, 4)
	run := s.startRun(t, s.engines.ClickHouse, "--postgres", postgres, "--no-migrate")
	s.mustRun(t, append([]string{"lives", "add", "--postgres", postgres}, ids...)...)
	eventually(t, "rows are stored", func() bool { return s.audit(t).Stored > 300 })
	s.simulator.StopPushing()
	run.stop()
	if audit := s.audit(t); audit.Missing+audit.Doubled+audit.Extra > 0 {
		t.Errorf("%+v", audit)
	}
	user := s.value(t, "SELECT user_id FROM comments WHERE user_id != '' LIMIT 1")
	for _, args := range [][]string{
		{"lives", "list", "--postgres", postgres},
		{"accounts", "--postgres", postgres},
		{"replay", "--clickhouse", s.engines.ClickHouse, "--data-dir", s.dir},
		{"erase", "--user", user, "--postgres", postgres, "--clickhouse", s.engines.ClickHouse, "--data-dir", s.dir},
	} {
		s.mustRun(t, args...)
	}
	refusedByPostgres(t, postgres)
	refusedByClickHouse(t, s.curl(t))
}

// On a Postgres that somebody else manages, nobody is a superuser: the owner of the
// database makes the tables and both roles, and may make them again.
func TestRolesNeedNoSuperuser(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 3})
	execute(t, s, "CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'owner''s'")
	execute(t, s, "CREATE DATABASE managed OWNER owner")
	as := func(user, password string) string {
		u, err := url.Parse(s.engines.Postgres)
		if err != nil {
			t.Fatal(err)
		}
		u.User, u.Path = url.UserPassword(user, password), "/managed"
		u.RawQuery = "sslmode=disable&options=" + strings.ReplaceAll(url.QueryEscape("-c kslive.worker_password=worker -c kslive.grafana_password=grafana"), "+", "%20")
		return u.String()
	}
	owner, worker := as("owner", "owner's"), as("kslive_worker", "worker")
	s.mustRun(t, "migrate", "--postgres", owner, "--clickhouse", s.engines.ClickHouse)
	for range 2 {
		for _, script := range []string{"worker.sql", "grafana.sql"} {
			executeScript(t, owner, text(t, "deploy/postgres/"+script))
		}
	}
	s.mustRun(t, "lives", "add", "--postgres", worker, "3xabcdefgh23456")
	refusedByPostgres(t, worker)
	executeScript(t, as("grafana", "grafana"), "SELECT * FROM live_status, workers, accounts, broadcasts")
	// One that may do more than it should is not taken for what it is called.
	execute(t, s, "ALTER ROLE kslive_worker CREATEDB")
	conn, err := pgx.Connect(t.Context(), owner)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), text(t, "deploy/postgres/worker.sql")); err == nil || !strings.Contains(err.Error(), "may do more than a worker should") {
		t.Errorf("a role that may make databases: %v", err)
	}
}

// mustRun runs a command of ingest.
func (s *setting) mustRun(t *testing.T, args ...string) {
	t.Helper()
	var out, log bytes.Buffer
	if code := run(t.Context(), args, nil, &out, &log); code != exitOK {
		t.Fatalf("ingest %s: exit code %d: %s %s", args[0], code, &out, &log)
	}
}

// workerRole runs worker.sql, as an operator would, and answers the URL of the role.
func workerRole(t *testing.T, s *setting) string {
	t.Helper()
	const password = "worker's"
	execute(t, s, "ALTER ROLE postgres SET kslive.worker_password = 'worker''s'")
	for range 2 { // it may be run again
		executeScript(t, s.engines.Postgres, text(t, "deploy/postgres/worker.sql"))
	}
	u, err := url.Parse(s.engines.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("kslive_worker", password)
	query := u.Query()
	query.Del("passfile")
	u.RawQuery = query.Encode()
	return u.String()
}

func executeScript(t *testing.T, address, script string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), script); err != nil {
		t.Fatal(err)
	}
}

// restartWithGrants starts the setting's ClickHouse again, with the grants of
// worker.xml instead of its owner's.
func restartWithGrants(t *testing.T, s *setting) {
	t.Helper()
	raw, err := os.ReadFile("../../deploy/clickhouse/users.d/worker.xml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Grants []string `xml:"users>kslive_worker>grants>query"`
	}
	if err := xml.Unmarshal(raw, &file); err != nil || len(file.Grants) == 0 {
		t.Fatalf("no grants in worker.xml: %v", err)
	}
	if err := s.engines.clickhouse.Close(); err != nil {
		t.Fatal(err)
	}
	s.engines.clickhouse, err = chdb.Start(t.Context(), chdb.Options{DataDir: filepath.Join(s.dir, "clickhouse"), Grants: file.Grants, Logger: s.logger})
	if err != nil {
		t.Fatal(err)
	}
	s.engines.ClickHouse = s.engines.clickhouse.DSN()
}

func refusedByPostgres(t *testing.T, address string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, statement := range []string{
		"CREATE TABLE mine (a int)",
		"CREATE TEMPORARY TABLE mine (a int)",
		"CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"CREATE SCHEMA mine",
		"CREATE DATABASE mine",
		"CREATE ROLE mine",
		"CREATE EXTENSION dblink",
		"ALTER TABLE lives ADD COLUMN mine int",
		"ALTER ROLE kslive_worker SUPERUSER",
		"DROP TABLE lives",
		"DROP TRIGGER lives_inserted ON lives",
		"TRUNCATE lives",
		"INSERT INTO ingest_migrations (version_id, is_applied) VALUES (999, true)",
		"DELETE FROM gift_refresh",
		"SELECT * FROM pg_authid",
		"SELECT pg_read_file('postgresql.conf')",
		"COPY (SELECT 1) TO PROGRAM 'cat'",
		"COPY lives TO '/tmp/mine'",
		"SET ROLE postgres",
	} {
		_, err := conn.Exec(t.Context(), statement)
		var refusal *pgconn.PgError
		if !errors.As(err, &refusal) || refusal.Code != "42501" {
			t.Errorf("%s: %v, want insufficient_privilege", statement, err)
		}
	}
}

func refusedByClickHouse(t *testing.T, address string) {
	t.Helper()
	for _, statement := range []string{
		"CREATE TABLE mine (a UInt8) ENGINE = Memory",
		"CREATE VIEW mine AS SELECT 1",
		"CREATE DATABASE mine",
		"CREATE FUNCTION mine AS x -> x",
		"ALTER TABLE comments ADD COLUMN mine UInt8",
		"ALTER TABLE comments MODIFY TTL toDate(event_time) + INTERVAL 1 DAY",
		"DROP TABLE comments",
		"TRUNCATE TABLE comments",
		"OPTIMIZE TABLE comments",
		"SYSTEM STOP MERGES comments",
		"SELECT * FROM url('http://127.0.0.1:1/', CSV, 'a String')",
	} {
		answer, code := askClickHouse(t, address, statement)
		if code != "497" {
			t.Errorf("%s: %q %s, want ACCESS_DENIED", statement, code, answer)
		}
	}
}

// askClickHouse answers what ClickHouse says to a statement, and its error code.
func askClickHouse(t *testing.T, address, statement string) (answer, code string) {
	t.Helper()
	response, err := http.Post(address, "text/plain", strings.NewReader(statement))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), response.Header.Get("X-ClickHouse-Exception-Code")
}
