package ingest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// However many workers claim at once, each live goes to as many different ones
// as it has replicas, and none gets two of its slots.
func TestReplicasAreDifferentWorkers(t *testing.T) {
	database := newDatabase(t)
	const lives, replicas, workers = 100, 3, 4
	people := openLives(t, database, "people")
	execute(t, people, "INSERT INTO lives (live_id, replicas) SELECT 'live' || n, $2 FROM generate_series(1, $1) n", lives, replicas)
	holders := make([]map[int64]bool, workers)
	var claiming sync.WaitGroup
	for w := range workers {
		l := openLives(t, database, fmt.Sprint("worker", w))
		holders[w] = make(map[int64]bool)
		claiming.Go(func() {
			// What another's claim had locked is found by the next one: until all
			// that this worker could hold is held.
			for free := lives; free > 0; {
				claimed, err := l.Claim(t.Context(), Claims{Limit: 7})
				if err != nil {
					t.Error(err)
					return
				}
				for _, live := range claimed {
					if holders[w][live.ID] {
						t.Errorf("%s holds two slots of live %d", l.worker, live.ID)
					}
					holders[w][live.ID] = true
				}
				if err := l.pool.QueryRow(t.Context(), `SELECT count(DISTINCT live) FROM live_state s WHERE owner IS NULL
					AND NOT EXISTS (SELECT FROM live_state o WHERE o.live = s.live AND o.owner = $1)`, l.worker).Scan(&free); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	claiming.Wait()
	held := 0
	for _, lives := range holders {
		held += len(lives)
	}
	if held != lives*replicas {
		t.Errorf("%d slots are held, want %d", held, lives*replicas)
	}
}

// A room of two workers is one line, and the one that hears it speaks for it.
func TestStatusOfReplicas(t *testing.T) {
	database := newDatabase(t)
	one, two := openLives(t, database, "one"), openLives(t, database, "two")
	if _, err := one.Add(t.Context(), []NewLive{{LiveID: "a", Replicas: 2}}); err != nil {
		t.Fatal(err)
	}
	first, second := claim(t, one, 2), claim(t, two, 2)
	if len(first) != 1 || len(second) != 1 {
		t.Fatalf("claimed %v and %v, want a slot each", first, second)
	}
	expect := func(what, state, worker string, heard int, workers ...string) {
		t.Helper()
		got := status(t, one, "a")
		if got.State != state || got.Worker != worker || got.Replicas != 2 || got.Heard != heard || !slices.Equal(got.Workers, workers) {
			t.Errorf("%s: %+v, want %s by %q, heard by %d of %v", what, got, state, worker, heard, workers)
		}
	}
	report := func(l *Lives, live Live, state State) {
		t.Helper()
		if _, err := l.Report(t.Context(), []StateChange{{ID: live.ID, Epoch: live.Epoch, Report: Report{State: state}}}); err != nil {
			t.Fatal(err)
		}
	}
	expect("claimed", "queued", "one", 0, "one", "two")
	report(two, second[0], StateLive)
	expect("one hears it", "live", "two", 1, "one", "two")
	report(one, first[0], StateLive)
	expect("both hear it", "live", "one", 2, "one", "two")
	execute(t, one, "UPDATE workers SET lease_until = now() WHERE name = 'one'")
	expect("one is dead", "live", "two", 1, "two")
	if err := two.Release(t.Context(), second[0].ID, second[0].Epoch, Report{State: StateOffline, RetryAfter: time.Hour}); err != nil {
		t.Fatal(err)
	}
	expect("nobody holds it", "lost", "one", 0)
}

// The slots follow the column, and a worker that holds one too many lets go.
func TestReplicasAreChanged(t *testing.T) {
	database := newDatabase(t)
	one, two := openLives(t, database, "one"), openLives(t, database, "two")
	slots := func() (n int) {
		t.Helper()
		if err := one.pool.QueryRow(t.Context(), "SELECT count(*) FROM live_state").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	unwanted := func(l *Lives, held Live) bool {
		t.Helper()
		ids, lost, err := l.Unwanted(t.Context(), map[int64]int64{held.ID: held.Epoch})
		if err != nil || len(lost) > 0 {
			t.Fatal(lost, err)
		}
		return len(ids) > 0
	}
	execute(t, one, "INSERT INTO lives (live_id) VALUES ('a')")
	first := claim(t, one, 2)[0]
	execute(t, one, "UPDATE lives SET replicas = 3")
	if got := slots(); got != 3 {
		t.Fatalf("%d slots, want 3", got)
	}
	if got := claim(t, one, 2); len(got) > 0 {
		t.Errorf("a second slot of a live was claimed: %v", got)
	}
	second := claim(t, two, 2)[0]
	execute(t, one, "UPDATE lives SET replicas = 1")
	if got := slots(); got != 2 {
		t.Errorf("%d slots, want the two that are held", got)
	}
	if unwanted(one, first) || !unwanted(two, second) {
		t.Error("want the second worker to leave, and it only")
	}
	execute(t, one, "UPDATE lives SET replicas = 2")
	if unwanted(two, second) || slots() != 2 {
		t.Error("a slot that is held and wanted again is to stay")
	}
	execute(t, one, "UPDATE lives SET replicas = 1")
	if err := two.Release(t.Context(), second.ID, second.Epoch, Report{State: StateStopped}); err != nil {
		t.Fatal(err)
	}
	if got := slots(); got != 1 {
		t.Errorf("%d slots, want 1: the other one was given back", got)
	}
	for _, wrong := range []int{0, 4} {
		if _, err := one.pool.Exec(t.Context(), "UPDATE lives SET replicas = $1", wrong); err == nil {
			t.Errorf("%d replicas were taken", wrong)
		}
	}
}

// A live that is watched once is over for both workers, also for the one that
// comes too late to hear its end.
func TestReplicasOfOneLive(t *testing.T) {
	database := newDatabase(t)
	one, two := openLives(t, database, "one"), openLives(t, database, "two")
	if _, err := one.Add(t.Context(), []NewLive{{LiveID: "a", Once: true, Replicas: 2}}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		l    *Lives
		last State
	}{{one, StateEnded}, {two, StateOffline}} {
		held := claim(t, c.l, 1)[0]
		if err := c.l.Release(t.Context(), held.ID, held.Epoch, Report{State: c.last}); err != nil {
			t.Fatal(err)
		}
	}
	if got := claim(t, two, 1); len(got) > 0 {
		t.Errorf("claimed %v after the end", got)
	}
	if got := status(t, one, "a").State; got != "finished" {
		t.Errorf("state is %q", got)
	}
}
