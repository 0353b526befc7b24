package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kslive/internal/simulator"
)

// hearsBy says whether each worker hears the rooms in this way: the state that
// it tells, with the resolver.
func hearsBy(t *testing.T, s *setting, want map[string]string) func() bool {
	return func() bool {
		conn, err := pgx.Connect(t.Context(), s.engines.Postgres)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		for worker, way := range want {
			var n int
			if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM live_state WHERE owner = $1 AND state || ' by ' || via = $2", worker, way).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n != 1 {
				return false
			}
		}
		return true
	}
}

// Two workers hear a room: one is logged in and has a socket, the other is a
// guest that is named none and recalls comments. What both heard is one comment
// for readers. When the guest is given a cookie, a socket takes over at once.
func TestRecallBecomesASocket(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 12, Rate: 10, PushEvery: 250 * time.Millisecond})
	guests := simulator.Policy{
		Name: "guests", Account: simulator.AnyGuest,
		Answer: simulator.Answer{Code: simulator.CodeLogin, Call: "websocketinfo,livedetail,byUser"},
	}
	if err := s.simulator.SetPolicy(guests); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	accounts := func(name, cookie string) string {
		file := filepath.Join(folder, name+".toml")
		if err := os.WriteFile(file, []byte("[[account]]\nname = \"mine\"\nrate = 10\ncookie = \""+cookie+"\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	start := func(name, cookie string) *child {
		return s.startRun(t, s.engines.ClickHouse, "--worker="+name, "--spool="+t.TempDir(), "--accounts="+accounts(name, cookie))
	}
	const login = "userId=7; kuaishou.live.web_st=" + secretCookie
	execute(t, s, "INSERT INTO lives (live_id, replicas) SELECT unnest($1::text[]), 2", s.rooms(t, 1))
	guest, user := start("guest", ""), start("user", login)
	eventually(t, "the guest recalls, the user has a socket", hearsBy(t, s, map[string]string{"guest": "recall by recall", "user": "live by page"}))
	const both = "recalled_twins AS t JOIN comments AS c ON c.live_id = t.live_id AND c.event_id = t.event_id WHERE c.source = 'recall'"
	eventually(t, "the same comments come by both", func() bool { return s.count(t, both) > 10 })

	accounts("guest", login+"; did=web_0123456789abcdef0123456789abcdef")
	eventually(t, "the guest has a socket", hearsBy(t, s, map[string]string{"guest": "live by page", "user": "live by page"}))
	frames := s.simulator.Stats().Frames
	eventually(t, "something is heard by it", func() bool { return s.simulator.Stats().Frames > frames+20 })
	s.simulator.StopPushing()
	guest.stop()
	user.stop()

	if recalled, unique := s.count(t, "coverage FINAL WHERE via = 'recall' AND cause = 'recalled'"), s.count(t, "coverage_by_live WHERE recalled_seconds < heard_seconds"); recalled != 1 || unique != 1 {
		t.Errorf("coverage has %d sessions that recalled until a socket took over, and %d lives in which more was heard", recalled, unique)
	}
	for _, final := range []bool{true, false} {
		audit, err := s.simulator.Ledger().Audit(t.Context(), s.engines.pairs, final)
		if err != nil {
			t.Fatal(err)
		}
		comments := audit.Kinds["comments"]
		if !final {
			comments.Doubled = 0 // what both sockets heard is there twice until it is merged
		}
		if comments.Missing+comments.Doubled+comments.Extra > 0 || comments.Sent < 20 {
			t.Errorf("final %v: comments %+v", final, comments)
		}
	}
	requireReadOnce(t, s)
}

// requireReadOnce requires that each comment that was recalled as well as heard
// is one of comments_unique.
func requireReadOnce(t *testing.T, s *setting) {
	t.Helper()
	rows, read := s.count(t, "comments FINAL"), s.count(t, "comments_unique")
	if twins := s.count(t, "recalled_twins"); twins == 0 || read+twins != rows {
		t.Errorf("of %d comments in the table %d are read, and %d are twins", rows, read, twins)
	}
}
