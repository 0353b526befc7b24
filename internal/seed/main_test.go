package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"kslive/internal/chdb"
)

func TestMain(m *testing.M) {
	chdb.Child()
	os.Exit(m.Run())
}

// seeded fills a new database of the engine and answers a connection to it.
func seeded(t *testing.T, engine *chdb.Engine, database string, seed uint64) driver.Conn {
	t.Helper()
	u, err := url.Parse(engine.DSN())
	if err != nil {
		t.Fatal(err)
	}
	connect := func() driver.Conn {
		settings, err := clickhouse.ParseDSN(u.String())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := clickhouse.Open(settings)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	if err := connect().Exec(t.Context(), "CREATE DATABASE "+database); err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	o := &options{Clickhouse: u.String(), Comments: 20_000, Ticks: 3_000, Lives: 12, Days: 3, Until: "2026-11-25", Seed: seed, Rollups: true, Optimize: true}
	if err := run(t.Context(), o, slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), o, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a database that holds comments was filled again")
	}
	return connect()
}

func number(t *testing.T, conn driver.Conn, sql string) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT toUInt64("+sql+")").Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// There are as many rows as were asked for, the same for the same seed, and what
// the views and rollups make of them follows from how they were made.
func TestSeed(t *testing.T) {
	engine, err := chdb.Start(context.Background(), chdb.Options{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	conn, again, other := seeded(t, engine, "one", 1), seeded(t, engine, "again", 1), seeded(t, engine, "other", 2)

	for sql, want := range map[string]uint64{
		"(SELECT count() FROM comments_unique)":                                                    20_000,
		"(SELECT count() FROM gifts_unique)":                                                       3_000,
		"(SELECT countIf(show_type = 'hidden') FROM comments)":                                     number(t, conn, "(SELECT count() FROM likes_unique)"),
		"(SELECT sum(gifts) FROM gift_ticks)":                                                      number(t, conn, "(SELECT sum(batch_size) FROM gifts)"),
		"(SELECT countIf(price_source != 'feed' AND price_source != 'catalogue') FROM gift_ticks)": 0,
		"(SELECT countIf(NOT beginning_heard) FROM gift_combos)":                                   0,
		"(SELECT uniqExact(live_id) FROM comments)":                                                number(t, conn, "(SELECT uniqExact(live_id) FROM broadcasts)"),
		"(SELECT sum(comments) FROM broadcasts)":                                                   number(t, conn, "(SELECT countIf(show_type != 'hidden') FROM comments)"),
		"(SELECT sum(comments) FROM comments_rollup FINAL)":                                        number(t, conn, "(SELECT sum(comments) FROM broadcasts)"),
		"(SELECT sum(comments) FROM comments_rollup_hour FINAL)":                                   number(t, conn, "(SELECT sum(comments) FROM broadcasts)"),
		"(SELECT sum(value) FROM gifts_rollup FINAL)":                                              number(t, conn, "(SELECT sum(value) FROM gift_ticks)"),
		"(SELECT max(watching_max) FROM watching_rollup_hour FINAL)":                               number(t, conn, "(SELECT max(watching_count) FROM room_stats)"),
		// Every row is of a session, in the time in which that heard something.
		"(SELECT count() FROM comments AS c JOIN coverage AS s ON s.event_id = c.session_id WHERE c.received_at BETWEEN s.connected_at AND s.last_frame_at + INTERVAL 2 SECOND)": 20_000,
		"(SELECT countIf(cause = 'silent') FROM gaps)": number(t, conn, "(SELECT countIf(cause = 'silent') FROM coverage)"),
	} {
		if got := number(t, conn, sql); got != want {
			t.Errorf("%s is %d, want %d", sql, got, want)
		}
	}
	if number(t, conn, "(SELECT count() FROM comments WHERE content LIKE '%火箭%')") == 0 {
		t.Error("nobody speaks of 火箭")
	}
	for _, table := range filled {
		sum := fmt.Sprintf("(SELECT groupBitXor(sipHash64(* EXCEPT inserted_at)) FROM %s)", table)
		one := number(t, conn, sum)
		if two := number(t, again, sum); two != one {
			t.Errorf("%s differs from run to run", table)
		}
		if two := number(t, other, sum); two == one && table != "gift_catalogue" {
			t.Errorf("%s is the same for another seed", table)
		}
	}
}
