//go:build (linux || darwin) && !noembed

package chdb

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"go.uber.org/goleak"
)

const testPassword = "s3cret&=/"

// shared is the engine that most tests use. TestMain sets it.
var shared *Engine

func TestMain(m *testing.M) {
	Child()
	if dir := os.Getenv(parentEnv); dir != "" {
		beParent(dir)
	}
	os.Exit(run(m))
}

// parentEnv makes the test binary a program with an engine in that directory, to be killed.
const parentEnv = "CHDB_TEST_PARENT"

func beParent(dir string) {
	e, err := Start(context.Background(), Options{DataDir: dir})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(e.address())
	select {}
}

// run fails without the library: these tests are of no use then, and `make engines` installs it.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "chdb")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared, err = Start(context.Background(), Options{DataDir: dir, Password: testPassword})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := shared.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// startEngine runs an engine of the test's own.
func startEngine(t *testing.T, o Options) *Engine {
	t.Helper()
	if o.DataDir == "" {
		o.DataDir = t.TempDir()
	}
	o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	e, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// dial opens a clickhouse-go connection that the test closes. change may be nil.
func dial(t testing.TB, e *Engine, change func(*clickhouse.Options)) driver.Conn {
	t.Helper()
	options, err := clickhouse.ParseDSN(e.DSN())
	if err != nil {
		t.Fatal(err)
	}
	options.MaxOpenConns, options.MaxIdleConns = 8, 8
	if change != nil {
		change(options)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	return conn
}

var tables atomic.Int64

// newTable creates a table with these columns and this engine, and returns its name.
func newTable(t testing.TB, conn driver.Conn, definition string) string {
	t.Helper()
	name := fmt.Sprintf("t%d", tables.Add(1))
	must(t, conn.Exec(t.Context(), "CREATE TABLE "+name+" "+definition))
	return name
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scalar runs a query that returns one value.
func scalar[T any](t *testing.T, conn driver.Conn, query string, args ...any) T {
	t.Helper()
	var v T
	if err := conn.QueryRow(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// eventually waits for what another process does, which gives no signal.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(15 * time.Second); !done(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

// running counts the queries whose text contains part.
func running(t *testing.T, conn driver.Conn, part string) uint64 {
	t.Helper()
	// The pieces are put together by the engine, so that this query does not count itself.
	return scalar[uint64](t, conn, "SELECT count() FROM system.processes WHERE position(query, {head:String} || {tail:String}) > 0",
		clickhouse.Named("head", part[:1]), clickhouse.Named("tail", strings.TrimPrefix(part, part[:1])))
}
