package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kslive/internal/simulator"
)

// hearing is how many rooms each worker hears, by live_state.
func hearing(t *testing.T, s *setting) map[string]int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.engines.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), `SELECT s.owner, count(*) FROM live_state s JOIN workers w ON w.name = s.owner
		WHERE slot_due_at(s.owner, s.lease_until, s.next_at, w.lease_until) > now() AND s.state = 'live' GROUP BY s.owner`)
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int)
	var (
		owner string
		count int
	)
	if _, err := pgx.ForEachRow(rows, []any{&owner, &count}, func() error {
		counts[owner] = count
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return counts
}

// hear says whether the workers hear so many rooms each.
func hear(t *testing.T, s *setting, want map[string]int) func() bool {
	return func() bool { return maps.Equal(hearing(t, s), want) }
}

// shared says whether so many rooms are heard, by these workers and no others, each
// of which has its share: one more or less is not worth a second connection.
func shared(t *testing.T, s *setting, rooms int, workers ...string) func() bool {
	return func() bool {
		counts, heard := hearing(t, s), 0
		for _, worker := range workers {
			heard += counts[worker]
			if off := counts[worker] - rooms/len(workers); off < -1 || off > 1 {
				return false
			}
		}
		return heard == rooms && len(counts) == len(workers)
	}
}

// count is a number in ClickHouse.
func (s *setting) count(t *testing.T, from string) uint64 {
	t.Helper()
	counts, err := s.engines.pairs(t.Context(), "SELECT toUInt64(0) AS hash, count() AS count FROM "+from)
	if err != nil {
		t.Fatal(err)
	}
	return counts[0]
}

// startWorker is startRun with a name and a spool of its own.
func (s *setting) startWorker(t *testing.T, name, spool string) *child {
	t.Helper()
	return s.startRun(t, s.engines.ClickHouse, "--worker="+name, "--spool="+spool)
}

// requireOnce requires all that was sent to be stored, and to be read once.
func requireOnce(t *testing.T, s *setting) {
	t.Helper()
	audit, err := s.simulator.Ledger().Audit(context.Background(), s.engines.pairs, true)
	if err != nil {
		t.Fatal(err)
	}
	if audit.Missing+audit.Doubled+audit.Extra > 0 || audit.Sent < 500 {
		t.Errorf("%+v", audit)
	}
}

// Of two workers that hear the same rooms one is killed at any moment: the other
// has heard everything.
func TestReplicaIsKilled(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s := newSetting(t, simulator.Options{Seed: 7, Rate: 100, PushEvery: 100 * time.Millisecond})
	execute(t, s, "INSERT INTO lives (live_id, replicas) SELECT unnest($1::text[]), 2", s.rooms(t, 5))
	spool := t.TempDir()
	first := s.startWorker(t, "first", spool)
	second := s.startWorker(t, "second", t.TempDir())
	eventually(t, "both hear all rooms", hear(t, s, map[string]int{"first": 5, "second": 5}))
	var list bytes.Buffer
	if code := run(t.Context(), []string{"lives", "list", "--postgres", s.engines.Postgres}, nil, &list, io.Discard); code != exitOK || len(regexp.MustCompile(`live +page +2/2 .* first,second`).FindAllString(list.String(), -1)) != 5 {
		t.Errorf("exit code %d: %s", code, &list)
	}
	frames := s.simulator.Stats().Frames
	more := 200 + rand.New(rand.NewPCG(seed, 0)).Uint64N(500)
	eventually(t, "some frames are sent", func() bool { return s.simulator.Stats().Frames > frames+more })
	first.kill()
	eventually(t, "the lease has ended", hear(t, s, map[string]int{"second": 5}))
	eventually(t, "frames are sent to one", func() bool { return s.simulator.Stats().Frames > frames+more+200 })
	s.simulator.StopPushing()
	second.stop()
	audit, err := s.simulator.Ledger().Audit(t.Context(), s.engines.pairs, true)
	if err != nil {
		t.Fatal(err)
	}
	for table, kind := range audit.Kinds {
		// The answer to entering a room is sent to one worker alone, so that what
		// the killed one has of it is still in its spool.
		if table != "room_events" && kind.Missing+kind.Doubled+kind.Extra > 0 {
			t.Errorf("%s: %+v", table, kind)
		}
	}
	first = s.startWorker(t, "first", spool)
	eventually(t, "the first one hears again", hear(t, s, map[string]int{"first": 5}))
	first.stop()
	requireOnce(t, s)
}

// Rooms move to a worker that comes, and back when it goes; nothing is missed on
// the way there, since both hear them for a moment.
func TestRoomsAreHandedOver(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 8, Rate: 100, PushEvery: 100 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 9))
	first := s.startWorker(t, "first", t.TempDir())
	eventually(t, "the first hears all rooms", hear(t, s, map[string]int{"first": 9}))
	second := s.startWorker(t, "second", t.TempDir())
	eventually(t, "the rooms are shared", hear(t, s, map[string]int{"first": 5, "second": 4}))
	eventually(t, "the first has left what it gave", func() bool { return s.simulator.Stats().Connections == 9 })
	eventually(t, "coverage says so", func() bool {
		return s.count(t, "coverage FINAL WHERE cause = 'handed_over' AND ended_at > connected_at") == 4
	})
	eventually(t, "it knows of no gap", func() bool { return s.count(t, "gaps") == 0 })
	second.stop()
	eventually(t, "the first hears all rooms again", hear(t, s, map[string]int{"first": 9}))
	// The second one's last records are loaded when it stops; those of the first,
	// which tell that there was no gap, within about a second.
	eventually(t, "rooms were handed over there and back", func() bool {
		return s.count(t, "coverage FINAL WHERE cause = 'handed_over' AND ended_at > connected_at") >= 8
	})
	eventually(t, "a planned stop leaves no gap", func() bool { return s.count(t, "gaps") == 0 })
	s.simulator.StopPushing()
	first.stop()
	requireOnce(t, s)
}

