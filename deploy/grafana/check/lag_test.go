package check

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Of very many comments the panel Lag reads some blocks, and of few it reads all.
func TestLagOfVeryMany(t *testing.T) {
	s := playing(t)
	at := s.now.Add(-40 * 24 * time.Hour).UnixMilli()
	// Of the six blocks the first arrived after one second, and the others after nine.
	if err := s.db.do(t.Context(), fmt.Sprintf(`INSERT INTO comments (live_id, event_id, event_time, received_at, inserted_at)
		SELECT 'many', number, fromUnixTimestamp64Milli(%d + intDiv(number, 8192)) AS at, at, at + if(number < 8192, 1, 9) FROM numbers(6 * 8192)`, at)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		comments int
		most     string
	}{{6 * 8192, "9"}, {60_000_000, "1"}} {
		if err := s.db.do(t.Context(), fmt.Sprintf(`INSERT INTO comments_rollup_hour (live_id, hour, comments, computed_at)
			SELECT 'many', toDateTime(intDiv(%d, 3600000) * 3600), %d, now64(3)`, at, test.comments)); err != nil {
			t.Fatal(err)
		}
		for _, d := range readDashboards(t) {
			for _, p := range d.drawn() {
				for _, query := range p.Targets {
					if p.Title != "Lag" || !strings.Contains(query.RawSQL, "comments") {
						continue
					}
					a, _ := s.ask(t, query, timeRange{time.UnixMilli(at).Add(-time.Hour), time.UnixMilli(at).Add(time.Hour), time.Minute}, nil)
					if len(a.Rows) != 1 || fmt.Sprint(a.Rows[0][3]) != test.most {
						t.Errorf("of %d comments it says %v, want at most %s s", test.comments, a.Rows, test.most)
					}
				}
			}
		}
	}
}
