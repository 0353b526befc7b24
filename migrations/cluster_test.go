package migrations

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"flag"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata anew")

// statement is in the files of migrations between StatementBegin and StatementEnd.
var statement = regexp.MustCompile(`(?s)-- \+goose StatementBegin\n(.*?)\n-- \+goose StatementEnd`)

// statements calls visit with each statement of the migrations of ClickHouse.
func statements(t *testing.T, visit func(file, statement string)) {
	t.Helper()
	names, err := fs.Glob(files, "clickhouse/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		found := statement.FindAllSubmatch(text, -1)
		if len(found) != strings.Count(string(text), "StatementBegin") {
			t.Errorf("%s: a statement does not stand on lines of its own between StatementBegin and StatementEnd", name)
		}
		for _, s := range found {
			visit(filepath.Base(name), string(s[1]))
		}
	}
}

var production = &clickHouseCluster{name: "production", database: "kslive"}

// The server's own parser takes every statement as it is rendered, and no table
// is left on one node.
func TestClusterStatements(t *testing.T) {
	conn := open(t, engine.DSN())
	parses := func(file, query string) {
		t.Helper()
		var tree string
		if err := conn.QueryRow(t.Context(), "SELECT formatQuery({query:String})", clickhouse.Named("query", query)).Scan(&tree); err != nil {
			t.Errorf("%s: %v: %s", file, err, query)
		}
		if !strings.Contains(tree, "ON CLUSTER production") {
			t.Errorf("%s: this would be run on one node: %s", file, tree)
		}
	}
	plain := regexp.MustCompile(`ENGINE = (Replacing)?MergeTree|non_replicated`)
	statements(t, func(file, query string) {
		rendered, name, err := production.render(query)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			return
		}
		parses(file, rendered)
		if plain.MatchString(rendered) {
			t.Errorf("%s: not replicated: %s", file, rendered)
		}
		for _, s := range []shape{{engine: "ReplicatedMergeTree", byRoom: true, comment: "it's"}, {engine: "ReplicatedMergeTree"}, {engine: "View", byRoom: true}, {engine: "View"}, {}} {
			parses(file, production.over(name, s, rendered))
		}
	})
}

// What a table, one without rooms and a view become.
func TestClusterGolden(t *testing.T) {
	var got strings.Builder
	shapes := map[string]shape{
		"gifts":                   {engine: "ReplicatedReplacingMergeTree", byRoom: true, comment: "Ticks of gift combos."},
		"gifts_unique":            {engine: "View", byRoom: true, comment: "The table gifts with each event once."},
		"gift_catalogue":          {engine: "ReplicatedReplacingMergeTree", comment: "What the lists of gifts said."},
		"moment":                  {engine: "View"},
		"watching_rollup_refresh": {engine: "MaterializedView"},
	}
	seen := map[string]bool{}
	statements(t, func(file, query string) {
		rendered, name, err := production.render(query)
		if err != nil {
			t.Fatal(err)
		}
		if s, wanted := shapes[name]; wanted && !seen[name] {
			seen[name] = true
			got.WriteString("-- " + file + ", in kslive_local\n" + rendered + ";\n")
			if over := production.over(name, s, rendered); over != "" {
				got.WriteString("-- " + file + ", in kslive\n" + over + ";\n")
			}
			got.WriteString("\n")
		}
	})
	golden := filepath.Join("testdata", "cluster.sql")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("go test ./migrations -run ClusterGolden -update writes it anew:\n%s", diff)
	}
}

// A migration that would be on one node only is refused.
func TestClusterRefuses(t *testing.T) {
	for _, query := range []string{
		"INSERT INTO comments SELECT * FROM old_comments",
		"RENAME TABLE comments TO old_comments",
		"CREATE TABLE comments (live_id String) ENGINE = MergeTree ORDER BY live_id",
		"CREATE TABLE IF NOT EXISTS kslive.comments (live_id String) ENGINE = MergeTree ORDER BY live_id",
		"CREATE TABLE IF NOT EXISTS comments (live_id String) ENGINE = Log",
		"CREATE TABLE IF NOT EXISTS comments ENGINE = Memory AS SELECT 1",
		"CREATE TABLE IF NOT EXISTS comments\n(live_id String)\nENGINE = CollapsingMergeTree(sign)\nORDER BY live_id",
		"CREATE TABLE IF NOT EXISTS comments AS other",
		"CREATE MATERIALIZED VIEW IF NOT EXISTS sums ENGINE = SummingMergeTree ORDER BY a AS SELECT a FROM comments",
		"CREATE MATERIALIZED VIEW IF NOT EXISTS sums REFRESH EVERY 1 MINUTE ENGINE = MergeTree ORDER BY a AS SELECT a FROM comments",
		"CREATE DICTIONARY IF NOT EXISTS prices (a UInt8) PRIMARY KEY a",
		"SYSTEM REFRESH VIEW comments_rollup_refresh",
		"DELETE FROM comments WHERE live_id = ''",
		"",
	} {
		if rendered, _, err := production.render(query); err == nil {
			t.Errorf("%q was rendered as %q", query, rendered)
		}
	}
}

