package migrations

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"kslive/internal/chdb"
	"kslive/internal/pgembed"
)

// The engines that all tests use, each with databases of its own.
var (
	cluster *pgembed.Cluster
	engine  *chdb.Engine
)

func TestMain(m *testing.M) {
	chdb.Child()
	if url := os.Getenv(migrateEnv); url != "" {
		os.Exit(beMigrator(url, os.Getenv(migrateEnv+"_CLICKHOUSE")))
	}
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	dir, err := os.MkdirTemp("", "migrations")
	if err != nil {
		return complain(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	if cluster, err = pgembed.Start(ctx, pgembed.Options{DataDir: filepath.Join(dir, "postgres")}); err != nil {
		return complain(err)
	}
	if engine, err = chdb.Start(ctx, chdb.Options{DataDir: filepath.Join(dir, "clickhouse"), Password: "hunter2"}); err != nil {
		return complain(err, cluster.Close())
	}
	code = m.Run()
	if closed := complain(engine.Close(), cluster.Close()); closed != 0 {
		return closed
	}
	if err := goleak.Find(); err != nil {
		return complain(err)
	}
	return code
}

func complain(errs ...error) (code int) {
	for _, err := range errs {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	return code
}

var databases atomic.Int64

// emptyDatabases makes a new database in each engine.
func emptyDatabases(t *testing.T) (postgresURL, clickHouseDSN string) {
	t.Helper()
	name := fmt.Sprintf("test_%d", databases.Add(1))
	conn := connect(t, cluster.URL())
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	if err := open(t, engine.DSN()).Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return withDatabase(t, cluster.URL(), name), withDatabase(t, engine.DSN(), name)
}

func withDatabase(t *testing.T, raw, database string) string {
	t.Helper()
	return edited(t, raw, func(u *url.URL) { u.Path = "/" + database })
}

func edited(t *testing.T, raw string, edit func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	edit(u)
	return u.String()
}

// migrated makes a new database in each engine and applies all migrations.
func migrated(t *testing.T) (postgresURL, clickHouseDSN string) {
	t.Helper()
	postgresURL, clickHouseDSN = emptyDatabases(t)
	if err := Run(t.Context(), postgresURL, clickHouseDSN, logTo(t)); err != nil {
		t.Fatal(err)
	}
	return postgresURL, clickHouseDSN
}

func logTo(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// connect opens a connection to Postgres for the time of the test.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// open opens ClickHouse for the time of the test.
func open(t *testing.T, dsn string) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// oneLine fails unless err is one line that holds all of parts and no password.
func oneLine(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	t.Log(err)
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	for _, part := range []string{"\n", "hunter2", "wrong-secret"} {
		if strings.Contains(err.Error(), part) {
			t.Errorf("%q holds %q", err, part)
		}
	}
}
