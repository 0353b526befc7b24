package migrations

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// migrateEnv makes this test binary a process that migrates and nothing else.
const migrateEnv = "MIGRATIONS_TEST_POSTGRES"

func beMigrator(postgresURL, clickHouseDSN string) int {
	return complain(Run(context.Background(), postgresURL, clickHouseDSN, slog.New(slog.DiscardHandler)))
}

func TestRunTwice(t *testing.T) {
	postgresURL, clickHouseDSN := migrated(t)
	if err := Run(t.Context(), postgresURL, clickHouseDSN, logTo(t)); err != nil {
		t.Fatal(err)
	}
	if err := Postgres(t.Context(), postgresURL, logTo(t)); err != nil {
		t.Fatal(err)
	}
	if err := ClickHouse(t.Context(), clickHouseDSN, logTo(t)); err != nil {
		t.Fatal(err)
	}
	appliedOnce(t, postgresURL, clickHouseDSN)
}

// Several goroutines and processes start on two empty databases at once.
func TestRunConcurrently(t *testing.T) {
	postgresURL, clickHouseDSN := emptyDatabases(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := Run(t.Context(), postgresURL, clickHouseDSN, logTo(t)); err != nil {
				t.Error(err)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), exe)
			cmd.Env = append(os.Environ(), migrateEnv+"="+postgresURL, migrateEnv+"_CLICKHOUSE="+clickHouseDSN)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	appliedOnce(t, postgresURL, clickHouseDSN)
}

func appliedOnce(t *testing.T, postgresURL, clickHouseDSN string) {
	t.Helper()
	var versions, distinct int64
	const sql = "SELECT count(*), count(DISTINCT version_id) FROM " + versionTable
	if err := connect(t, postgresURL).QueryRow(t.Context(), sql).Scan(&versions, &distinct); err != nil {
		t.Fatal(err)
	}
	if versions != distinct || distinct < 2 {
		t.Errorf("Postgres: %d entries for %d migrations", versions, distinct)
	}
	var inClickHouse, distinctInClickHouse uint64
	if err := open(t, clickHouseDSN).QueryRow(t.Context(), sql).Scan(&inClickHouse, &distinctInClickHouse); err != nil {
		t.Fatal(err)
	}
	if inClickHouse != distinctInClickHouse || distinctInClickHouse < 2 {
		t.Errorf("ClickHouse: %d entries for %d migrations", inClickHouse, distinctInClickHouse)
	}
	if err := Check(t.Context(), postgresURL, clickHouseDSN); err != nil {
		t.Error(err)
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	postgresURL, clickHouseDSN := emptyDatabases(t)
	oneLine(t, Check(t.Context(), postgresURL, clickHouseDSN), "postgres", "migration 1 (00001_lives.sql) is not applied", "`ingest migrate`")
	if err := Postgres(t.Context(), postgresURL, logTo(t)); err != nil {
		t.Fatal(err)
	}
	oneLine(t, Check(t.Context(), postgresURL, clickHouseDSN), "clickhouse", "migration 1 (00001_comments.sql) is not applied", "`ingest migrate`")
	if err := ClickHouse(t.Context(), clickHouseDSN, logTo(t)); err != nil {
		t.Fatal(err)
	}
	if err := open(t, clickHouseDSN).Exec(t.Context(), "DELETE FROM "+versionTable+" WHERE version_id = 3"); err != nil {
		t.Fatal(err)
	}
	oneLine(t, Check(t.Context(), postgresURL, clickHouseDSN), "migration 3 (00003_gifts.sql) is not applied")
}

// A migration that was cut short in ClickHouse is applied again from its start.
func TestClickHouseMigrationsCanBeRepeated(t *testing.T) {
	_, clickHouseDSN := migrated(t)
	if err := open(t, clickHouseDSN).Exec(t.Context(), "TRUNCATE TABLE "+versionTable); err != nil {
		t.Fatal(err)
	}
	if err := ClickHouse(t.Context(), clickHouseDSN, logTo(t)); err != nil {
		t.Fatal(err)
	}
}

func TestErrors(t *testing.T) {
	postgresURL, clickHouseDSN := migrated(t)
	refused := "127.0.0.1:" + closedPort(t)
	host := func(address string) func(*url.URL) { return func(u *url.URL) { u.Host = address } }
	password := func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "wrong-secret") }
	database := func(u *url.URL) { u.Path = "/nowhere" }
	for name, test := range map[string]struct {
		postgres, clickHouse string
		want                 []string
	}{
		"postgres unparsable":    {"postgres://u:wrong-secret@host:port/x y", clickHouseDSN, []string{"Postgres URL", "postgres://user:"}},
		"postgres refused":       {edited(t, postgresURL, host(refused)), clickHouseDSN, []string{refused, "connection refused", "check the address"}},
		"postgres password":      {edited(t, postgresURL, password), clickHouseDSN, []string{"password", "check user and password"}},
		"postgres database":      {edited(t, postgresURL, database), clickHouseDSN, []string{"nowhere", "CREATE DATABASE"}},
		"clickhouse unparsable":  {postgresURL, "http://u:wrong-secret@host:port/%", []string{"ClickHouse URL", "http://user:"}},
		"clickhouse no protocol": {postgresURL, "localhost", []string{"ClickHouse URL"}},
		"clickhouse refused":     {postgresURL, edited(t, clickHouseDSN, host(refused)), []string{refused, "connection refused", "check the address"}},
		"clickhouse password":    {postgresURL, edited(t, clickHouseDSN, password), []string{"516", "check user and password"}},
		"clickhouse database":    {postgresURL, edited(t, clickHouseDSN, database), []string{"nowhere", "CREATE DATABASE"}},
	} {
		t.Run(name, func(t *testing.T) {
			oneLine(t, Run(t.Context(), test.postgres, test.clickHouse, logTo(t)), test.want...)
			oneLine(t, Check(t.Context(), test.postgres, test.clickHouse), test.want...)
		})
	}
}

// Since version 15 of Postgres not everyone may make tables in public.
func TestPostgresPermission(t *testing.T) {
	postgresURL, clickHouseDSN := emptyDatabases(t)
	conn := connect(t, postgresURL)
	for _, sql := range []string{"CREATE ROLE guest LOGIN PASSWORD 'hunter2'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	guest := edited(t, postgresURL, func(u *url.URL) { u.User = url.UserPassword("guest", "hunter2"); u.RawQuery = "" })
	oneLine(t, Run(t.Context(), guest, clickHouseDSN, logTo(t)), "permission denied", "user guest needs CREATE")
}

// A server that takes connections and says nothing must not hold a daemon up.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	address := listener.Addr().String()
	for name, migrate := range map[string]func() error{
		"postgres":   func() error { return Postgres(t.Context(), "postgres://u:hunter2@"+address+"/x", logTo(t)) },
		"clickhouse": func() error { return ClickHouse(t.Context(), "http://u:hunter2@"+address+"/x", logTo(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			oneLine(t, migrate(), address, "no answer in time")
			if took := time.Since(start); took > 2*connectTimeout {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	postgresURL, clickHouseDSN := emptyDatabases(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, postgresURL, clickHouseDSN, logTo(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
