package ingest

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kslive/ingest/spool"
	"kslive/internal/chdb"
	"kslive/migrations"
	kuaishou "kslive/proto"
	"kslive/schema"
)

// openWarehouse makes an empty, migrated ClickHouse for one test.
func openWarehouse(t *testing.T) *ClickHouse {
	t.Helper()
	return openWarehouseAt(t, startClickHouse(t))
}

// startClickHouse starts the engine, migrated, and answers its URL.
func startClickHouse(t *testing.T) string {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	engine, err := chdb.Start(t.Context(), chdb.Options{DataDir: filepath.Join(t.TempDir(), "clickhouse"), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := migrations.ClickHouse(t.Context(), engine.DSN(), logger); err != nil {
		t.Fatal(err)
	}
	return engine.DSN()
}

func openWarehouseAt(t *testing.T, url string) *ClickHouse {
	t.Helper()
	warehouse, err := OpenClickHouse(url, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { warehouse.Close() })
	return warehouse
}

func countOf(t *testing.T, c *ClickHouse, query string) (n uint64) {
	t.Helper()
	if err := c.conn.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The real engine refuses a row in the middle of good ones: that row and its
// frame are in dead_letters, all others in their tables, once.
func TestPoisonRow(t *testing.T) {
	warehouse := openWarehouse(t)
	if err := warehouse.conn.Exec(t.Context(), "ALTER TABLE comments ADD CONSTRAINT no_poison CHECK content != '示例 poison'"); err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(t.TempDir(), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	frames := newSpooledFrames(s)
	const good = 40
	for i := range good + 1 {
		content := "示例 good"
		if i == good/2 {
			content = "示例 poison"
		}
		if err := frames.Append(frameOf(commentPush(t, content, uint64(sampleSent+i)))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := NewLoader(s, warehouse, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)).Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := countOf(t, warehouse, "SELECT count() FROM comments WHERE content = '示例 good'"); got != good {
		t.Errorf("%d good rows are stored, want %d", got, good)
	}
	if got := countOf(t, warehouse, "SELECT count() FROM dead_letters WHERE table_name = 'comments' AND error_code = 469 AND position(row, 'poison') > 0 AND position(frame, '示例 poison') > 0"); got != 1 {
		t.Errorf("%d dead letters, want 1", got)
	}
}

// What ClickHouse has under a token it does not store again: not as a block that we
// encoded, however compressed, nor as the driver's, which is what goes over TCP.
func TestInsertOnce(t *testing.T) {
	url := startClickHouse(t)
	first := openWarehouseAt(t, url)
	batch := schema.Batch{}
	NewDecoder(nil).Decode(frameOf(commentPush(t, "once", sampleSent)), 0, &batch)
	for _, way := range []string{"none", "lz4", "lz4hc", "zstd", "gzip", "deflate", "none, batched"} {
		t.Run(way, func(t *testing.T) {
			compression, batched := strings.CutSuffix(way, ", batched")
			warehouse := openWarehouseAt(t, url+"?compress="+compression)
			warehouse.overHTTP = !batched
			for rows := range batch.All() {
				for range 3 {
					if err := warehouse.Insert(t.Context(), way+"/"+rows.Name, rows); err != nil {
						t.Fatal(err)
					}
				}
			}
			if got := countOf(t, first, "SELECT count() FROM comments WHERE content = 'once' AND user_name = '示例'"); got != 1 {
				t.Errorf("%d rows, want 1", got)
			}
			if err := first.conn.Exec(t.Context(), "TRUNCATE TABLE comments"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestOnLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:8123": true, "localhost:9000": true, "[::1]:9000": true, "10.0.0.1:9000": false, "clickhouse:9000": false, "": false,
	} {
		if got := onLoopback([]string{"127.0.0.1:1", address}); got != want {
			t.Errorf("%q: %v, want %v", address, got, want)
		}
	}
}

// commentPush is an envelope with one comment, sent at a time in Unix ms.
func commentPush(t *testing.T, content string, at uint64) []byte {
	t.Helper()
	return encoded(t, &kuaishou.SocketMessage{
		PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, Time: at,
		Payload: encoded(t, &kuaishou.SCWebFeedPush{CommentFeeds: []*kuaishou.WebCommentFeed{{
			User: &kuaishou.SimpleUserInfo{PrincipalId: "u", UserName: "示例"}, Content: content,
		}}}),
	})
}
