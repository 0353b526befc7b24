package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/prometheus/client_golang/prometheus"

	"kslive/schema"
)

// refusing is a warehouse that refuses rows as told, and an inserter into it.
func refusing(refuse func(schema.Rows) bool) (*inserter, *brokenWarehouse) {
	w := &brokenWarehouse{stored: make(map[string][]uint64), letters: make(map[string][]deadLetter)}
	w.fail = func(_ int, _ string, rows schema.Rows) (error, bool) {
		if refuse(rows) {
			return &clickhouse.Exception{Code: 469, Message: "violated"}, false
		}
		return nil, true
	}
	return &inserter{warehouse: w, metrics: NewMetrics(prometheus.NewRegistry()), logger: slog.New(slog.DiscardHandler)}, w
}

// holdsBad says whether one of the rows has the bad content.
func holdsBad(rows schema.Rows) bool {
	for i := range rows.Len() {
		if rows.Row(i).(*schema.Comment).Content == "bad" {
			return true
		}
	}
	return false
}

// comments are rows, good ones and then bad ones.
func comments(good, bad int) schema.Rows {
	var batch schema.Batch
	for i := range good + bad {
		comment := schema.Comment{Content: "good"}
		comment.EventID = uint64(i + 1)
		if i >= good {
			comment.Content = "bad"
		}
		batch.Comments = append(batch.Comments, comment)
	}
	for rows := range batch.All() {
		return rows
	}
	panic("no rows")
}

// insertComments answers whether the rows were stored or quarantined within an hour.
func insertComments(t *testing.T, i *inserter, token string, rows schema.Rows) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	err := i.insert(ctx, token, rows, source{complete: func(letters []deadLetter) []deadLetter { return letters }})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return err == nil
}

func lettersIn(w *brokenWarehouse) (n int) {
	for _, letters := range w.letters {
		n += len(letters)
	}
	return n
}

// Rows that are refused as a whole wait until the table has taken some: nobody
// knows before whether the fault is in them.
func TestRefusedByAnUnprovenTable(t *testing.T) {
	for _, rows := range []int{1, 2, 1000} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				i, w := refusing(holdsBad)
				if insertComments(t, i, "a", comments(0, rows)) || len(w.letters) > 0 {
					t.Errorf("%d letters before the table took anything", lettersIn(w))
				}
				w.fail = nil // somebody mended it
				if !insertComments(t, i, "a", comments(0, rows)) || len(w.letters) > 0 {
					t.Errorf("%d letters from a table that was mended", lettersIn(w))
				}
			})
		})
	}
}

// On a table that is proven, bad rows that come alone hold up nothing; they need
// no good ones beside them.
func TestRefusedByAProvenTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, w := refusing(holdsBad)
		for n := range 300 {
			for part, rows := range []schema.Rows{comments(3, 0), comments(0, 1), comments(0, 4)} {
				if !insertComments(t, i, fmt.Sprintf("%d/%d", n, part), rows) {
					t.Fatalf("round %d: part %d waits", n, part)
				}
			}
		}
		if got := lettersIn(w); got != 300*5 {
			t.Errorf("%d letters, want %d", got, 300*5)
		}
	})
}

// A table that became wrong while it was in use is not taken for one that has
// bad rows for ever.
func TestRefusedByATableThatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := false
		i, w := refusing(func(schema.Rows) bool { return wrong })
		if !insertComments(t, i, "before", comments(10, 0)) {
			t.Fatal("good rows wait")
		}
		wrong = true
		if insertComments(t, i, "large", comments(50_000, 0)) || len(w.letters) > 0 {
			t.Errorf("%d letters of a batch of which nothing was taken", lettersIn(w))
		}
		small := 0
		for insertComments(t, i, fmt.Sprintf("small/%d", small), comments(1, 0)) {
			small++
		}
		if small != maxRefused || lettersIn(w) != small {
			t.Errorf("%d rows in succession are refused, %d are letters; want %d", small, lettersIn(w), maxRefused)
		}
		wrong = false
		if !insertComments(t, i, "after", comments(1, 0)) || lettersIn(w) != small {
			t.Error("the table took no rows after it was mended")
		}
	})
}

// A batch of which nothing is taken costs few inserts, one of which something is
// taken as many as it needs.
func TestHalvingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, w := refusing(func(schema.Rows) bool { return true })
		ctx := t.Context()
		rows := comments(0, 50_000)
		from := source{complete: func(letters []deadLetter) []deadLetter { return letters }}
		if err := i.quarantine(ctx, "wrong", rows, from, errors.New("refused")); err == nil || len(w.calls) > maxRefused+2 {
			t.Errorf("%d inserts into a wrong table, answer %v", len(w.calls), err)
		}
		i, w = refusing(holdsBad)
		if err := i.quarantine(ctx, "right", comments(1, 2000), from, errors.New("refused")); err != nil || lettersIn(w) != 2000 || len(w.events()) != 1 {
			t.Errorf("%d letters and %d rows of a table that takes one, answer %v", lettersIn(w), len(w.events()), err)
		}
	})
}
