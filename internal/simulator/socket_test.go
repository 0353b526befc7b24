package simulator

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	kuaishou "kslive/proto"
	"kslive/schema"
)

func TestEnterHeartbeatLeave(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, Heartbeat: 7 * time.Second})
	c := enter(t, s, liveID)
	ack := &kuaishou.SCWebEnterRoomAck{}
	if envelope := c.until(kuaishou.PayloadType_SC_ENTER_ROOM_ACK, ack); envelope.Time == 0 || ack.HeartbeatIntervalMs != 7000 {
		t.Errorf("ack %v at %d", ack, envelope.Time)
	}
	c.send(kuaishou.PayloadType_CS_HEARTBEAT, &kuaishou.CSWebHeartbeat{Timestamp: 42})
	heartbeat := &kuaishou.SCWebHeartbeatAck{}
	if c.until(kuaishou.PayloadType_SC_HEARTBEAT_ACK, heartbeat); heartbeat.ClientTimestamp != 42 {
		t.Errorf("heartbeat ack %v", heartbeat)
	}
	if _, err := c.leave(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("after leaving: %v, want close 1000", err)
	}
}

func TestEntryRefused(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	old, err := s.Room(liveID)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.EndLive(liveID), s.GoLive(liveID)); err != nil {
		t.Fatal(err)
	}
	state, err := s.Room(liveID)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		request *kuaishou.CSWebEnterRoom
		code    uint32
		rows    uint64 // in the ledger; none when no room can be told
	}{
		"wrong token":     {&kuaishou.CSWebEnterRoom{LiveStreamId: state.LiveStreamID, Token: "wrong"}, CodeBadToken, 1},
		"old broadcast":   {&kuaishou.CSWebEnterRoom{LiveStreamId: old.LiveStreamID, Token: old.Token}, CodeEnded, 1},
		"wrong broadcast": {&kuaishou.CSWebEnterRoom{LiveStreamId: "xxxxxxxxxxx", Token: state.Token}, CodeBadParameter, 1},
		"nothing known":   {&kuaishou.CSWebEnterRoom{LiveStreamId: "xxxxxxxxxxx", Token: "wrong"}, CodeBadParameter, 0},
	} {
		before := s.Ledger().Counts()["room_events"]
		c := dial(t, s)
		c.send(kuaishou.PayloadType_CS_ENTER_ROOM, test.request)
		refusal := &kuaishou.SCWebError{}
		c.until(kuaishou.PayloadType_SC_ERROR, refusal)
		if refusal.Code != test.code || refusal.Msg == "" {
			t.Errorf("%s: %v, want code %d", name, refusal, test.code)
		}
		if _, err := c.next(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("%s: then %v, want close 1000", name, err)
		}
		if got := s.Ledger().Counts()["room_events"] - before; got != test.rows {
			t.Errorf("%s: %d rows, want %d", name, got, test.rows)
		}
	}
}

func TestFirstMessageMustEnter(t *testing.T) {
	t.Parallel()
	s, _ := startLive(t, Options{Seed: 1})
	heartbeat := dial(t, s)
	heartbeat.send(kuaishou.PayloadType_CS_HEARTBEAT, &kuaishou.CSWebHeartbeat{Timestamp: 1})
	text := dial(t, s)
	if err := text.socket.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*client{"heartbeat": heartbeat, "text": text} {
		if message, err := c.next(); err == nil {
			t.Errorf("%s first: answered %v", name, message)
		}
	}
}

func TestEndLive(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})
	first, second := enter(t, s, liveID), enter(t, s, liveID)
	first.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	second.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	before, _ := s.Room(liveID)
	if err := s.EndLive(liveID); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*client{first, second} {
		end := &kuaishou.SCWebError{}
		c.until(kuaishou.PayloadType_SC_ERROR, end)
		if end.Code != 601 || end.Msg != "直播已结束" {
			t.Errorf("end %v", end)
		}
		if _, err := c.next(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Errorf("after the end: %v, want close 1000", err)
		}
	}
	if err := s.GoLive(liveID); err != nil {
		t.Fatal(err)
	}
	after, _ := s.Room(liveID)
	if after.State != "live" || after.LiveStreamID == before.LiveStreamID || after.Token == before.Token {
		t.Errorf("back as %+v, was %+v", after, before)
	}
	enter(t, s, liveID).until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
}