// oneServer runs what is meant for a cluster on the one engine that tests have,
// which has no ZooKeeper, cluster or server to talk to: a table is not replicated,
// and what is Distributed is read from the one shard there is.
type oneServer struct{ driver.Connector }

var (
	clusterOnly = strings.NewReplacer(" ON CLUSTER 'production'", "", "replicated_deduplication_window_seconds = 604800, ", "", "replicated_deduplication_window", window)
	distributed = regexp.MustCompile(`Distributed\('production', ('[^']*'), '([^']*)', cityHash64\(live_id\)\)`)
	replica     = regexp.MustCompile(`Replicated(\w*MergeTree)\('[^']*', '[^']*'(?:, )?`)
)

func (o oneServer) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := o.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return oneServerConn{conn.(clickHouseConn)}, nil
}

type oneServerConn struct{ clickHouseConn }

func (c oneServerConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	query = replica.ReplaceAllString(clusterOnly.Replace(query), "$1(")
	query = distributed.ReplaceAllString(query, "Merge($1, '^$2$$')")
	return c.clickHouseConn.ExecContext(ctx, query, args)
}

// All migrations, applied twice, make both databases as they should be, and rows
// inserted for the whole are read through every view.
func TestClusterMigrations(t *testing.T) {
	_, dsn := emptyDatabases(t)
	clustered := edited(t, dsn, func(u *url.URL) { u.RawQuery = "cluster=production" })
	target, err := openClickHouseBy(clustered, func(o *clickhouse.Options) driver.Connector { return oneServer{clickhouse.Connector(o)} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = target.Close() })
	missing, err := target.pending(t.Context())
	if err != nil || len(missing) == 0 {
		t.Fatal(missing, err)
	}
	for range 2 {
		if err := target.up(t.Context(), logTo(t)); err != nil {
			t.Fatal(err)
		}
		if err := target.check(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The second time all statements are run again.
		if _, err := target.cluster.whole.ExecContext(t.Context(), "TRUNCATE TABLE "+identifier(target.cluster.local())+"."+versionTable); err != nil {
			t.Fatal(err)
		}
	}
	whole := target.cluster.whole
	for name, want := range map[string]string{"comments": "Merge", "comments_unique": "Merge", "gift_catalogue": "Merge", "gift_prices": "View", "moment": "View", versionTable: "Merge"} {
		if got := textOf(t, whole, "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = "+literal(name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	const unlike = `SELECT arrayStringConcat(groupArray(table || '.' || name), ' ') FROM
		(SELECT table, name, database, count() OVER (PARTITION BY table, name, type, comment) AS n FROM system.columns WHERE database IN (currentDatabase(), currentDatabase() || '_local') AND table NOT LIKE '%_refresh')
		WHERE n != 2`
	if got := textOf(t, whole, unlike); got != "" {
		t.Errorf("columns that differ between the databases: %s", got)
	}
	for _, sql := range []string{
		"INSERT INTO " + identifier(target.cluster.local()) + ".gift_catalogue (gift_id, seen_at, source, name, priced, unit_price) VALUES (1, '2026-01-01', 'gift/all', '示例', true, 7)",
		"INSERT INTO " + identifier(target.cluster.local()) + ".gifts (live_id, live_stream_id, event_time, event_id, user_id, gift_id, batch_size, combo_count, merge_key) VALUES ('a', 's', '2026-01-02', 1, 'u', 1, 1, 3, '1-2-1-1')",
	} {
		if _, err := whole.ExecContext(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]string{
		"SELECT toString(value) FROM gift_combos":                                       "21",
		"SELECT text FROM moment(live = 'a', at = '2026-01-02 00:00:01', seconds = 60)": "示例 ×3",
		"SELECT toString(count()) FROM gifts FINAL ASOF LEFT JOIN gift_prices AS p ON p.gift_id = gifts.gift_id AND gifts.event_time >= p.valid_from WHERE p.unit_price = 7": "1",
		"SELECT name FROM gift_catalogue FINAL": "示例",
	} {
		if got := textOf(t, whole, query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	oneLine(t, CheckClickHouse(t.Context(), dsn), "those of a cluster", "--clickhouse-cluster")
}

// The tables of one server are not replaced by those of a cluster.
func TestClusterGuard(t *testing.T) {
	_, dsn := migrated(t)
	clustered := edited(t, dsn, func(u *url.URL) { u.RawQuery = "cluster=production" })
	oneLine(t, ClickHouse(t.Context(), clustered, logTo(t)), "those of one server", "another database")
	if err := CheckClickHouse(t.Context(), dsn); err != nil {
		t.Error(err)
	}
}

func textOf(t *testing.T, db *sql.DB, query string) (text string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&text); err != nil {
		t.Errorf("%s: %v", query, err)
	}
	return text
}
