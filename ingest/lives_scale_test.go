package ingest

import (
	"testing"
	"time"
)

// One worker's calls take time in proportion to its rooms: none of the
// statements may compare every row with every other.
func TestManyLives(t *testing.T) {
	const rows = 10_000
	l := openLives(t, newDatabase(t), "worker")
	execute(t, l, "INSERT INTO lives (live_id) SELECT 'live' || n FROM generate_series(1, $1) n", rows)
	held, changes := map[int64]int64{}, []StateChange{}
	steps := []struct {
		name string
		call func() (rows int, err error)
	}{
		{"claim", func() (int, error) {
			lives, err := l.Claim(t.Context(), Claims{Limit: rows})
			for _, live := range lives {
				held[live.ID] = live.Epoch
				changes = append(changes, StateChange{ID: live.ID, Epoch: live.Epoch, Report: Report{State: StateLive}})
			}
			return len(lives), err
		}},
		{"renew", func() (int, error) {
			kept, _, err := l.Renew(t.Context(), held, rows)
			return len(kept), err
		}},
		{"unwanted", func() (int, error) {
			unwanted, _, err := l.Unwanted(t.Context(), held)
			return rows - len(unwanted), err
		}},
		{"report", func() (int, error) { return rows, l.Report(t.Context(), changes) }},
		{"release all", func() (int, error) { return rows, l.ReleaseAll(t.Context()) }},
	}
	for _, step := range steps {
		start := time.Now()
		got, err := step.call()
		took := time.Since(start)
		t.Logf("%s: %v", step.name, took)
		if err != nil || got != rows {
			t.Fatalf("%s: %d rows, %v", step.name, got, err)
		}
		if took > 4*time.Second { // a few hundred ms, and slack for a busy machine; quadratic is twice this
			t.Errorf("%s took %v", step.name, took)
		}
	}
}
