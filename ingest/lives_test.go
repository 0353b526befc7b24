package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"kslive/internal/pgembed"
	"kslive/migrations"
)

// postgresForTests is started by the first test that needs it; TestMain stops it.
var postgresForTests struct {
	once    sync.Once
	cluster *pgembed.Cluster
	err     error
	next    int // number of the next database
}

// newDatabase makes an empty, migrated database on the real Postgres.
func newDatabase(t *testing.T) string {
	t.Helper()
	p := &postgresForTests
	p.once.Do(func() {
		p.cluster, p.err = pgembed.Start(context.Background(), pgembed.Options{DataDir: testDataDir + "/postgres", Logger: slog.New(slog.DiscardHandler)})
	})
	if p.err != nil {
		t.Fatal(p.err)
	}
	conn, err := pgx.Connect(t.Context(), p.cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	name := fmt.Sprintf("test%d", p.next)
	p.next++
	if _, err := conn.Exec(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(p.cluster.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	if err := migrations.Postgres(t.Context(), u.String(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return u.String()
}

func openLives(t *testing.T, url, worker string) *Lives {
	t.Helper()
	l, err := OpenLives(t.Context(), LivesOptions{URL: url, Worker: worker, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if _, err := l.Register(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	return l
}

func execute(t *testing.T, l *Lives, sql string, args ...any) {
	t.Helper()
	if _, err := l.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func claim(t *testing.T, l *Lives, n int) []Live {
	t.Helper()
	lives, err := l.Claim(t.Context(), Claims{Limit: n})
	if err != nil {
		t.Fatal(err)
	}
	return lives
}

// status is a room's line of live_status.
func status(t *testing.T, l *Lives, liveID string) LiveStatus {
	t.Helper()
	all, err := l.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s LiveStatus) bool { return s.LiveID == liveID })
	if i < 0 {
		t.Fatalf("%s is not listed", liveID)
	}
	return all[i]
}

// However many workers claim at once, each row goes to one.
func TestClaimIsExclusive(t *testing.T) {
	database := newDatabase(t)
	const rows, workers = 1000, 8
	execute(t, openLives(t, database, "people"), "INSERT INTO lives (live_id) SELECT 'live' || n FROM generate_series(1, $1) n", rows)
	claimed := make([][]Live, workers)
	var claiming sync.WaitGroup
	for w := range workers {
		l := openLives(t, database, fmt.Sprint("worker", w))
		claiming.Go(func() {
			for {
				lives, err := l.Claim(t.Context(), Claims{Limit: 7})
				if err != nil {
					t.Error(err)
				}
				if len(lives) == 0 {
					return
				}
				claimed[w] = append(claimed[w], lives...)
			}
		})
	}
	claiming.Wait()
	seen := make(map[int64]bool)
	for _, lives := range claimed {
		for _, live := range lives {
			if seen[live.ID] {
				t.Errorf("row %d was claimed twice", live.ID)
			}
			seen[live.ID] = true
		}
	}
	// Rows that another worker's claim had locked are passed over: some may be left.
	if rest := claim(t, openLives(t, database, "last"), rows); len(seen)+len(rest) != rows {
		t.Errorf("%d rows were claimed and %d are left, of %d", len(seen), len(rest), rows)
	}
}

// After its lease a worker can change nothing any more, whoever has the room.
func TestZombie(t *testing.T) {
	database := newDatabase(t)
	zombie, heir := openLives(t, database, "zombie"), openLives(t, database, "heir")
	execute(t, heir, "INSERT INTO lives (live_id) VALUES ('a')")
	old := claim(t, zombie, 1)[0]
	if got := claim(t, heir, 1); len(got) > 0 {
		t.Fatalf("a held row was claimed: %v", got)
	}
	if lost := afterItsEnd(t, zombie, old, func() {}); lost {
		t.Error("what nobody has taken is lost")
	}
	if got := claim(t, heir, 1); len(got) > 0 {
		t.Fatalf("claimed %v, whose worker lives after all", got)
	}
	var now Live
	if lost := afterItsEnd(t, zombie, old, func() { now = claim(t, heir, 1)[0] }); !lost {
		t.Error("the zombie is not told that it has lost the room")
	}
	if now.Epoch != old.Epoch+1 {
		t.Errorf("epoch went from %d to %d", old.Epoch, now.Epoch)
	}
	if _, err := heir.Report(t.Context(), []StateChange{{ID: now.ID, Epoch: now.Epoch, Report: Report{State: StateLive, Author: "主播"}}}); err != nil {
		t.Fatal(err)
	}
	want := status(t, heir, "a")
	if want.State != "live" || want.Worker != "heir" || want.Author != "主播" {
		t.Fatalf("%+v", want)
	}
	for _, claim := range []Live{old, {ID: old.ID, Epoch: now.Epoch}} {
		if _, err := zombie.Report(t.Context(), []StateChange{{ID: claim.ID, Epoch: claim.Epoch, Report: Report{State: StateOffline}}}); err != nil {
			t.Fatal(err)
		}
		if err := zombie.Release(t.Context(), claim.ID, claim.Epoch, Report{State: StateOffline}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, status(t, heir, "a")); diff != "" {
			t.Errorf("the zombie changed the row: %s", diff)
		}
	}
	if !keeps(t, heir, now) {
		t.Error("the heir's lease was not renewed")
	}
}

// keeps renews the lease of a worker that holds one slot, and says whether it has it still.
func keeps(t *testing.T, l *Lives, live Live) bool {
	t.Helper()
	lost, until, err := l.Renew(t.Context(), map[int64]int64{live.ID: live.Epoch}, 1000)
	if err != nil || !until.After(time.Now()) || time.Until(until) >= l.lease {
		t.Fatal(until, err)
	}
	return len(lost) == 0
}

// afterItsEnd ends the lease of a worker that holds one slot, and renews it after
// what happens meanwhile. It says whether the slot is lost.
func afterItsEnd(t *testing.T, l *Lives, live Live, meanwhile func()) (lost bool) {
	t.Helper()
	execute(t, l, "UPDATE workers SET lease_until = now() WHERE name = $1", l.worker)
	meanwhile()
	return !keeps(t, l, live)
}

// What people do to a row that is held.
func TestUnwanted(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	for _, c := range []struct {
		edit     string
		unwanted bool
	}{
		{"SELECT $1::bigint", false},
		{"UPDATE lives SET note = 'mine', priority = 3 WHERE id = $1", false},
		{"UPDATE lives SET enabled = false WHERE id = $1", true},
		{"DELETE FROM lives WHERE id = $1", true},
		{"UPDATE lives SET stop_at = now() WHERE id = $1", true},
		{"UPDATE lives SET start_at = now() + interval '1 hour' WHERE id = $1", true},
		{`UPDATE lives SET endpoint = '{"token":"another"}' WHERE id = $1`, true},
		{"UPDATE lives SET live_id = 'another' WHERE id = $1", true},
	} {
		execute(t, l, "DELETE FROM lives")
		execute(t, l, "INSERT INTO lives (live_id) VALUES ('a')")
		held := claim(t, l, 1)[0]
		execute(t, l, c.edit, held.ID)
		unwanted, lost, err := l.Unwanted(t.Context(), map[int64]int64{held.ID: held.Epoch})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(unwanted) == 1; got != c.unwanted || len(lost) > 0 {
			t.Errorf("%s: unwanted is %v, want %v", c.edit, got, c.unwanted)
		}
	}
}

// When a row that was given back is due again.
func TestRelease(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	for _, c := range []struct {
		name, insert, meanwhile string
		last                    Report
		state                   string
		due                     bool
	}{
		{name: "offline", insert: "('a')", last: Report{State: StateOffline, RetryAfter: time.Hour}, state: "offline"},
		{name: "due at once", insert: "('a')", last: Report{State: StateStopped}, state: "stopped", due: true},
		{name: "edited meanwhile", insert: "('a')", meanwhile: `UPDATE lives SET endpoint = '{}'`, last: Report{State: StateOffline, RetryAfter: time.Hour}, state: "offline", due: true},
		{name: "disabled meanwhile", insert: "('a')", meanwhile: `UPDATE lives SET enabled = false`, last: Report{State: StateStopped}, state: "disabled"},
		{name: "followed", insert: "('a')", last: Report{State: StateEnded}, state: "ended", due: true},
		{name: "not followed", insert: "('a', false)", last: Report{State: StateEnded}, state: "finished"},
	} {
		t.Run(c.name, func(t *testing.T) {
			execute(t, l, "DELETE FROM lives")
			columns := "live_id"
			if c.insert == "('a', false)" {
				columns = "live_id, follow"
			}
			execute(t, l, "INSERT INTO lives ("+columns+") VALUES "+c.insert)
			held := claim(t, l, 1)[0]
			if c.meanwhile != "" {
				execute(t, l, c.meanwhile)
			}
			if err := l.Release(t.Context(), held.ID, held.Epoch, c.last); err != nil {
				t.Fatal(err)
			}
			if got := status(t, l, "a").State; got != c.state {
				t.Errorf("state is %q, want %q", got, c.state)
			}
			if again := claim(t, l, 1); (len(again) == 1) != c.due {
				t.Errorf("due: %v, want %v", len(again) == 1, c.due)
			}
		})
	}
}

// A finished or disabled row is due again when a person enables it.
func TestEdit(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	soon := time.Now().Add(time.Hour).Truncate(time.Second)
	added, err := l.Add(t.Context(), []NewLive{{LiveID: "a"}, {LiveID: "b", Once: true, Priority: 5, Note: "mine"}, {LiveID: "c", StartAt: soon}})
	if err != nil || len(added) != 3 {
		t.Fatal(added, err)
	}
	if added, err = l.Add(t.Context(), []NewLive{{LiveID: "b"}, {LiveID: "d"}}); err != nil || !slices.Equal(added, []string{"d"}) {
		t.Fatal(added, err)
	}
	var order []string
	for _, live := range claim(t, l, 10) {
		order = append(order, live.Text)
	}
	slices.Sort(order) // RETURNING has no order; which rows a small claim gets is tested below
	if !slices.Equal(order, []string{"a", "b", "d"}) {
		t.Errorf("claimed %v; c is scheduled", order)
	}
	if err := l.ReleaseRest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if first := claim(t, l, 1); len(first) != 1 || first[0].Text != "b" {
		t.Errorf("claimed %v, want the one of priority 5", first)
	}
	if found, err := l.Disable(t.Context(), []string{"a", "nobody"}); err != nil || !slices.Equal(found, []string{"a"}) {
		t.Error(found, err)
	}
	if got := status(t, l, "a").State; got != "disabled" {
		t.Error(got)
	}
	if found, err := l.Enable(t.Context(), []string{"a"}); err != nil || len(found) != 1 {
		t.Error(found, err)
	}
	if found, err := l.Remove(t.Context(), []string{"d"}); err != nil || len(found) != 1 {
		t.Error(found, err)
	}
	if all, err := l.List(t.Context()); err != nil || len(all) != 3 {
		t.Error(all, err)
	}
}

// Changes of lives are told at once, also after the connection was cut.
func TestListen(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	ctx, cancel := context.WithCancel(t.Context())
	woken := make(chan struct{}, 100)
	var listening sync.WaitGroup
	listening.Go(func() { l.Listen(ctx, func() { woken <- struct{}{} }) })
	defer listening.Wait()
	defer cancel()
	wake := func(what string) {
		t.Helper()
		select {
		case <-woken:
		case <-time.After(20 * time.Second):
			t.Fatalf("not woken %s", what)
		}
	}
	wake("when it listens")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('a'), ('b')")
	wake("by an insert")
	// The notification that proves it is sent after the first wake: it may come
	// after the insert's.
	for waited := time.Now(); !l.Told(); time.Sleep(time.Millisecond) {
		if time.Since(waited) > 20*time.Second {
			t.Fatal("notifications come, and it is not known")
		}
	}
	execute(t, l, "UPDATE lives SET enabled = false WHERE live_id = 'a'")
	wake("by an update")
	execute(t, l, "DELETE FROM lives WHERE live_id = 'a'")
	wake("by a delete")
	execute(t, l, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query = 'LISTEN lives'")
	wake("when it listens again")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('c')")
	wake("by an insert after that")
	cancel()
	listening.Wait()
	if l.Told() {
		t.Error("nobody listens any more, and it is not known")
	}
}

func TestOpenLivesErrors(t *testing.T) {
	for _, raw := range []string{"postgres://u:geheim@127.0.0.1:1/db", "postgres://u:geheim@[bad", "host=127.0.0.1 port=1 password=geheim"} {
		_, err := OpenLives(t.Context(), LivesOptions{URL: raw, Worker: "w", Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			t.Fatalf("%q was opened", raw)
		}
		if text := err.Error(); len(text) > 400 || slices.Contains([]byte(text), '\n') {
			t.Errorf("not one line: %s", text)
		}
		if containsSecret(err, "geheim") {
			t.Errorf("the password is in the error: %v", err)
		}
	}
}
