package ingest

import (
	"testing"
	"time"
)

// broadcast is a row of broadcasts; times are told by whether they are there.
type broadcast struct {
	Stream string
	Off    bool // off_air_at is known
	Over   bool
}

func broadcasts(t *testing.T, l *Lives) []broadcast {
	t.Helper()
	var all []broadcast
	rows, err := l.pool.Query(t.Context(), "SELECT live_stream_id, off_air_at IS NOT NULL, ended_at IS NOT NULL FROM broadcasts ORDER BY first_seen, live_stream_id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var b broadcast
		if err := rows.Scan(&b.Stream, &b.Off, &b.Over); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

func wantBroadcasts(t *testing.T, l *Lives, want ...broadcast) {
	t.Helper()
	got := broadcasts(t, l)
	if len(got) != len(want) {
		t.Fatalf("broadcasts are %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("broadcast %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

// claimOne claims the only live that is due.
func claimOne(t *testing.T, l *Lives) Live {
	t.Helper()
	lives := claim(t, l, 1)
	if len(lives) != 1 {
		t.Fatal("nothing was claimed")
	}
	return lives[0]
}

func tellLive(t *testing.T, l *Lives, live Live, stream string) {
	t.Helper()
	report := Report{State: StateLive, LiveStreamID: stream}
	if _, err := l.Report(t.Context(), []StateChange{{ID: live.ID, Epoch: live.Epoch, Report: report}}); err != nil {
		t.Fatal(err)
	}
}

func release(t *testing.T, l *Lives, live Live, last Report) {
	t.Helper()
	if err := l.Release(t.Context(), live.ID, live.Epoch, last); err != nil {
		t.Fatal(err)
	}
}

// What a claim brings with the row is what was seen of the room before.
func TestBroadcastsOfARoom(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('a')")

	live := claimOne(t, l)
	if h := live.Habits; len(h.Starts) > 0 || h.OnAir || !h.Ended.IsZero() {
		t.Errorf("a new room has a history: %+v", h)
	}
	tellLive(t, l, live, "first")
	wantBroadcasts(t, l, broadcast{Stream: "first"})
	release(t, l, live, Report{State: StateStopped, LiveStreamID: "first"})

	live = claimOne(t, l)
	if h := live.Habits; !h.OnAir || len(h.Starts) > 0 {
		t.Errorf("left while on air, and on air since before it was looked at: %+v", h)
	}
	release(t, l, live, Report{State: StateOffline})
	wantBroadcasts(t, l, broadcast{Stream: "first", Over: true})

	live = claimOne(t, l)
	if h := live.Habits; h.OnAir || time.Since(h.Ended) > time.Minute {
		t.Errorf("found off air: %+v", h)
	}
	tellLive(t, l, live, "second")
	release(t, l, live, Report{State: StateEnded, LiveStreamID: "second"})
	wantBroadcasts(t, l, broadcast{Stream: "first", Over: true}, broadcast{Stream: "second", Off: true, Over: true})

	live = claimOne(t, l)
	if h := live.Habits; len(h.Starts) != 1 || time.Since(h.Starts[0]) > time.Minute {
		t.Errorf("of two starts one is known: %+v", h)
	}
	release(t, l, live, Report{State: StateRateLimited})
	wantBroadcasts(t, l, broadcast{Stream: "first", Over: true}, broadcast{Stream: "second", Off: true, Over: true})
}

// What was seen of a room goes with its row of lives.
func TestBroadcastsOfAnotherRoom(t *testing.T) {
	for name, test := range map[string]struct {
		edit string
		left []broadcast
	}{
		"deleted":      {"DELETE FROM lives WHERE live_id = 'a'", nil},
		"another room": {"UPDATE lives SET live_id = 'b' WHERE live_id = 'a'", nil},
		"the same":     {"UPDATE lives SET note = 'n', enabled = false WHERE live_id = 'a'", []broadcast{{Stream: "s"}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := openLives(t, newDatabase(t), "worker")
			execute(t, l, "INSERT INTO lives (live_id) VALUES ('a')")
			tellLive(t, l, claimOne(t, l), "s")
			execute(t, l, test.edit)
			wantBroadcasts(t, l, test.left...)
		})
	}
}

// A broadcast that several workers hear is one row, and over when the last of
// them finds it so.
func TestBroadcastOfReplicas(t *testing.T) {
	database := newDatabase(t)
	one, two := openLives(t, database, "one"), openLives(t, database, "two")
	execute(t, one, "INSERT INTO lives (live_id, replicas) VALUES ('a', 2)")
	first, second := claimOne(t, one), claimOne(t, two)
	tellLive(t, one, first, "s")
	tellLive(t, two, second, "s")
	release(t, one, first, Report{State: StateOffline})
	wantBroadcasts(t, one, broadcast{Stream: "s"})
	release(t, two, second, Report{State: StateEnded, LiveStreamID: "s"})
	wantBroadcasts(t, one, broadcast{Stream: "s", Over: true})
}

// A start between looks that are far apart tells of no hour.
func TestBroadcastOfUnknownStart(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('a')")
	release(t, l, claimOne(t, l), Report{State: StateOffline})
	execute(t, l, "UPDATE live_state SET off_air_at = now() - interval '1 hour'")
	live := claimOne(t, l)
	tellLive(t, l, live, "s")
	release(t, l, live, Report{State: StateEnded, LiveStreamID: "s"})
	if h := claimOne(t, l).Habits; len(h.Starts) > 0 {
		t.Errorf("seen an hour after it was off air: %+v", h)
	}
}

func TestBroadcastsAreForgotten(t *testing.T) {
	l := openLives(t, newDatabase(t), "worker")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('a')")
	live := claimOne(t, l)
	execute(t, l, `INSERT INTO broadcasts (live, live_stream_id, first_seen) VALUES
		($1, 'old', now() - interval '91 days'), ($1, 'young', now() - interval '89 days')`, live.ID)
	tellLive(t, l, live, "new")
	wantBroadcasts(t, l, broadcast{Stream: "young"}, broadcast{Stream: "new"})
}

// Whoever has a row of lives locked holds up no news.
func TestBroadcastOfALockedRow(t *testing.T) {
	database := newDatabase(t)
	l, people := openLives(t, database, "worker"), openLives(t, database, "people")
	execute(t, l, "INSERT INTO lives (live_id) VALUES ('a')")
	live := claimOne(t, l)
	leaveOpen(t, people, "SELECT FROM lives FOR UPDATE")
	tellLive(t, l, live, "s")
	wantBroadcasts(t, l, broadcast{Stream: "s"})
}
