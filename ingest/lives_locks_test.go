package ingest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

// leaveOpen begins a transaction as a person would in psql, and runs sql in it.
func leaveOpen(t *testing.T, l *Lives, sql string, args ...any) pgx.Tx {
	t.Helper()
	tx, err := l.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	if _, err := tx.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
	return tx
}

// A transaction that a person has left open costs its own row, never a worker's
// leases on the others.
func TestOpenTransaction(t *testing.T) {
	for name, edit := range map[string]string{
		"deleting":     "DELETE FROM lives WHERE live_id = 'a'",
		"new endpoint": "UPDATE lives SET endpoint = '{}' WHERE live_id = 'a'",
	} {
		t.Run(name, func(t *testing.T) {
			database := newDatabase(t)
			l, people := openLives(t, database, "worker"), openLives(t, database, "people")
			execute(t, l, "INSERT INTO lives (live_id) VALUES ('a'), ('b')")
			held, epochs := map[string]Live{}, map[int64]int64{}
			for _, live := range claim(t, l, 2) {
				held[live.Text], epochs[live.ID] = live, live.Epoch
			}
			leaveOpen(t, people, edit)
			ctx, cancel := context.WithTimeout(t.Context(), callTimeout/2)
			defer cancel()
			if lost, _, err := l.Renew(ctx, epochs, 1000); err != nil || len(lost) > 0 {
				t.Errorf("lost %v, %v", lost, err)
			}
			var changes []StateChange
			for _, live := range held {
				changes = append(changes, StateChange{ID: live.ID, Epoch: live.Epoch, Report: Report{State: StateLive}})
			}
			if _, err := l.Report(ctx, changes); err != nil {
				t.Error(err)
			}
			if got := status(t, l, "b").State; got != "live" {
				t.Errorf("b is %s", got)
			}
			if err := l.ReleaseRest(ctx); err != nil {
				t.Error(err)
			}
			if again := claim(t, l, 2); len(again) != 1 || again[0].Text != "b" {
				t.Errorf("claimed %v, want b: a is being edited", again)
			}
		})
	}
}

// A row that is enabled while its worker gives it back is due, whichever of the
// two is first.
func TestEnabledWhileReleased(t *testing.T) {
	database := newDatabase(t)
	l, people := openLives(t, database, "worker"), openLives(t, database, "people")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('a')")
	held := claim(t, l, 1)[0]
	execute(t, l, "UPDATE lives SET enabled = false")
	tx := leaveOpen(t, people, "UPDATE lives SET enabled = true")
	released := make(chan error, 1)
	go func() { released <- l.Release(t.Context(), held.ID, held.Epoch, Report{State: StateStopped}) }()
	waitForLock(t, people)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-released; err != nil {
		t.Fatal(err)
	}
	if again := claim(t, l, 1); len(again) != 1 {
		t.Errorf("claimed %v: an enabled row is not due", again)
	}
}

// waitForLock returns when a statement in the database waits for a lock.
func waitForLock(t *testing.T, l *Lives) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		var waiting bool
		err := l.pool.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')").Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting || !sleep(t.Context(), 5*time.Millisecond) {
			return
		}
	}
	t.Fatal("nothing waits for a lock")
}

