package ingest

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// Rows that are given back together are given back together, but for one that a
// person has locked.
func TestReleaseTogether(t *testing.T) {
	database := newDatabase(t)
	l, people := openLives(t, database, "worker"), openLives(t, database, "people")
	execute(t, l, "INSERT INTO lives (live_id) SELECT 'room' || n FROM generate_series(1, 300) n")
	held := claim(t, l, 300)
	tx := leaveOpen(t, people, "UPDATE lives SET priority = 1 WHERE live_id = 'room7'")
	locked := make(chan error, 1)
	var group errgroup.Group
	for i, live := range held {
		give := func() error {
			return l.Release(t.Context(), live.ID, live.Epoch, Report{State: StateOffline, Reason: fmt.Sprint("reason ", i), RetryAfter: time.Duration(i+1) * time.Hour})
		}
		if live.Text == "room7" {
			go func() { locked <- give() }()
			continue
		}
		group.Go(give)
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	var wrong, free int
	for i, live := range held {
		var reason string
		var due bool
		if err := people.pool.QueryRow(t.Context(),
			"SELECT reason, coalesce(owner, '') = '' AND next_at BETWEEN now() + $2 - interval '5 minutes' AND now() + $2 FROM live_state WHERE live = $1",
			live.ID, time.Duration(i+1)*time.Hour).Scan(&reason, &due); err != nil {
			t.Fatal(err)
		}
		switch {
		case reason == fmt.Sprint("reason ", i) && due:
			free++
		case live.Text != "room7":
			wrong++
		}
	}
	if wrong > 0 || free != len(held)-1 {
		t.Errorf("%d rows are free and %d are wrong, want %d and none", free, wrong, len(held)-1)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-locked; err != nil {
		t.Error(err)
	}
	if got := status(t, l, "room7").State; got != string(StateOffline) {
		t.Errorf("the row that was locked is %s", got)
	}
}
