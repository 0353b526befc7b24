package ingest

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// One worker holds ten thousand rooms: each statement is over within callTimeout,
// which none that compares every row with every other is.
func TestManyLives(t *testing.T) {
	const rows = 10_000
	database := newDatabase(t)
	l, heir := openLives(t, database, "worker"), openLives(t, database, "heir")
	execute(t, l, "INSERT INTO lives (live_id) SELECT 'live' || n FROM generate_series(1, $1) n", rows)
	execute(t, l, `INSERT INTO broadcasts (live, live_stream_id, off_air_at, first_seen, ended_at)
		SELECT id, 'stream' || n, now() - n * interval '1 day', now() - n * interval '1 day', now() - n * interval '1 day'
		FROM lives, generate_series(1, 30) n`)
	held, changes, ids := map[int64]int64{}, []StateChange{}, []int64{}
	var gifts []Gift
	entering := map[int64]int64{}
	steps := []struct {
		name string
		call func() (rows int, err error)
	}{
		{"claim", func() (int, error) {
			lives, err := l.Claim(t.Context(), Claims{Limit: rows})
			for _, live := range lives {
				if got := len(live.Habits.Starts); got != historyDays-1 {
					t.Fatalf("%d starts came with the row", got)
				}
				held[live.ID] = live.Epoch
				ids = append(ids, live.ID)
				gifts = append(gifts, Gift{live.ID, live.Epoch, true})
				changes = append(changes, StateChange{ID: live.ID, Epoch: live.Epoch, Report: Report{State: StateLive}})
			}
			return len(lives), err
		}},
		{"renew", func() (int, error) {
			lost, _, err := l.Renew(t.Context(), held, rows)
			return rows - len(lost), err
		}},
		{"unwanted", func() (int, error) {
			unwanted, _, err := l.Unwanted(t.Context(), held)
			return rows - len(unwanted), err
		}},
		{"load", func() (int, error) {
			load, err := heir.Load(t.Context())
			total := 0
			for _, w := range load.Workers {
				total += w.Held
			}
			return total, err
		}},
		{"claim of nothing", func() (int, error) {
			lives, err := l.Claim(t.Context(), Claims{Limit: rows, Except: ids})
			return rows - len(lives), err
		}},
		{"report", func() (int, error) {
			unwritten, err := l.Report(t.Context(), changes)
			return rows - len(unwritten), err
		}},
		{"offer", func() (int, error) {
			chosen, err := l.Offer(t.Context(), gifts, []string{"heir"}, rows)
			return len(chosen), err
		}},
		{"succeed", func() (int, error) {
			lives, err := heir.Succeed(t.Context(), rows, nil)
			for _, live := range lives {
				entering[live.ID] = live.Epoch
			}
			return len(lives), err
		}},
		{"take over", func() (int, error) {
			taken, err := heir.TakeOver(t.Context(), entering)
			return len(taken), err
		}},
		{"list", func() (int, error) {
			list, err := l.List(t.Context())
			return len(list), err
		}},
		{"release the rest", func() (int, error) { return rows, heir.ReleaseRest(t.Context()) }},
	}
	for _, step := range steps {
		start := time.Now()
		got, err := step.call()
		t.Logf("%s: %v", step.name, time.Since(start))
		if err != nil || got != rows {
			t.Fatalf("%s: %d rows, %v", step.name, got, err)
		}
	}
}

// Ten workers claim at once when many rows are inserted: each looks again at what
// the others have taken meanwhile, and is over within callTimeout.
func TestManyLivesAreClaimedAtOnce(t *testing.T) {
	const rows, workers = 20_000, 10
	database := newDatabase(t)
	var all []*Lives
	for w := range workers {
		all = append(all, openLives(t, database, fmt.Sprint("worker", w)))
	}
	execute(t, all[0], "INSERT INTO lives (live_id) SELECT 'live' || n FROM generate_series(1, $1) n", rows)
	var claiming sync.WaitGroup
	for _, l := range all {
		claiming.Go(func() {
			lives, err := l.Claim(t.Context(), Claims{Limit: rows / workers})
			if err != nil || len(lives) < rows/workers/2 {
				t.Errorf("%s claimed %d rows: %v", l.worker, len(lives), err)
			}
		})
	}
	claiming.Wait()
}
