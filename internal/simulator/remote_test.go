package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	kuaishou "kslive/proto"
)

// TestAllRoomsAtOnce steers every room from outside with one call an act.
func TestAllRoomsAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Seed: 1, PushEvery: 100 * time.Millisecond})
	remote, ctx := Client{URL: s.URL() + "/"}, t.Context()
	const rooms = 40
	for i := range rooms {
		if err := remote.AddRoom(ctx, LiveID(1, i), RoomOptions{Rate: 10}); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	everybody := func() []*client {
		var clients []*client
		for i := range rooms {
			c := enter(t, s, LiveID(1, i))
			c.until(kuaishou.PayloadType_SC_ENTER_ROOM_ACK, &kuaishou.SCWebEnterRoomAck{})
			clients = append(clients, c)
		}
		return clients
	}
	over := func(clients []*client, want int) {
		t.Helper()
		for i, c := range clients {
			_, err := c.next()
			for err == nil {
				_, err = c.next()
			}
			if !websocket.IsCloseError(err, want) {
				t.Errorf("room %d: %v, want close %d", i, err, want)
			}
		}
	}
	must(remote.Live(ctx, ""))
	clients := everybody()
	must(remote.Cut(ctx, ""))
	over(clients, websocket.CloseAbnormalClosure)
	clients = everybody()
	must(remote.CloseSockets(ctx, "", 1001))
	over(clients, websocket.CloseGoingAway)
	clients = everybody()
	must(remote.Reject(ctx, "", Rejection{Code: CodeTooFast}))
	over(clients, websocket.CloseNormalClosure)
	clients = everybody()
	must(remote.PushGiant(ctx, LiveID(1, 0), 1<<20))
	for len(clients[0].raw()) < 1<<20-2 {
	}
	must(remote.End(ctx, ""))
	over(clients, websocket.CloseNormalClosure)

	must(remote.SetFaults(ctx, "", Faults{Silence: true, AckDelay: time.Second}))
	must(remote.SetAnswer(ctx, LiveID(1, 3), Answer{Code: CodeCaptcha}))
	states, err := remote.Rooms(ctx)
	must(err)
	for _, state := range states {
		if state.Broadcasts != 1 || state.Faults != (Faults{Silence: true, AckDelay: time.Second}) {
			t.Errorf("room %+v", state)
		}
	}
	must(remote.StopPushing(ctx))
	stats, err := remote.Stats(ctx)
	must(err)
	if want := fmt.Sprint(map[string]int{"offline": rooms - 1, "refusing": 1}); fmt.Sprint(stats.Rooms) != want {
		t.Errorf("rooms %v, want %v", stats.Rooms, want)
	}
}

func TestClientSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	remote := Client{URL: s.URL()}
	for want, err := range map[string]error{
		"no such room": remote.Cut(t.Context(), "nobody"),
		"close code":   remote.CloseSockets(t.Context(), "", 1006),
		"a room 3x":    remote.AddRoom(t.Context(), liveID, RoomOptions{}),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one about %q", err, want)
		}
	}
}
