package main

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"kslive/ingest"
)

func TestOnCluster(t *testing.T) {
	for given, want := range map[string]string{
		"clickhouse://u:p%40ss@a:9000,b:9000/kslive":   "clickhouse://u:p%40ss@a:9000,b:9000/kslive?cluster=production",
		"http://a:8123/kslive?insert_quorum=auto":      "http://a:8123/kslive?cluster=production&insert_quorum=auto",
		"http://a:8123/kslive?cluster=another-cluster": "http://a:8123/kslive?cluster=production",
	} {
		if got, err := onCluster(given, "production"); got != want || err != nil {
			t.Errorf("%q: %q, %v, want %q", given, got, err, want)
		}
	}
	for given, want := range map[string]string{"": "--clickhouse", "http://u:hunter2@a:port/kslive": "http://user:"} {
		_, err := onCluster(given, "production")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", given, err)
		}
	}
}

// What others have noted of the embedded ClickHouse holds at the next start.
func TestEmbeddedClickHouseStaysWhereItIs(t *testing.T) {
	flags := engineFlags{DataDir: t.TempDir(), ClickhouseListen: freeAddress(t)}
	var first stores
	for start := range 2 {
		e, err := startEngines(t.Context(), flags, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if start == 0 {
			first = e.stores
		}
		answer, code := askClickHouse(t, "http://"+flags.ClickhouseListen, "SELECT 1")
		warehouse, err := ingest.OpenClickHouse(first.ClickHouse, 0)
		if err == nil {
			err = errors.Join(warehouse.Ping(t.Context()), warehouse.Close())
		}
		if err := errors.Join(err, e.Close()); err != nil {
			t.Error(err)
		}
		if e.ClickHouse != first.ClickHouse || code != "516" {
			t.Errorf("start %d: %s, before it %s; without the password: %s %s", start, e.ClickHouse, first.ClickHouse, code, answer)
		}
	}
}
