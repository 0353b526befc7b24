package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kslive/ingest"
	"kslive/internal/simulator"
	kuaishou "kslive/proto"
	"kslive/schema"
)

func insertLives(t *testing.T, s *setting, ids []string) {
	t.Helper()
	execute(t, s, "INSERT INTO lives (live_id) SELECT unnest($1::text[])", ids)
}

func execute(t *testing.T, s *setting, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.engines.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// Rows are inserted, changed and deleted while the daemon runs, in the way a
// person does it; everything sent arrives once.
func TestLivesComeAndGo(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 1, Rate: 50, PushEvery: 200 * time.Millisecond})
	ids := s.rooms(t, 6)
	run := s.startRun(t, s.engines.ClickHouse)
	connections := func(want int) func() bool {
		return func() bool { return s.simulator.Stats().Connections == want }
	}
	insertLives(t, s, ids[:4])
	eventually(t, "four rooms are connected", connections(4))
	execute(t, s, "INSERT INTO lives (live_id, start_at) VALUES ($1, now() + interval '1 hour')", ids[4])
	execute(t, s, "INSERT INTO lives (live_id, stop_at) VALUES ($1, now() + interval '2 seconds')", "https://live.kuaishou.com/u/"+ids[5])
	eventually(t, "the room with stop_at is connected", connections(5))
	eventually(t, "it is left at stop_at", connections(4))
	execute(t, s, "UPDATE lives SET enabled = false WHERE live_id = $1", ids[0])
	eventually(t, "a disabled room is left", connections(3))
	execute(t, s, "DELETE FROM lives WHERE live_id = $1", ids[1])
	eventually(t, "a deleted room is left", connections(2))
	execute(t, s, "UPDATE lives SET enabled = true WHERE live_id = $1", ids[0])
	eventually(t, "a room enabled again is connected", connections(3))
	if err := s.simulator.EndLive(ids[2]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "an ended room lets go of its socket", connections(2))
	eventually(t, "rows are stored", func() bool { return s.audit(t).Stored > 500 })
	s.simulator.StopPushing()
	run.stop()
	audit := s.audit(t)
	if audit.Missing+audit.Doubled+audit.Extra > 0 || audit.Sent < 500 {
		t.Errorf("%+v", audit)
	}
	if state := liveStatus(t, s, ids[2], "state"); state != "ended" {
		t.Errorf("the room that ended is %q", state)
	}
}

// liveStatus is a column of a room's line of live_status.
func liveStatus(t *testing.T, s *setting, liveID, column string) (value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.engines.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "SELECT "+column+" FROM live_status WHERE live_id = $1", liveID).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// A row that is locked for longer than it takes to renew leases costs neither its
// room nor what the room has to say meanwhile.
func TestLockedRow(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 13, Rate: 50, PushEvery: 100 * time.Millisecond})
	ids := s.rooms(t, 1)
	if err := s.simulator.SetFaults(ids[0], simulator.Faults{AckDelay: 3 * time.Second}); err != nil {
		t.Fatal(err)
	}
	insertLives(t, s, ids)
	run := s.startRun(t, s.engines.ClickHouse, "--worker=w", "--lease=15s")
	eventually(t, "the room is entered", func() bool { return liveStatus(t, s, ids[0], "state") == "connecting" })
	conn, err := pgx.Connect(t.Context(), s.engines.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "BEGIN; SELECT FROM live_state FOR UPDATE; SELECT pg_sleep(6)"); err != nil {
		t.Fatal(err)
	}
	if state := liveStatus(t, s, ids[0], "state"); state != "connecting" {
		t.Fatalf("the room is %s, although its row was locked", state)
	}
	if _, err := conn.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the row says that the room is heard", hear(t, s, map[string]int{"w": 1}))
	eventually(t, "rows are stored", func() bool { return s.audit(t).Stored > 500 })
	s.simulator.StopPushing()
	run.stop()
	requireOnce(t, s)
	if n := s.count(t, "coverage FINAL"); n != 1 {
		t.Errorf("it took %d connections", n)
	}
}

// A worker that is killed has lost no frame that was in its spool, and after
// its next start nothing is there twice.
func TestKillNine(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 2, Rate: 100, PushEvery: 100 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 10))
	args := []string{"--segment-bytes=65536", "--worker=w"}
	for round := range 4 {
		run := s.startRun(t, s.engines.ClickHouse, args...)
		frames := len(s.spooledFrames(t))
		eventually(t, "frames are spooled", func() bool { return len(s.spooledFrames(t)) > frames+150*(round+1) })
		run.kill()
	}
	spooled := s.spooledFrames(t)
	// The last start loads what is left; its rooms push on until they are stopped.
	run := s.startRun(t, s.engines.ClickHouse, args...)
	eventually(t, "the rooms are connected again", func() bool { return s.simulator.Stats().Connections == 10 })
	s.simulator.StopPushing()
	run.stop()

	requireStored(t, s, spooled)
	if audit := s.audit(t); audit.Doubled > 0 || audit.Extra > 0 {
		t.Errorf("doubled or never sent: %+v", audit)
	}
}

