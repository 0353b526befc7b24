package migrations

import (
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Each query of docs/cookbook.md can be run, and answers something on the seeded
// broadcasts, unless it says that it may be empty.
func TestCookbook(t *testing.T) {
	page, err := os.ReadFile("../docs/cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	postgresURL, dsn := migrated(t)
	conn := open(t, dsn)
	seed(t, conn, rand.New(rand.NewPCG(1, 2)))
	postgres := connect(t, postgresURL)
	seeded := strings.NewReplacer("3xabcdefgh23456", seededLive, "8SJgk6L-2iM", seededStreams[0])
	blocks := regexp.MustCompile("(?s)```sql ?([a-z]*)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 25 {
		t.Errorf("only %d queries were found", len(blocks))
	}
	for _, block := range blocks {
		kind, sql := block[1], seeded.Replace(block[2])
		if kind == "postgres" {
			if _, err := postgres.Exec(t.Context(), sql); err != nil {
				t.Errorf("%s%v", sql, err)
			}
			continue
		}
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Errorf("%s%v", sql, err)
			continue
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := rows.Err(); err != nil || n == 0 && kind != "empty" {
			t.Errorf("%s%d rows, %v", sql, n, err)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
}
