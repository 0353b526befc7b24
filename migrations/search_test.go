package migrations

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// searchServers are what differs between servers: one does not make text indexes.
var searchServers = map[string]struct{ settings, index string }{
	"text index":   {"", "text"},
	"bloom filter": {"?enable_full_text_index=0", "ngrambf_v1"},
}

// Whatever the server can index, a search finds what holds the text, once, and
// nothing else: neither what is half a word, nor what a row said before.
func TestSearch(t *testing.T) {
	for name, server := range searchServers {
		t.Run(name, func(t *testing.T) {
			postgresURL, dsn := emptyDatabases(t)
			dsn += server.settings
			if err := Run(t.Context(), postgresURL, dsn, logTo(t)); err != nil {
				t.Fatal(err)
			}
			conn := open(t, dsn)
			var kind string
			if err := conn.QueryRow(t.Context(), "SELECT type FROM system.data_skipping_indices WHERE database = currentDatabase() AND name = 'content_index'").Scan(&kind); err != nil {
				t.Fatal(err)
			}
			if kind != server.index {
				t.Errorf("the index is a %s, want %s", kind, server.index)
			}
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			texts := []string{"送个火箭", "箭火", "火", "刷火箭[火箭]", "100%火箭", "100火箭", "a_b", "axb", `C:\火箭`, "火箭abc", "abcd", "666", "6666"}
			for range 300 {
				texts = append(texts, randomText(random, 12))
			}
			insertTexts(t, conn, texts)
			for _, part := range append(slicesOf(random, texts, 60), "火箭", "火", "箭", "6", "66", "%", "_", `\`, "没有人说", "b6火", "6.", "'a") {
				requireFound(t, conn, part, texts)
			}
			requireIndexUsed(t, conn)
		})
	}
}

func randomText(random *rand.Rand, most int) string {
	letters := []rune("火箭冲来了主播好aB16%_\\'.: []！😂")
	var text strings.Builder
	for range 1 + random.IntN(most) {
		text.WriteRune(letters[random.IntN(len(letters))])
	}
	return text.String()
}

// slicesOf are parts of some of the texts, and others that none may hold.
func slicesOf(random *rand.Rand, texts []string, n int) []string {
	var parts []string
	for range n {
		if random.IntN(4) == 0 {
			parts = append(parts, randomText(random, 3))
			continue
		}
		text := []rune(texts[random.IntN(len(texts))])
		from := random.IntN(len(text))
		parts = append(parts, string(text[from:min(len(text), from+1+random.IntN(4))]))
	}
	return parts
}

// insertTexts inserts a comment for each text, half of them twice, and before that
// another text under the same key, which nobody is to find.
func insertTexts(t *testing.T, conn driver.Conn, texts []string) {
	t.Helper()
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	const into = "comments (live_id, live_stream_id, event_time, event_id, user_id, content, show_type, inserted_at)"
	var before, now [][]any
	for i, text := range texts {
		row := func(text string, inserted time.Time) []any {
			return []any{fmt.Sprint("live", i%3), "stream", at.Add(time.Duration(i) * time.Second), uint64(i), "user", text, "normal", inserted}
		}
		before = append(before, row("没有人说火箭b6火", at))
		now = append(now, row(text, at.Add(time.Hour)))
	}
	insertTwice(t, conn, into, before)
	insertTwice(t, conn, into, now)
}

// misread is what the server's text index misreads in a pattern: see
// clickhouse/00033_search_exact.sql.
var misread = regexp.MustCompile(`[A-Za-z0-9][.:']+$|^[.:']+[A-Za-z0-9]`)

func requireFound(t *testing.T, conn driver.Conn, part string, texts []string) {
	t.Helper()
	want := uint64(0)
	for _, text := range texts {
		if strings.Contains(text, part) {
			want++
		}
	}
	escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(part)
	quoted := func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	questions := []string{"SELECT count() FROM comment_search(text = " + quoted(part) + ", most = 100000)"}
	if !misread.MatchString(part) {
		questions = append(questions, "SELECT count() FROM comments_unique WHERE content LIKE "+quoted("%"+escaped+"%"))
	}
	for _, sql := range questions {
		var got uint64
		if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if got != want {
			t.Errorf("%s found %d, want %d", sql, got, want)
		}
	}
}

// requireIndexUsed requires a search for what is nowhere to read no comment: words
// of characters, a part of a word, and signs between digits, of which each is said.
func requireIndexUsed(t *testing.T, conn driver.Conn) {
	t.Helper()
	for _, text := range []string{"福袋几点抽", "zzzqq", "3.5"} {
		var found uint64
		sql := "SELECT count() FROM comment_search(text = '" + text + "', most = 100) SETTINGS max_rows_to_read = 1, use_query_condition_cache = 0"
		if err := conn.QueryRow(t.Context(), sql).Scan(&found); err != nil || found != 0 {
			t.Errorf("%s: %d, %v", sql, found, err)
		}
	}
}
