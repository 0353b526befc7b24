package simulator

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	kuaishou "kslive/proto"
)

// set makes the faults of a room so.
func set(t *testing.T, s *Simulator, liveID string, faults Faults) {
	t.Helper()
	if err := s.SetFaults(liveID, faults); err != nil {
		t.Fatal(err)
	}
}

func TestLateAck(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})
	set(t, s, liveID, Faults{AckDelay: 200 * time.Millisecond})
	began := time.Now()
	c := enter(t, s, liveID)
	first, err := c.next()
	if err != nil || first.PayloadType != kuaishou.PayloadType_SC_ENTER_ROOM_ACK || time.Since(began) < 200*time.Millisecond {
		t.Errorf("after %v %v, %v; want the ack, late", time.Since(began), first.GetPayloadType(), err)
	}
	c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
}

func TestNobodyIsAcknowledgedWhoHasGone(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	set(t, s, liveID, Faults{AckDelay: 10 * time.Minute})
	c := enter(t, s, liveID)
	eventually(t, "the connection is there", func() bool { return s.Stats().Connections == 1 })
	_ = c.socket.Close()
	eventually(t, "the connection has gone", func() bool { return s.Stats().Connections == 0 })
	if stats := s.Stats(); stats.Frames != 0 || stats.Sent["room_events"] != 0 {
		t.Errorf("stats %+v, want nothing sent", stats)
	}
}

func TestIgnoredHeartbeats(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})
	set(t, s, liveID, Faults{IgnoreHeartbeats: true})
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_ENTER_ROOM_ACK, &kuaishou.SCWebEnterRoomAck{})
	c.send(kuaishou.PayloadType_CS_HEARTBEAT, &kuaishou.CSWebHeartbeat{Timestamp: 1})
	c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	rest, err := c.leave()
	if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("left with %v", err)
	}
	for _, message := range rest {
		if message.PayloadType == kuaishou.PayloadType_SC_HEARTBEAT_ACK {
			t.Error("the heartbeat was answered")
		}
	}
}

func TestHalfOpen(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, Heartbeat: 40 * time.Millisecond, PushEvery: 5 * time.Millisecond})
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	set(t, s, liveID, Faults{HalfOpen: true})
	c.send(kuaishou.PayloadType_CS_HEARTBEAT, &kuaishou.CSWebHeartbeat{Timestamp: 1})
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := c.socket.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	// Far longer than the heartbeats that may be missed.
	_ = c.socket.SetReadDeadline(time.Now().Add(400 * time.Millisecond))
	for {
		message, err := c.next()
		if err == nil && message.PayloadType != kuaishou.PayloadType_SC_HEARTBEAT_ACK {
			continue // was on its way
		}
		if !isTimeout(err) {
			t.Fatalf("got %v, %v; want nothing at all", message, err)
		}
		break
	}
	if state, _ := s.Room(liveID); state.Connections != 1 {
		t.Errorf("%d connections while half open", state.Connections)
	}
	set(t, s, liveID, Faults{})
	raw := c.socket.NetConn()
	_ = raw.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.Copy(io.Discard, raw); isTimeout(err) {
		t.Error("afterwards the connection was not dropped")
	}
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.As(err, &network) && network.Timeout()
}

func TestHalfOpenHoldsTheEndBack(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	set(t, s, liveID, Faults{HalfOpen: true})
	before := s.Ledger().Counts()["room_events"]
	if err := s.EndLive(liveID); err != nil {
		t.Fatal(err)
	}
	s.StopPushing() // does not wait for what is held back
	if got := s.Ledger().Counts()["room_events"]; got != before {
		t.Errorf("%d room events in the ledger while half open, had %d", got, before)
	}
	set(t, s, liveID, Faults{})
	end := &kuaishou.SCWebError{}
	if c.until(kuaishou.PayloadType_SC_ERROR, end); end.Code != CodeEnded {
		t.Errorf("ended with %v", end)
	}
}

