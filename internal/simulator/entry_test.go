package simulator

import (
	"testing"
	"time"

	"github.com/gorilla/websocket"

	kuaishou "kslive/proto"
)

// answerTo is the first answer to an entry at a room's URL, and the connection.
func answerTo(t *testing.T, s *Simulator, urlOf string, request *kuaishou.CSWebEnterRoom) (*client, kuaishou.PayloadType, error) {
	t.Helper()
	c := dialRoom(t, s, urlOf)
	c.send(kuaishou.PayloadType_CS_ENTER_ROOM, request)
	answer, err := c.next()
	return c, answer.GetPayloadType(), err
}

func TestMobileEntry(t *testing.T) {
	t.Parallel()
	mobile := func(r *kuaishou.CSWebEnterRoom) { r.Kpn, r.Kpf = mobileKpn, mobileKpf }
	web := func(r *kuaishou.CSWebEnterRoom) { r.PageId = "5HdQVHktsq16eiN8_1749874064378" }
	both := func(r *kuaishou.CSWebEnterRoom) { mobile(r); web(r) }
	const ack, refused = kuaishou.PayloadType_SC_ENTER_ROOM_ACK, kuaishou.PayloadType_SC_ERROR
	for _, lenient := range []bool{false, true} {
		s, liveID := startLive(t, Options{Seed: 1, AnyEntry: lenient})
		room := s.room(liveID)
		webToken, _ := room.entrance(AnyGuest, false)
		mobileToken, _ := room.entrance(AnyGuest, true)
		for _, test := range []struct {
			name  string
			token string
			as    func(*kuaishou.CSWebEnterRoom)
			want  kuaishou.PayloadType
		}{
			{"web", webToken, web, ack},
			{"mobile", mobileToken, mobile, ack},
			{"mobile's token as the web's", mobileToken, web, refused},
			{"mobile's with a pageId", mobileToken, both, refused},
			{"web's token as mobile's", webToken, mobile, refused},
		} {
			request := &kuaishou.CSWebEnterRoom{Token: test.token, LiveStreamId: room.state().LiveStreamID}
			test.as(request)
			want := test.want
			if lenient {
				want = ack
			}
			if _, got, err := answerTo(t, s, liveID, request); got != want {
				t.Errorf("%s (lenient: %v): %v, %v; want %v", test.name, lenient, got, err, want)
			}
		}
	}
}

func TestCountersOnly(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, Rate: 2000, PushEvery: 5 * time.Millisecond})
	set(t, s, liveID, Faults{CountersOnly: true})
	room, _ := s.Room(liveID)
	full := enter(t, s, liveID)
	stray, got, err := answerTo(t, s, liveID, &kuaishou.CSWebEnterRoom{Token: room.Token, LiveStreamId: "xxxxxxxxxxx"})
	if got != kuaishou.PayloadType_SC_ENTER_ROOM_ACK {
		t.Fatalf("a wrong liveStreamId: %v, %v", got, err)
	}
	for range 5 {
		push := &kuaishou.SCWebFeedPush{}
		message, err := stray.next()
		if err != nil || message.PayloadType != kuaishou.PayloadType_SC_FEED_PUSH {
			t.Fatalf("got %v, %v", message, err)
		}
		unmarshal(t, message.Payload, push)
		if push.DisplayWatchingCount == "" || len(push.CommentFeeds)+len(push.LikeFeeds)+len(push.GiftFeeds) > 0 {
			t.Errorf("push %v, want counters only", push)
		}
	}
	push := &kuaishou.SCWebFeedPush{}
	if full.until(kuaishou.PayloadType_SC_FEED_PUSH, push); len(push.CommentFeeds) == 0 {
		t.Error("no comments for who entered well")
	}
}

func TestURLOfAnotherRoom(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})
	other := LiveID(1, 1)
	if err := s.AddRoom(other, RoomOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	room, _ := s.Room(liveID)
	enter(t, s, liveID).until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	c, got, err := answerTo(t, s, other, &kuaishou.CSWebEnterRoom{Token: room.Token, LiveStreamId: room.LiveStreamID})
	if got != kuaishou.PayloadType_SC_ENTER_ROOM_ACK {
		t.Fatalf("answered %v, %v", got, err)
	}
	c.send(kuaishou.PayloadType_CS_HEARTBEAT, &kuaishou.CSWebHeartbeat{Timestamp: 1})
	c.until(kuaishou.PayloadType_SC_HEARTBEAT_ACK, &kuaishou.SCWebHeartbeatAck{})
	frames := s.Stats().Frames
	eventually(t, "the room has pushed on", func() bool { return s.Stats().Frames > frames+20 })
	rest, _ := c.leave()
	if len(rest) != 0 {
		t.Errorf("got %v through another room's URL", rest)
	}
}

