package ingest

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"kslive/internal/dsn"
)

func TestClusterNames(t *testing.T) {
	for url, want := range map[string][4]string{
		"http://host:8123/kslive":                    {"comments", "dead_letters", "comments", ""},
		"http://host:8123/kslive?cluster=production": {"comments", "`kslive_local`.dead_letters", "`kslive_local`.comments ON CLUSTER 'production'", "1"},
		"http://host:8123/kslive?cluster=1":          {"comments", "`kslive_local`.dead_letters", "`kslive_local`.comments ON CLUSTER '1'", "1"},
		"clickhouse://host:9000?cluster=it%27s":      {"comments", "`default_local`.dead_letters", "`default_local`.comments ON CLUSTER 'it\\'s'", "1"},
	} {
		options, name, err := dsn.ClickHouse(url)
		if err != nil {
			t.Fatal(err)
		}
		c := onCluster(name, options.Auth.Database)
		got := [4]string{c.into("comments", []string{"event_id", "live_id"}), c.into("dead_letters", []string{"token"}), c.changed("comments")}
		if c.inserting(clickhouse.Settings{})["distributed_foreground_insert"] == 1 {
			got[3] = "1"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}