func TestRefuseReconnect(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	set(t, s, liveID, Faults{RefuseReconnect: true})
	room, _ := s.Room(liveID)
	enterWith := func(token string, reconnects uint32) kuaishou.PayloadType {
		c := dial(t, s)
		c.send(kuaishou.PayloadType_CS_ENTER_ROOM, &kuaishou.CSWebEnterRoom{
			LiveStreamId: room.LiveStreamID, Token: token, ReconnectCount: reconnects,
		})
		answer, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		return answer.PayloadType
	}
	type info struct{ Data struct{ Token string } }
	ask := func() string {
		return parse[info](t, get(t, s.URL()+"/live_api/liveroom/websocketinfo?liveStreamId="+room.LiveStreamID)).Data.Token
	}
	if token := ask(); token != room.Token {
		t.Error("a token that nobody has entered with was replaced")
	}
	for _, step := range []struct {
		name       string
		token      func() string
		reconnects uint32
		want       kuaishou.PayloadType
	}{
		{"first entry", func() string { return room.Token }, 0, kuaishou.PayloadType_SC_ENTER_ROOM_ACK},
		{"reconnect", func() string { return room.Token }, 1, kuaishou.PayloadType_SC_ERROR},
		{"with a new token", ask, 2, kuaishou.PayloadType_SC_ENTER_ROOM_ACK},
		{"with a token never given", func() string { return "wrong" }, 0, kuaishou.PayloadType_SC_ERROR},
	} {
		if got := enterWith(step.token(), step.reconnects); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}

func TestDeadURLs(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	_, urls := s.room(liveID).entrance(AnyGuest, false)
	for _, test := range []struct {
		faults Faults
		dead   [2]bool
	}{
		{Faults{DeadURLs: true}, [2]bool{true, true}},
		{Faults{DeadFirstURL: true}, [2]bool{true, false}},
		{Faults{}, [2]bool{false, false}},
	} {
		set(t, s, liveID, test.faults)
		for i, url := range urls {
			socket, response, err := websocket.DefaultDialer.Dial(url, nil)
			if dead := err != nil; dead != test.dead[i] || dead && response != nil {
				t.Errorf("%+v: URL %d: %v, answered %v", test.faults, i, err, response)
			}
			if err == nil {
				_ = response.Body.Close()
				_ = socket.Close()
			}
		}
	}
	response, err := http.Get(s.URL() + "/websocket/group1/nobody")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		t.Errorf("the URL of no room answered %s", response.Status)
	}
}

func TestBurst(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, Rate: 20, PushEvery: 10 * time.Millisecond}) // one feed in five pushes
	set(t, s, liveID, Faults{Burst: 300})
	push := &kuaishou.SCWebFeedPush{}
	enter(t, s, liveID).until(kuaishou.PayloadType_SC_FEED_PUSH, push)
	if n := len(push.CommentFeeds) + len(push.GiftFeeds); n < 20 {
		t.Errorf("%d feeds in a push of a burst, want some 50", n)
	}
}

func TestCloseCode(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	if err := s.CloseSockets(liveID, Closing{Code: websocket.CloseTryAgainLater}); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := c.next(); err != nil {
			if !websocket.IsCloseError(err, websocket.CloseTryAgainLater) {
				t.Errorf("closed with %v", err)
			}
			break
		}
	}
	if state, _ := s.Room(liveID); state.State != "live" || state.Connections != 0 {
		t.Errorf("room %+v", state)
	}
}

func TestReject(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	if err := s.Reject(liveID, Rejection{Code: CodeTooFast, MinDelayMs: 3000, MaxDelayMs: 9000}); err != nil {
		t.Fatal(err)
	}
	got := &kuaishou.SCWebError{}
	c.until(kuaishou.PayloadType_SC_ERROR, got)
	if got.Code != CodeTooFast || got.MinDelayMs != 3000 || got.MaxDelayMs != 9000 || got.Msg == "" {
		t.Errorf("rejected with %v", got)
	}
	if _, err := c.next(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("then %v, want close 1000", err)
	}
	if state, _ := s.Room(liveID); state.State != "live" {
		t.Errorf("room %+v", state)
	}
}

func TestFaultsRefuse(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	for name, err := range map[string]error{
		"negative delay":    s.SetFaults(liveID, Faults{AckDelay: -1}),
		"long delay":        s.SetFaults(liveID, Faults{AckDelay: time.Hour}),
		"negative burst":    s.SetFaults(liveID, Faults{Burst: -1}),
		"too much garbage":  s.SetFaults(liveID, Faults{Garbage: 101}),
		"no code to send":   s.CloseSockets(liveID, Closing{Code: websocket.CloseAbnormalClosure}),
		"no code":           s.CloseSockets(liveID, Closing{}),
		"rejection of what": s.Reject(liveID, Rejection{}),
		"dwarf":             s.PushGiant(liveID, Giant{Bytes: 10}),
		"titan":             s.PushGiant(liveID, Giant{Bytes: 1 << 30}),
		"unknown room":      s.Cut("nobody"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if state, _ := s.Room(liveID); state.Faults != (Faults{}) {
		t.Errorf("faults %+v although all were refused", state.Faults)
	}
}