// A claim does not read a row that somebody is editing: it would keep the old
// endpoint.
func TestClaimWhileEdited(t *testing.T) {
	database := newDatabase(t)
	l, people := openLives(t, database, "worker"), openLives(t, database, "people")
	execute(t, l, `INSERT INTO lives (live_id, endpoint) VALUES ('a', '{"token":"old"}')`)
	tx := leaveOpen(t, people, `UPDATE lives SET endpoint = '{"token":"new"}'`)
	if got := claim(t, l, 1); len(got) != 0 {
		t.Fatalf("claimed %v in the middle of an edit", got)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := claim(t, l, 1); len(got) != 1 || got[0].Endpoint.Token != "new" {
		t.Errorf("claimed %v, want the new endpoint", got)
	}
}

// What a silent worker said last does not stand as if it were so.
func TestTakenOver(t *testing.T) {
	database := newDatabase(t)
	silent, heir := openLives(t, database, "silent"), openLives(t, database, "heir")
	execute(t, heir, "INSERT INTO lives (live_id) VALUES ('a')")
	held := claim(t, silent, 1)[0]
	if _, err := silent.Report(t.Context(), []StateChange{{ID: held.ID, Epoch: held.Epoch, Report: Report{State: StateLive}}}); err != nil {
		t.Fatal(err)
	}
	execute(t, heir, "UPDATE workers SET lease_until = now() WHERE name = 'silent'")
	if got := status(t, heir, "a"); got.State != "lost" || !strings.Contains(got.Reason, "silent") {
		t.Errorf("before: %+v", got)
	}
	claim(t, heir, 1)
	if got := status(t, heir, "a"); got.State != "queued" || got.Reason != "taken over from worker silent" {
		t.Errorf("after: %+v", got)
	}
}

// Enabling a row that was enabled all along has it looked at again.
func TestEnableMakesDue(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	if _, err := l.Add(t.Context(), []NewLive{{LiveID: "once", Once: true}, {LiveID: "refused"}}); err != nil {
		t.Fatal(err)
	}
	for _, live := range claim(t, l, 2) {
		if err := l.Release(t.Context(), live.ID, live.Epoch, Report{State: StateEnded, RetryAfter: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	if got := claim(t, l, 2); len(got) != 0 {
		t.Fatalf("claimed %v before it is due", got)
	}
	if _, err := l.Enable(t.Context(), []string{"once", "refused"}); err != nil {
		t.Fatal(err)
	}
	if got := claim(t, l, 2); len(got) != 2 {
		t.Errorf("claimed %v, want both", got)
	}
}

// Whatever a stranger's name or a pasted endpoint holds, the other rows of the
// statement are written and claimed.
func TestOddTexts(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	if _, err := l.Add(t.Context(), []NewLive{{LiveID: "a", Note: "\x00\xff"}}); err != nil {
		t.Fatal(err)
	}
	execute(t, l, `INSERT INTO lives (live_id, endpoint) VALUES ('b', '{"token": "t"}'), ('c', '{"token": 7}')`)
	byText := map[string]Live{}
	var changes []StateChange
	for _, live := range claim(t, l, 3) {
		byText[live.Text] = live
		odd := Report{State: StateLive, Author: "\x00\xff主播", Reason: strings.Repeat("很", maxText)}
		changes = append(changes, StateChange{ID: live.ID, Epoch: live.Epoch, Report: Report{State: StateConnecting}}, StateChange{ID: live.ID, Epoch: live.Epoch, Report: odd})
	}
	if len(byText) != 3 || byText["a"].Endpoint != nil || byText["b"].Endpoint.Token != "t" || byText["c"].Endpoint.Validate() == nil {
		t.Errorf("claimed %v", byText)
	}
	if _, err := l.Report(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	got := status(t, l, "b")
	if got.State != "live" || got.Author != "\uFFFD主播" || len(got.Reason) > maxText+3 || !utf8.ValidString(got.Reason) || !got.HasEndpoint {
		t.Errorf("%+v", got)
	}
}

func TestLivesErrorsSayWhatToDo(t *testing.T) {
	database := newDatabase(t)
	l := openLives(t, database, "worker")
	config := l.pool.Config().ConnConfig
	address := func(user, password, name string) string {
		u := url.URL{Scheme: "postgres", User: url.UserPassword(user, password), Host: net.JoinHostPort(config.Host, fmt.Sprint(config.Port)), Path: name}
		return u.String()
	}
	stranger := "stranger_of_" + config.Database // roles are the whole cluster's
	execute(t, l, "CREATE ROLE "+stranger+" LOGIN PASSWORD 'geheim'")
	for name, c := range map[string]struct{ url, want string }{
		"password":   {address(config.User, "geheim", config.Database), "check user and password"},
		"database":   {address(config.User, config.Password, "nowhere"), "CREATE DATABASE"},
		"migrations": {address(config.User, config.Password, "postgres"), "run `ingest migrate`"},
		"permission": {address(stranger, "geheim", config.Database), "user " + stranger + " needs"},
		"refused":    {"postgres://u:geheim@127.0.0.1:1/db", "connection refused: check the address"},
	} {
		t.Run(name, func(t *testing.T) {
			opened, err := OpenLives(t.Context(), LivesOptions{URL: c.url, Worker: "w"})
			if err == nil {
				opened.Close()
				t.Fatal("no error")
			}
			t.Log(err)
			if text := err.Error(); !strings.Contains(text, c.want) || strings.ContainsAny(text, "\n\t") || strings.Contains(text, "geheim") {
				t.Errorf("%q: want one line with %q and no password", text, c.want)
			}
		})
	}
}
