package ingest

import (
	"maps"
	"slices"
	"testing"
	"time"
)

// While another worker takes slots of one whose lease has passed, that lease is not
// renewed, and what was taken is lost after that: nothing is ever trusted by two.
func TestRenewalWhileTakenOver(t *testing.T) {
	database := newDatabase(t)
	zombie, heir := openLives(t, database, "zombie"), openLives(t, database, "heir")
	execute(t, heir, "INSERT INTO lives (live_id) VALUES ('a'), ('b')")
	held := map[int64]int64{}
	for _, live := range claim(t, zombie, 2) {
		held[live.ID] = live.Epoch
	}
	execute(t, heir, "UPDATE workers SET lease_until = now() WHERE name = 'zombie'")
	taking := leaveOpen(t, heir, claimSQL, 1, heir.worker, historyDays*day, time.Duration(0), []int64{}, heir.instance)
	if lost, _, err := zombie.Renew(t.Context(), held, 10); err == nil {
		t.Errorf("renewed while a room of it is being taken; lost is %v", lost)
	}
	if err := taking.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost, _, err := zombie.Renew(t.Context(), held, 10)
	if err != nil || len(lost) != 1 {
		t.Errorf("lost %v, %v, want the one that was taken", lost, err)
	}
	if got := claim(t, heir, 2); len(got) > 0 {
		t.Errorf("claimed %v, whose worker lives after all", got)
	}
}

// What a worker holds in Postgres and knows nothing of is given back: the answer to
// a claim may be lost with the connection.
func TestRenewalGivesBackTheUnknown(t *testing.T) {
	database := newDatabase(t)
	worker, heir := openLives(t, database, "worker"), openLives(t, database, "heir")
	execute(t, worker, "INSERT INTO lives (live_id) VALUES ('a'), ('b')")
	held := claim(t, worker, 2)
	if lost, _, err := worker.Renew(t.Context(), map[int64]int64{held[0].ID: held[0].Epoch, held[1].ID: held[1].Epoch - 1}, 10); err != nil || !slices.Equal(lost, []int64{held[1].ID}) {
		t.Errorf("lost %v, %v, want the claim that is not the last one", lost, err)
	}
	if news, err := heir.News(t.Context()); err != nil || !news.Due {
		t.Errorf("%+v, %v: nothing is due", news, err)
	}
	if got := claim(t, heir, 2); len(got) != 1 || got[0].ID != held[1].ID {
		t.Errorf("claimed %v, want what the worker did not know of", got)
	}
}

// When slots come free. Those of workers of the version before have leases of their
// own, which they renew one by one.
func TestLeases(t *testing.T) {
	const (
		ended    = "UPDATE workers SET lease_until = now() WHERE name = 'worker'"
		ownEnded = "UPDATE live_state SET lease_until = now() WHERE owner IS NOT NULL"
		own      = "UPDATE live_state SET lease_until = now() + interval '1 hour' WHERE owner IS NOT NULL"
	)
	for name, c := range map[string]struct {
		meanwhile []string
		free      bool
	}{
		"renewed":                       {nil, false},
		"the worker's has passed":       {[]string{ended}, true},
		"the worker is gone":            {[]string{"DELETE FROM workers WHERE name = 'worker'"}, true},
		"its own has passed":            {[]string{ownEnded}, true},
		"its own has not":               {[]string{own}, false},
		"its own outlives the worker's": {[]string{own, ended}, false},
	} {
		t.Run(name, func(t *testing.T) {
			database := newDatabase(t)
			worker, heir := openLives(t, database, "worker"), openLives(t, database, "heir")
			execute(t, worker, "INSERT INTO lives (live_id, replicas) VALUES ('a', 2)")
			held := claim(t, worker, 1)[0]
			execute(t, worker, "UPDATE live_state SET next_at = 'infinity' WHERE owner IS NULL")
			for _, sql := range c.meanwhile {
				execute(t, worker, sql)
			}
			state, due := "queued", 0
			if c.free {
				state, due = "lost", 1
			}
			if got := status(t, heir, "a"); got.State != state || (len(got.Workers) == 0) != c.free {
				t.Errorf("%+v, want %s", got, state)
			}
			if load, err := heir.Load(t.Context()); err != nil || load.Due != due {
				t.Errorf("%+v, %v, want %d due", load, err, due)
			}
			if news, err := heir.News(t.Context()); err != nil || news.Changing != (c.free && name != "the worker is gone") {
				t.Errorf("%+v, %v", news, err)
			}
			got := claim(t, heir, 3)
			if (len(got) == 1) != c.free || len(got) == 1 && got[0].Epoch != held.Epoch+1 {
				t.Errorf("claimed %v", got)
			}
		})
	}
}

// A worker whose registration is gone cannot tell what is being taken from it: it
// trusts nothing until its next renewal.
func TestRegistrationIsGone(t *testing.T) {
	database := newDatabase(t)
	worker, people := openLives(t, database, "worker"), openLives(t, database, "people")
	execute(t, people, "INSERT INTO lives (live_id) VALUES ('a'), ('b')")
	held := map[int64]int64{}
	for _, live := range claim(t, worker, 2) {
		held[live.ID] = live.Epoch
	}
	execute(t, people, "DELETE FROM workers WHERE name = 'worker'")
	lost, _, err := worker.Renew(t.Context(), held, 10)
	slices.Sort(lost)
	if err != nil || !slices.Equal(lost, slices.Sorted(maps.Keys(held))) {
		t.Errorf("lost %v, %v, want all", lost, err)
	}
	if lost, _, err := worker.Renew(t.Context(), held, 10); err != nil || len(lost) > 0 {
		t.Errorf("lost %v, %v: nobody has taken any", lost, err)
	}
}

// A renewal writes one row, however many slots are held.
func TestRenewalWritesOneRow(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	execute(t, l, "INSERT INTO lives (live_id) SELECT 'live' || n FROM generate_series(1, 100) n")
	held := map[int64]int64{}
	for _, live := range claim(t, l, 100) {
		held[live.ID] = live.Epoch
	}
	// xmin changes with each version of a row.
	versions := func(table string) (xmins string) {
		t.Helper()
		if err := l.pool.QueryRow(t.Context(), "SELECT string_agg(xmin::text, ' ' ORDER BY ctid) FROM "+table).Scan(&xmins); err != nil {
			t.Fatal(err)
		}
		return xmins
	}
	worker, slots := versions("workers"), versions("live_state")
	if lost, _, err := l.Renew(t.Context(), held, 100); err != nil || len(lost) > 0 {
		t.Fatal(lost, err)
	}
	if versions("workers") == worker || versions("live_state") != slots {
		t.Error("the lease was not renewed by the row of workers alone")
	}
}
