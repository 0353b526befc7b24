package ingest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A name is held by one process. One that was killed is told from one that lives.
func TestNameIsTaken(t *testing.T) {
	database := newDatabase(t)
	first := openLives(t, database, "w")
	execute(t, first, "INSERT INTO lives (live_id) VALUES ('a')")
	held := claim(t, first, 1)[0]
	second, err := OpenLives(t.Context(), LivesOptions{URL: database, Worker: "w", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	_, err = second.Register(t.Context(), 10)
	if !errors.Is(err, ErrNameTaken) || !strings.Contains(err.Error(), `"w"`) || strings.Contains(err.Error(), "\n") {
		t.Fatalf("registered although the name is taken: %v", err)
	}
	if got := claim(t, second, 1); len(got) > 0 {
		t.Errorf("claimed %v without being registered", got)
	}
	if !keeps(t, first, held) {
		t.Error("the refused one took something from the first")
	}

	// The session of a process that is killed ends with it.
	first.hangUp(t.Context(), first.session.Swap(nil))
	if _, err := second.Register(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	now := claim(t, second, 1)
	if len(now) != 1 || now[0].Epoch != held.Epoch+1 {
		t.Fatalf("claimed %v, want what the killed one held, at once", now)
	}

	// Had it only lost its connection, it would change nothing any more.
	if _, _, err := first.Renew(t.Context(), map[int64]int64{held.ID: held.Epoch}, 1000); !errors.Is(err, ErrNameTaken) {
		t.Errorf("the displaced one is not told: %v", err)
	}
	if err := errors.Join(first.ReleaseRest(t.Context()), first.Unregister(t.Context())); err != nil {
		t.Fatal(err)
	}
	if !keeps(t, second, now[0]) {
		t.Error("the displaced one has taken a room from the second")
	}
}

// After its registration has ended the name is free, whatever became of the
// process; it registers again by itself when it is alive after all.
func TestRegistrationEnds(t *testing.T) {
	database := newDatabase(t)
	zombie, heir := openLives(t, database, "w"), openLives(t, database, "heir")
	execute(t, zombie, "INSERT INTO lives (live_id) VALUES ('a'), ('b')")
	execute(t, zombie, "UPDATE workers SET lease_until = now() WHERE name = 'w'")
	if got := claim(t, zombie, 1); len(got) > 0 {
		t.Errorf("claimed %v after the registration had ended", got)
	}
	if load, err := heir.Load(t.Context()); err != nil || load.registered("w") || !load.registered("heir") {
		t.Errorf("%+v, %v: the dead one is counted", load, err)
	}
	for _, lose := range []string{"UPDATE workers SET lease_until = now()", "DELETE FROM workers"} {
		execute(t, zombie, lose)
		if _, _, err := zombie.Renew(t.Context(), nil, 10); err != nil {
			t.Fatal(err)
		}
		if got := claim(t, zombie, 1); len(got) != 1 {
			t.Errorf("%s: not registered again", lose)
		}
	}
	execute(t, zombie, "UPDATE workers SET lease_until = now()")
	second := openLives(t, database, "w") // although the session of the first is there
	if got := claim(t, second, 2); len(got) != 2 {
		t.Errorf("claimed %v, want what the first had held", got)
	}
}

// A transaction that somebody has left open on workers has nobody wait, and takes
// rooms from nobody: the lease is renewed when it has ended.
func TestOpenTransactionOnWorkers(t *testing.T) {
	database := newDatabase(t)
	l, people := openLives(t, database, "worker"), openLives(t, database, "people")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('a')")
	held := claim(t, l, 1)[0]
	execute(t, l, "UPDATE workers SET lease_until = now() WHERE name = 'worker'")
	tx := leaveOpen(t, people, "DELETE FROM workers")
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout/2)
	defer cancel()
	if _, _, err := l.Renew(ctx, map[int64]int64{held.ID: held.Epoch}, 1000); !errors.Is(err, errRenewalLocked) {
		t.Errorf("renewed: %v", err)
	}
	if got := claim(t, people, 1); len(got) > 0 {
		t.Errorf("claimed %v", got)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !keeps(t, l, held) {
		t.Error("the room is lost")
	}
}

// What has been due for long may be taken by a worker that has its share.
func TestClaimOverdue(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('new'), ('old'), ('silent')")
	for _, live := range claim(t, l, 3) {
		if live.Text != "silent" {
			if err := l.Release(t.Context(), live.ID, live.Epoch, Report{State: StateStopped}); err != nil {
				t.Fatal(err)
			}
		}
	}
	execute(t, l, "UPDATE live_state SET next_at = now() - interval '1 minute' WHERE live = (SELECT id FROM lives WHERE live_id = 'old')")
	execute(t, l, "UPDATE live_state SET owner = 'gone' WHERE owner IS NOT NULL")
	load, err := l.Load(t.Context())
	if err != nil || load.Due != 3 || load.Overdue != 2 {
		t.Errorf("%+v, %v, want 3 that are due and 2 that are overdue", load, err)
	}
	got, err := l.Claim(t.Context(), Claims{Limit: 5, DueFor: 5 * time.Second})
	if err != nil || len(got) != 2 {
		t.Errorf("claimed %v, %v, want the two that are overdue", got, err)
	}
	if got, err := l.Claim(t.Context(), Claims{Limit: 5, Except: []int64{1, 2, 3}}); err != nil || len(got) > 0 {
		t.Errorf("claimed %v, %v, which are excepted", got, err)
	}
}

// What each should hold, and what the others can take.
func TestShare(t *testing.T) {
	for name, c := range map[string]struct {
		load   Load
		shares []int
		places int // of others, as the first sees it
	}{
		"alone":                   {Load{Workers: []WorkerLoad{{"a", 100, 10, 0}}, Due: 30}, []int{40}, 0},
		"alone, more than it can": {Load{Workers: []WorkerLoad{{"a", 10, 10, 0}}, Due: 30}, []int{40}, 0},
		"a new one":               {Load{Workers: []WorkerLoad{{"a", 100, 30, 0}, {"b", 100, 0, 0}}}, []int{15, 15}, 15},
		"it is on its way":        {Load{Workers: []WorkerLoad{{"a", 100, 30, 0}, {"b", 100, 3, 4}}}, []int{17, 17}, 10},
		"rounding leaves none":    {Load{Workers: []WorkerLoad{{"a", 100, 0, 0}, {"b", 100, 0, 0}, {"c", 100, 0, 0}}, Due: 4}, []int{2, 2, 2}, 0},
		"more workers than rooms": {Load{Workers: []WorkerLoad{{"a", 9, 1, 0}, {"b", 9, 1, 0}, {"c", 9, 0, 0}}}, []int{1, 1, 1}, 1},
		"by capacity":             {Load{Workers: []WorkerLoad{{"a", 300, 0, 0}, {"b", 100, 0, 0}}, Due: 80}, []int{60, 20}, 0},
		"what is due goes first":  {Load{Workers: []WorkerLoad{{"a", 100, 20, 0}, {"b", 100, 0, 0}}, Due: 20}, []int{20, 20}, 0},
		"one is full":             {Load{Workers: []WorkerLoad{{"a", 100, 90, 0}, {"b", 0, 10, 0}}}, []int{100, 0}, 0},
		"nobody can":              {Load{Workers: []WorkerLoad{{"a", 0, 0, 0}}, Due: 5}, []int{0}, 0},
	} {
		for i, want := range c.shares {
			if got := c.load.share(c.load.Workers[i].Name); got != want {
				t.Errorf("%s: share of %s is %d, want %d", name, c.load.Workers[i].Name, got, want)
			}
		}
		if _, got := c.load.room("a"); got != c.places {
			t.Errorf("%s: the others have room for %d, want %d", name, got, c.places)
		}
		if got := c.load.share("stranger"); got != 0 {
			t.Errorf("%s: one that is not registered has a share of %d", name, got)
		}
	}
}