// requireStored requires each row that the frames become in its table, once.
func requireStored(t *testing.T, s *setting, frames []*kuaishou.Frame) {
	t.Helper()
	var batch schema.Batch
	decoder := ingest.NewDecoder(nil)
	for _, frame := range frames {
		decoder.Decode(frame, 0, &batch)
	}
	if batch.Len() < 1000 {
		t.Fatalf("only %d rows were in the spool: too few to prove anything", batch.Len())
	}
	for rows := range batch.All() {
		stored, err := s.engines.pairs(context.Background(), fmt.Sprintf("SELECT event_id, count() FROM %s GROUP BY event_id", rows.Name))
		if err != nil {
			t.Fatal(err)
		}
		wanted := make(map[uint64]uint64)
		// Of an attempt's records ClickHouse keeps one, sooner or later.
		replaced := rows.Name == "coverage"
		for i := range rows.Len() {
			if id := rows.Event(i).EventID; !replaced || wanted[id] == 0 {
				wanted[id]++
			}
		}
		lost, doubled := 0, 0
		for id, count := range wanted {
			least := count
			if rows.Name == "coverage" {
				least = 1 // the later record of a session replaces the earlier
			}
			switch {
			case stored[id] < least:
				lost++
			case stored[id] > count && !replaced:
				doubled++
			}
		}
		if lost > 0 || doubled > 0 {
			t.Errorf("%s: of %d rows in the spool, %d are lost and %d doubled", rows.Name, len(wanted), lost, doubled)
		}
	}
}

// While ClickHouse is gone the rooms stay connected and the spool grows; later
// everything arrives once.
func TestClickHouseStopped(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 3, Rate: 100, PushEvery: 100 * time.Millisecond})
	front := newDoor(t, s.engines.ClickHouse)
	insertLives(t, s, s.rooms(t, 5))
	run := s.startRun(t, front.dsn(t, s.engines.ClickHouse))
	eventually(t, "rows are stored", func() bool { return s.audit(t).Stored > 200 })
	front.close()
	stored, frames := s.audit(t).Stored, len(s.spooledFrames(t))
	eventually(t, "the spool grows", func() bool { return len(s.spooledFrames(t)) > frames+200 })
	if stats := s.simulator.Stats(); stats.Connections != 5 {
		t.Errorf("%d rooms are connected while ClickHouse is gone, want 5", stats.Connections)
	}
	front.open(t)
	eventually(t, "rows are stored again", func() bool { return s.audit(t).Stored > stored+200 })
	s.simulator.StopPushing()
	run.stop()
	if audit := s.audit(t); audit.Missing+audit.Doubled+audit.Extra > 0 {
		t.Errorf("%+v", audit)
	}
}

// A worker that is started while ClickHouse is gone hears its rooms all the
// same, if it has a spool from before.
func TestStartsWhileClickHouseIsAway(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 12, Rate: 100, PushEvery: 100 * time.Millisecond})
	front := newDoor(t, s.engines.ClickHouse)
	insertLives(t, s, s.rooms(t, 5))
	front.close()
	refused := s.startRun(t, front.dsn(t, s.engines.ClickHouse))
	<-refused.ended
	if refused.err == nil || !strings.Contains(refused.output.String(), "check the address and that the server is up") {
		t.Errorf("a new worker ended with %v:\n%s", refused.err, refused.output)
	}
	front.open(t)
	run := s.startRun(t, front.dsn(t, s.engines.ClickHouse), "--worker=w")
	eventually(t, "rows are stored", func() bool { return s.audit(t).Stored > 200 })
	front.close()
	run.kill()
	spooled := s.spooledFrames(t)
	run = s.startRun(t, front.dsn(t, s.engines.ClickHouse), "--worker=w")
	eventually(t, "the spool grows", func() bool { return len(s.spooledFrames(t)) > len(spooled)+200 })
	spooled = s.spooledFrames(t)
	stored := s.audit(t).Stored
	front.open(t)
	eventually(t, "rows are stored again", func() bool { return s.audit(t).Stored > stored+200 })
	s.simulator.StopPushing()
	run.stop()
	requireStored(t, s, spooled)
	if audit := s.audit(t); audit.Doubled > 0 || audit.Extra > 0 {
		t.Errorf("doubled or never sent: %+v", audit)
	}
}

// Two workers share the rooms; what one held when it died, the other takes over.
func TestTwoWorkers(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 6, Rate: 50, PushEvery: 100 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 10))
	connections := func(want int) func() bool {
		return func() bool { return s.simulator.Stats().Connections == want }
	}
	first := s.startRun(t, s.engines.ClickHouse, "--worker=first", "--max-rooms=5")
	eventually(t, "the first worker is full", connections(5))
	second := s.startRun(t, s.engines.ClickHouse, "--worker=second", "--spool="+t.TempDir())
	eventually(t, "the second worker has the others", connections(10))
	eventually(t, "frames are spooled", func() bool { return len(s.spooledFrames(t)) > 400 })
	first.kill()
	spooled := s.spooledFrames(t)
	eventually(t, "the second worker has them all", func() bool {
		return connections(10)() && strings.Contains(liveStatus(t, s, simulator.LiveID(1, 0), "owner"), "second")
	})
	first = s.startRun(t, s.engines.ClickHouse, "--worker=first", "--max-rooms=5")
	s.simulator.StopPushing()
	second.stop()
	eventually(t, "the first worker has rooms again", connections(5))
	first.stop()
	requireStored(t, s, spooled)
	if audit := s.audit(t); audit.Doubled > 0 || audit.Extra > 0 {
		t.Errorf("doubled or never sent: %+v", audit)
	}
}