func TestMissedHeartbeats(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, Heartbeat: 40 * time.Millisecond, PushEvery: 10 * time.Millisecond})
	began := time.Now()
	c := enter(t, s, liveID)
	for {
		if _, err := c.next(); err != nil {
			break
		}
	}
	if lived := time.Since(began); lived < 120*time.Millisecond || lived > 10*time.Second {
		t.Errorf("dropped after %v, want three heartbeats", lived)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})

	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	if err := s.Cut(liveID); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := c.next(); err != nil {
			if !websocket.IsCloseError(err, websocket.CloseAbnormalClosure) {
				t.Errorf("cut: %v, want no close message", err)
			}
			break
		}
	}

	if err := s.SetFaults(liveID, Faults{RefuseToken: true}); err != nil {
		t.Fatal(err)
	}
	refusal := &kuaishou.SCWebError{}
	if enter(t, s, liveID).until(kuaishou.PayloadType_SC_ERROR, refusal); refusal.Code != CodeBadToken {
		t.Errorf("refused with %v", refusal)
	}

	if err := s.SetFaults(liveID, Faults{Silence: true}); err != nil {
		t.Fatal(err)
	}
	c = enter(t, s, liveID)
	c.send(kuaishou.PayloadType_CS_HEARTBEAT, &kuaishou.CSWebHeartbeat{Timestamp: 1})
	_ = c.socket.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
	if message, err := c.next(); err == nil {
		t.Errorf("silence: got %v", message)
	}
}

// TestLedgerIsWhatArrived reads everything off several sockets and compares it
// with the ledger, table by table, and row by row where the test rebuilds rows.
func TestLedgerIsWhatArrived(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Seed: 11, Rate: 4000, PushEvery: 5 * time.Millisecond})
	var clients []*client
	for i := range 3 {
		if err := s.AddRoom(LiveID(11, i), RoomOptions{Live: true}); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, enter(t, s, LiveID(11, i)))
	}
	got := received{counts: map[string]uint64{}}
	take := func(i int, message *kuaishou.SocketMessage) {
		state, _ := s.Room(LiveID(11, i))
		got.take(t, schema.Event{LiveID: state.LiveID, LiveStreamID: state.LiveStreamID}, message)
	}
	for i, c := range clients {
		for range 150 {
			message, err := c.next()
			if err != nil {
				t.Fatal(err)
			}
			take(i, message)
		}
	}
	s.StopPushing()
	for i, c := range clients {
		rest, err := c.leave()
		if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
			t.Fatal(err)
		}
		for _, message := range rest {
			take(i, message)
		}
	}
	sent := s.Ledger().Counts()
	if diff := cmp.Diff(sent, got.counts); diff != "" {
		t.Errorf("sent (-), received (+):\n%s", diff)
	}
	for table, count := range sent {
		if count == 0 {
			t.Errorf("no row of %s was sent", table)
		}
	}
	again := map[entry]uint32{}
	for _, row := range got.rows {
		again[entryOf(row)]++
	}
	for e, count := range again {
		if want := s.ledger.tables[e.table].sent[e.hash].sent; count != want {
			t.Errorf("a row of %s arrived %d times, the ledger has it %d times", keys[e.table].table, count, want)
		}
	}
}

func TestConnectionsShareAPush(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 2, PushEvery: 10 * time.Millisecond})
	first, second := enter(t, s, liveID), enter(t, s, liveID)
	second.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	s.StopPushing()
	one, _ := first.leave()
	two, _ := second.leave()
	times := map[uint64]bool{}
	for _, message := range one {
		times[message.Time] = true
	}
	for _, message := range two {
		if message.PayloadType != kuaishou.PayloadType_SC_ENTER_ROOM_ACK && !times[message.Time] {
			t.Errorf("only one connection got %v", message.PayloadType)
		}
	}
	// Two acks, and every push once.
	if got, want := s.Ledger().Counts()["room_stats"], countStats(one); got != want {
		t.Errorf("%d room_stats in the ledger, %d arrived", got, want)
	}
}

func countStats(messages []*kuaishou.SocketMessage) uint64 {
	var n uint64
	for _, message := range messages {
		switch message.PayloadType {
		case kuaishou.PayloadType_SC_FEED_PUSH, kuaishou.PayloadType_SC_LIVE_WATCHING_LIST:
			n++
		}
	}
	return n
}

func TestNoPushWithoutConnection(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: time.Millisecond})
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	if _, err := c.leave(); err == nil {
		t.Fatal("no close")
	}
	r := s.room(liveID)
	if _, ok := r.push(time.Second); ok {
		t.Error("a room without connections pushes")
	}
}