// Three workers share the rooms; a killed one's are heard again soon after its
// leases have ended, and one that is added gets its part.
func TestThreeWorkers(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 9, Rate: 10, PushEvery: 200 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 30))
	s.startWorker(t, "a", t.TempDir())
	s.startWorker(t, "b", t.TempDir())
	killed := s.startWorker(t, "c", t.TempDir())
	eventually(t, "the rooms are shared", shared(t, s, 30, "a", "b", "c"))
	killed.kill()
	eventually(t, "the others hear them", shared(t, s, 30, "a", "b"))
	s.startWorker(t, "d", t.TempDir())
	eventually(t, "the rooms are shared again", shared(t, s, 30, "a", "b", "d"))
}

// A worker that was stopped for longer than its lease, and goes on, leaves what
// is another's now and shares the rooms anew.
func TestZombieWorker(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 10, Rate: 100, PushEvery: 100 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 6))
	zombie := s.startWorker(t, "zombie", t.TempDir())
	other := s.startWorker(t, "other", t.TempDir())
	eventually(t, "the rooms are shared", hear(t, s, map[string]int{"zombie": 3, "other": 3}))
	zombie.signal(syscall.SIGSTOP)
	eventually(t, "the other hears all rooms", hear(t, s, map[string]int{"other": 6}))
	zombie.signal(syscall.SIGCONT)
	eventually(t, "the rooms are shared again", hear(t, s, map[string]int{"zombie": 3, "other": 3}))
	eventually(t, "nobody hears what is another's", func() bool { return s.simulator.Stats().Connections == 6 })
	s.simulator.StopPushing()
	zombie.stop()
	other.stop()
	audit, err := s.simulator.Ledger().Audit(t.Context(), s.engines.pairs, true)
	if err != nil {
		t.Fatal(err)
	}
	if audit.Doubled+audit.Extra > 0 {
		t.Errorf("%+v", audit)
	}
}

// A second worker of the same name does not start, and the first one goes on.
func TestWorkerOfTheSameName(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 11})
	insertLives(t, s, s.rooms(t, 2))
	first := s.startWorker(t, "w", t.TempDir())
	eventually(t, "the first hears the rooms", hear(t, s, map[string]int{"w": 2}))
	epochs := func() string {
		return fmt.Sprint(liveStatus(t, s, simulator.LiveID(1, 0), "epoch::text"), liveStatus(t, s, simulator.LiveID(1, 1), "epoch::text"))
	}
	before := epochs()
	second := s.startWorker(t, "w", t.TempDir())
	<-second.ended
	if second.ProcessState.ExitCode() != exitFailed || !strings.Contains(second.output.String(), `another process works as "w"`) {
		t.Errorf("exit code %d: %s", second.ProcessState.ExitCode(), second.output)
	}
	if after := epochs(); after != before {
		t.Errorf("epochs went from %s to %s", before, after)
	}

	// The name of one that is frozen for longer than its lease is free.
	first.signal(syscall.SIGSTOP)
	eventually(t, "the lease has ended", hear(t, s, map[string]int{}))
	second = s.startWorker(t, "w", t.TempDir())
	eventually(t, "the second hears the rooms", hear(t, s, map[string]int{"w": 2}))
	before = epochs()
	first.signal(syscall.SIGCONT)
	<-first.ended
	if first.ProcessState.ExitCode() != exitFailed || !strings.Contains(first.output.String(), `another process works as "w"`) {
		t.Errorf("exit code %d: %s", first.ProcessState.ExitCode(), first.output)
	}
	if after := epochs(); after != before || !hear(t, s, map[string]int{"w": 2})() {
		t.Errorf("epochs went from %s to %s, and %v are heard", before, after, hearing(t, s))
	}
	second.stop()
}

// While Postgres is away for longer than a lease no room is held; when it is
// back, the worker registers again and goes on.
func TestPostgresAway(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 12, Rate: 50, PushEvery: 100 * time.Millisecond})
	front := newDoor(t, s.engines.Postgres)
	insertLives(t, s, s.rooms(t, 5))
	run := s.startRun(t, s.engines.ClickHouse, "--worker=w", "--postgres="+front.dsn(t, s.engines.Postgres))
	eventually(t, "the rooms are heard", hear(t, s, map[string]int{"w": 5}))
	front.close()
	eventually(t, "the rooms are left", func() bool { return s.simulator.Stats().Connections == 0 })
	front.open(t)
	eventually(t, "the rooms are heard again", hear(t, s, map[string]int{"w": 5}))
	eventually(t, "rows are stored", func() bool { return s.audit(t).Stored > 500 })
	s.simulator.StopPushing()
	run.stop()
	requireOnce(t, s)
}