// A full spool closes the rooms and says so; when ClickHouse has caught up they
// are opened again.
func TestFullSpool(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 4, Rate: 200, PushEvery: 100 * time.Millisecond})
	front := newDoor(t, s.engines.ClickHouse)
	ids := s.rooms(t, 5)
	insertLives(t, s, ids)
	run := s.startRun(t, front.dsn(t, s.engines.ClickHouse), "--segment-bytes=65536", "--spool-max=300000")
	connections := func(want int) func() bool {
		return func() bool { return s.simulator.Stats().Connections == want }
	}
	eventually(t, "the rooms are connected", connections(5))
	front.close()
	eventually(t, "the rooms are closed", connections(0))
	eventually(t, "the table says why", func() bool { return strings.Contains(liveStatus(t, s, ids[0], "reason"), "spool is full") })
	spooled := s.spooledFrames(t)
	front.open(t)
	eventually(t, "the rooms are opened again", connections(5))
	s.simulator.StopPushing()
	run.stop()
	requireStored(t, s, spooled)
	if audit := s.audit(t); audit.Doubled > 0 || audit.Extra > 0 {
		t.Errorf("doubled or never sent: %+v", audit)
	}
}

// Gifts whose feeds tell no price have that of the catalogue, which is asked for
// once, also when the worker starts again.
func TestGiftsArePriced(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 13, Rate: 50, PushEvery: 100 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 3))
	run := s.startRun(t, s.engines.ClickHouse)
	eventually(t, "the catalogue is there", func() bool { return s.count(t, "gift_catalogue") > 0 })
	run.stop() // which may be before it was told that this was read
	listed := s.count(t, "gift_catalogue")
	run = s.startRun(t, s.engines.ClickHouse)
	eventually(t, "gifts are stored", func() bool { return s.count(t, "gifts") > 200 })
	s.simulator.StopPushing()
	run.stop()
	if n := s.count(t, "gift_catalogue"); n != listed {
		t.Errorf("gift_catalogue had %d rows before the second start and has %d", listed, n)
	}
	for from, some := range map[string]bool{
		"gift_combos WHERE price_source = 'catalogue'":                                                              true,
		"gift_combos WHERE price_source = 'feed'":                                                                   true,
		"gift_combos WHERE price_source IN ('rank', 'unknown') OR unit_price = 0 OR gift_name = ''":                 false,
		"gifts JOIN gift_prices AS p USING gift_id WHERE gifts.unit_price > 0 AND gifts.unit_price <> p.unit_price": false,
	} {
		if n := s.count(t, from); n > 0 != some {
			t.Errorf("%d rows: %s", n, from)
		}
	}
	lists := 0
	for _, call := range s.simulator.Calls() {
		if call.Name == simulator.CallCatalogue || call.Name == simulator.CallAllGifts {
			lists++
		}
	}
	if lists != 2 {
		t.Errorf("%d calls for lists, want one for each", lists)
	}
}

// door is a TCP proxy that can be shut: then connections break and new ones are
// refused.
type door struct {
	address, target string

	mu       sync.Mutex
	listener net.Listener          // guarded by mu
	conns    map[net.Conn]struct{} // guarded by mu
	serving  sync.WaitGroup
}

func newDoor(t *testing.T, target string) *door {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	d := &door{address: "127.0.0.1:0", target: u.Host, conns: make(map[net.Conn]struct{})}
	d.open(t)
	t.Cleanup(d.close)
	return d
}

// dsn is the URL of ClickHouse as seen through the door.
func (d *door) dsn(t *testing.T, direct string) string {
	t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = d.address
	return u.String()
}

func (d *door) open(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", d.address)
	if err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.listener, d.address = listener, listener.Addr().String()
	d.mu.Unlock()
	d.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			d.serving.Go(func() { d.pass(conn) })
		}
	})
}

func (d *door) pass(client net.Conn) {
	server, err := net.Dial("tcp", d.target)
	if err != nil {
		client.Close()
		return
	}
	d.mu.Lock()
	d.conns[client], d.conns[server] = struct{}{}, struct{}{}
	d.mu.Unlock()
	d.serving.Go(func() {
		io.Copy(server, client)
		server.Close()
	})
	io.Copy(client, server)
	client.Close()
}

// close shuts the door and breaks what is under way.
func (d *door) close() {
	d.mu.Lock()
	d.listener.Close()
	for conn := range d.conns {
		conn.Close()
	}
	clear(d.conns)
	d.mu.Unlock()
	d.serving.Wait()
}
