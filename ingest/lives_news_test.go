package ingest

import (
	"context"
	"slices"
	"testing"
	"time"
)

// Whatever a poll would act on is news, but for what notifications tell.
func TestNews(t *testing.T) {
	database := newDatabase(t)
	worker, heir := openLives(t, database, "worker"), openLives(t, database, "heir")
	look := func(l *Lives) News {
		t.Helper()
		news, err := l.News(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return news
	}
	want := func(when string, l *Lives, due, changing bool) {
		t.Helper()
		if news := look(l); news.Due != due || news.Changing != changing {
			t.Errorf("%s: %+v, want due %v, changing %v", when, news, due, changing)
		}
	}
	want("without lives", worker, false, false)
	execute(t, worker, "INSERT INTO lives (live_id, enabled) VALUES ('a', true), ('b', false)")
	want("one is due", worker, true, false)
	held := claim(t, worker, 5)
	want("it is held", worker, false, false)

	if _, err := worker.Offer(t.Context(), []Gift{{held[0].ID, held[0].Epoch, true}}, []string{"heir"}, 1); err != nil {
		t.Fatal(err)
	}
	want("it is on offer", heir, false, true)
	if _, err := worker.Withdraw(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("not any more", heir, false, false)

	execute(t, worker, "UPDATE lives SET stop_at = now()")
	want("it is to stop", worker, false, true)
	want("another's is to stop", heir, false, false)
	execute(t, worker, "UPDATE lives SET stop_at = now() - interval '1 hour'")
	want("it was to stop long ago", worker, false, false)
	execute(t, worker, "UPDATE lives SET stop_at = NULL")

	before := look(heir)
	if _, _, err := worker.Renew(t.Context(), map[int64]int64{held[0].ID: held[0].Epoch}, 1000); err != nil {
		t.Fatal(err)
	}
	if after := look(heir); !slices.Equal(before.Workers, after.Workers) {
		t.Errorf("a worker that renews its lease is news: %v, %v", before.Workers, after.Workers)
	}
	execute(t, worker, "UPDATE workers SET lease_until = now() WHERE name = 'worker'")
	if after := look(heir); slices.Equal(before.Workers, after.Workers) {
		t.Errorf("a worker that has died is no news: %v", after.Workers)
	}
	want("its owner has died", heir, false, true)
	execute(t, worker, "UPDATE lives SET enabled = false WHERE live_id = 'a'")
	want("its owner has died, and it is not wanted", heir, false, false)
	execute(t, worker, "UPDATE lives SET enabled = true WHERE live_id = 'a'")
	if got := claim(t, heir, 1); len(got) != 1 {
		t.Fatalf("claimed %v", got)
	}
	want("another has taken it", heir, false, false)
}

// A poll is left out only when there is nothing to do for it.
func TestIdle(t *testing.T) {
	quiet := News{Workers: []string{"me"}}
	for name, test := range map[string]struct {
		change func(*Ingester, *News)
		idle   bool
	}{
		"nothing":                         {func(*Ingester, *News) {}, true},
		"due, and no place":               {func(i *Ingester, n *News) { n.Due, i.o.MaxRooms = true, 1 }, true},
		"due":                             {func(_ *Ingester, n *News) { n.Due = true }, false},
		"changing":                        {func(_ *Ingester, n *News) { n.Changing = true }, false},
		"another worker":                  {func(_ *Ingester, n *News) { n.Workers = []string{"me", "you"} }, false},
		"the last poll has failed":        {func(i *Ingester, _ *News) { i.ready.Store(false) }, false},
		"notifications do not come":       {func(i *Ingester, _ *News) { i.o.Lives.told.Store(false) }, false},
		"the last poll was long ago":      {func(i *Ingester, _ *News) { i.polled = time.Now().Add(-closerLook) }, false},
		"it is leaving":                   {func(i *Ingester, _ *News) { i.leaving = true }, false},
		"it gives rooms back":             {func(i *Ingester, _ *News) { i.giving = true }, false},
		"it has offered rooms":            {func(i *Ingester, _ *News) { i.offered = 1 }, false},
		"it is held back":                 {func(i *Ingester, _ *News) { i.paused = errSpoolFull }, false},
		"it is about to take over a room": {func(i *Ingester, _ *News) { i.holdings[2] = &holding{successor: true} }, false},
	} {
		i := &Ingester{
			o: Options{Lives: &Lives{lease: defaultLease}, MaxRooms: 10}, holdings: map[int64]*holding{1: {}}, polled: time.Now(), workers: []string{"me"},
		}
		i.ready.Store(true)
		i.o.Lives.told.Store(true)
		news := quiet
		test.change(i, &news)
		if got := i.idle(news); got != test.idle {
			t.Errorf("%s: idle is %v", name, got)
		}
	}
}

// A worker that stops and cannot give back a room, since somebody has locked the
// row, is seen to be dead rather than gone: another takes the room when the lease
// has ended.
func TestUnregisterWithRooms(t *testing.T) {
	database := newDatabase(t)
	worker, heir, people := openLives(t, database, "worker"), openLives(t, database, "heir"), openLives(t, database, "people")
	execute(t, worker, "INSERT INTO lives (live_id) VALUES ('a')")
	claim(t, worker, 1)
	locked := leaveOpen(t, people, "SELECT FROM live_state FOR UPDATE")
	for _, give := range []func(context.Context) error{worker.ReleaseRest, worker.Unregister} {
		if err := give(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	execute(t, heir, "UPDATE workers SET lease_until = now() WHERE name = 'worker'")
	if news, err := heir.News(t.Context()); err != nil || !news.Changing {
		t.Errorf("%+v, %v: the room is forgotten", news, err)
	}
	if err := locked.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, give := range []func(context.Context) error{worker.ReleaseRest, worker.Unregister} {
		if err := give(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if news, err := heir.News(t.Context()); err != nil || news.Changing || !news.Due {
		t.Errorf("%+v, %v: it was given back", news, err)
	}
}