func TestEntriesRefusedAtWill(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	for _, code := range Codes() {
		want := Rejection{Code: uint32(code), SubCode: 3, MinDelayMs: 4, MaxDelayMs: 5}
		set(t, s, liveID, Faults{Refusal: want})
		refusal := &kuaishou.SCWebError{}
		enter(t, s, liveID).until(kuaishou.PayloadType_SC_ERROR, refusal)
		got := Rejection{Code: refusal.Code, SubCode: refusal.SubCode, MinDelayMs: refusal.MinDelayMs, MaxDelayMs: refusal.MaxDelayMs}
		if got != want || refusal.Msg != Title(code) {
			t.Errorf("%d: %v", code, refusal)
		}
	}
	set(t, s, liveID, Faults{RefuseToken: true, HangUp: true})
	if message, err := enter(t, s, liveID).next(); !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("hang up: %v, %v", message, err)
	}
}

func TestAckTellsThePace(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{
		Seed: 1, Heartbeat: 1500 * time.Millisecond, MinReconnect: 200 * time.Millisecond, MaxReconnect: 300 * time.Millisecond,
	})
	ack := &kuaishou.SCWebEnterRoomAck{}
	enter(t, s, liveID).until(kuaishou.PayloadType_SC_ENTER_ROOM_ACK, ack)
	if ack.HeartbeatIntervalMs != 1500 || ack.MinReconnectMs != 200 || ack.MaxReconnectMs != 300 {
		t.Errorf("ack %v", ack)
	}
}

func TestPushAtWill(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: time.Hour})
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_ENTER_ROOM_ACK, &kuaishou.SCWebEnterRoomAck{})
	for _, kind := range []uint32{301, 302, 303, 304, 325, 594} {
		if err := s.Push(liveID, Push{PayloadType: kind}); err != nil {
			t.Fatal(err)
		}
		if message, err := c.next(); uint32(message.GetPayloadType()) != kind {
			t.Errorf("pushed %d: got %v, %v", kind, message.GetPayloadType(), err)
		}
	}
	if s.Push(liveID, Push{}) == nil {
		t.Error("a push of nothing")
	}
}

func TestEndQuietly(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})
	room, _ := s.Room(liveID)
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	if err := s.EndQuietly(liveID); err != nil {
		t.Fatal(err)
	}
	c.send(kuaishou.PayloadType_CS_HEARTBEAT, &kuaishou.CSWebHeartbeat{Timestamp: 1})
	c.until(kuaishou.PayloadType_SC_HEARTBEAT_ACK, &kuaishou.SCWebHeartbeatAck{})
	rest, err := c.leave()
	if len(rest) != 0 || !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("after the quiet end: %v, %v", rest, err)
	}
	api := s.URL() + "/live_api/liveroom/"
	if got := visit(t, "127.0.0.1", "").result(api + "livedetail?principalId=" + liveID); got != CodeOffline {
		t.Errorf("livedetail %d", got)
	}
	status := parse[struct{ Data struct{ Living bool } }](t, get(t, api+"status?liveStreamId="+room.LiveStreamID))
	if status.Data.Living {
		t.Error("status says living")
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: time.Hour, Trace: true})
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_ENTER_ROOM_ACK, &kuaishou.SCWebEnterRoomAck{})
	if _, err := c.leave(); err == nil {
		t.Fatal("no close")
	}
	over := func(events []Event) bool { return len(events) > 0 && events[len(events)-1].Kind == EventOver }
	eventually(t, "the connection is over", func() bool { return over(s.Trace(0)) })
	type step struct {
		kind string
		of   uint32
	}
	var got []step
	for _, event := range s.Trace(0) {
		got = append(got, step{event.Kind, event.Type})
		if event.Connection != 1 || event.LiveID != liveID || event.Kind == EventDial && event.Group != 2 {
			t.Errorf("event %+v", event)
		}
	}
	want := []step{{EventDial, 0}, {EventFrame, 200}, {EventSent, 300}, {EventFrame, 202}, {EventOver, 0}}
	if len(got) != len(want) {
		t.Fatalf("trace %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("trace %v, want %v", got, want)
			break
		}
	}
}
