package simulator

import (
	"context"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	kuaishou "kslive/proto"
)

// lostOf audits against a database that is empty.
func lostOf(t *testing.T, ledger *Ledger) Kind {
	t.Helper()
	audit, err := ledger.Audit(t.Context(), func(context.Context, string) (map[uint64]uint64, error) { return nil, nil }, false)
	if err != nil {
		t.Fatal(err)
	}
	return audit.Kind
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond, Confirm: true})
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_LIVE_WATCHING_LIST, &kuaishou.SCWebLiveWatchingUsers{})
	if err := s.EndLive(liveID); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := c.next(); err != nil {
			if !websocket.IsCloseError(err, websocket.CloseNormalClosure) {
				t.Fatal(err)
			}
			break
		}
	}
	eventually(t, "all is confirmed", func() bool { return s.Stats().Pending == 0 })
	if stats := s.Stats(); stats.Unknown != 0 || stats.Frames == 0 {
		t.Errorf("stats %+v", stats)
	}
	if kind := lostOf(t, s.Ledger()); kind.Sent == 0 || kind.Confirmed != kind.Sent || kind.Lost != kind.Sent {
		t.Errorf("read to the end: %+v, want all of it lost for certain", kind)
	}
}

func TestConfirmKnowsWhatWasNotRead(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond, Confirm: true})
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{})
	read := s.Stats().Frames
	eventually(t, "more is written", func() bool { return s.Stats().Frames >= read+10 })
	s.StopPushing()
	if pending := s.Stats().Pending; pending < 10 {
		t.Errorf("%d frames pending although nobody reads", pending)
	}
	_ = c.socket.Close()
	eventually(t, "the connection is given up", func() bool { return s.Stats().Pending == 0 })
	if unknown := s.Stats().Unknown; unknown < 10 {
		t.Errorf("of %d frames it is not known whether they were read", unknown)
	}
	ledger, err := Client{URL: s.URL()}.Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	kind := lostOf(t, ledger)
	if kind != lostOf(t, s.Ledger()) {
		t.Error("the ledger differs after the transfer")
	}
	if kind.Missing != kind.Sent || kind.Lost >= kind.Missing || kind.Lost != kind.Confirmed {
		t.Errorf("audit %+v, want some that nobody may have read", kind)
	}
}

// Nobody confirms unasked, and a pong that was not asked for confirms nothing.
func TestStrangePong(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1, PushEvery: 5 * time.Millisecond})
	c := enter(t, s, liveID)
	for _, data := range []string{"", "short", "\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if err := c.socket.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	c.until(kuaishou.PayloadType_SC_LIVE_WATCHING_LIST, &kuaishou.SCWebLiveWatchingUsers{})
	if kind := lostOf(t, s.Ledger()); kind.Confirmed != 0 || kind.Sent == 0 {
		t.Errorf("audit %+v", kind)
	}
}
