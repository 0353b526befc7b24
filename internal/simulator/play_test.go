package simulator

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	kuaishou "kslive/proto"
)

// recordingOf is a recording of messages, received a second apart.
func recordingOf(t *testing.T, kinds ...kuaishou.PayloadType) []*kuaishou.Frame {
	t.Helper()
	var frames []*kuaishou.Frame
	for i, kind := range kinds {
		data, err := envelope(kind, []byte{0x08, byte(i)}, kuaishou.SocketMessage_NONE, time.UnixMilli(1_785_688_422_601))
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, &kuaishou.Frame{Data: data, ReceivedAt: int64(1000 * i)})
	}
	return frames
}

// playing is a simulator with a room that plays frames, much faster than they
// were received, and how often it began to.
func playing(t *testing.T, frames []*kuaishou.Frame, end error) (*Simulator, string) {
	t.Helper()
	s := start(t, Options{Seed: 1})
	const liveID = "3xabcdefgh23456"
	err := s.PlayRoom(liveID, Playback{LiveStreamID: "8SJgk6L-2iM", Speed: 1e6, Frames: func() iter.Seq2[*kuaishou.Frame, error] {
		return func(yield func(*kuaishou.Frame, error) bool) {
			for _, frame := range frames {
				if !yield(frame, nil) {
					return
				}
			}
			if end != nil {
				yield(nil, end)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s, liveID
}

// heard enters the room and reads to the end of the connection.
func heard(t *testing.T, s *Simulator, liveID string) [][]byte {
	t.Helper()
	c := enter(t, s, liveID)
	var all [][]byte
	for {
		_, data, err := c.socket.ReadMessage()
		if err != nil {
			return all
		}
		all = append(all, data)
	}
}

// Everybody who enters is sent the recorded bytes, from the first on, and then
// what it ended with.
func TestPlay(t *testing.T) {
	t.Parallel()
	const (
		ack    = kuaishou.PayloadType_SC_ENTER_ROOM_ACK
		beat   = kuaishou.PayloadType_SC_HEARTBEAT_ACK
		feed   = kuaishou.PayloadType_SC_FEED_PUSH
		failed = kuaishou.PayloadType_SC_ERROR
	)
	for name, c := range map[string]struct {
		recorded, want []kuaishou.PayloadType
		end            error
	}{
		"whole":              {recorded: []kuaishou.PayloadType{ack, feed, beat, feed, failed}, want: []kuaishou.PayloadType{ack, feed, feed, failed}},
		"no end":             {recorded: []kuaishou.PayloadType{ack, feed}, want: []kuaishou.PayloadType{ack, feed, failed}},
		"no beginning":       {recorded: []kuaishou.PayloadType{feed, failed}, want: []kuaishou.PayloadType{ack, feed, failed}},
		"refused in between": {recorded: []kuaishou.PayloadType{ack, failed, ack, feed}, want: []kuaishou.PayloadType{ack, ack, feed, failed}},
		"cut":                {recorded: []kuaishou.PayloadType{ack, feed}, want: []kuaishou.PayloadType{ack, feed, failed}, end: errors.New("cut off")},
		"nothing":            {want: []kuaishou.PayloadType{failed}},
		"more than may wait": {
			recorded: append([]kuaishou.PayloadType{ack}, slices.Repeat([]kuaishou.PayloadType{feed}, 3*outboxSize)...),
			want:     append(append([]kuaishou.PayloadType{ack}, slices.Repeat([]kuaishou.PayloadType{feed}, 3*outboxSize)...), failed),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recorded := recordingOf(t, c.recorded...)
			s, liveID := playing(t, recorded, c.end)
			for range 2 {
				var got []kuaishou.PayloadType
				for _, data := range heard(t, s, liveID) {
					kind := openMessage(t, data).PayloadType
					got = append(got, kind)
					if kind == feed && !slices.ContainsFunc(recorded, func(f *kuaishou.Frame) bool { return bytes.Equal(f.Data, data) }) {
						t.Errorf("sent %x, which was not recorded", data)
					}
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("got %v, want %v", got, c.want)
				}
			}
			if state, err := s.Room(liveID); err != nil || state.State != "live" || state.LiveStreamID != "8SJgk6L-2iM" {
				t.Errorf("the room is %+v, %v", state, err)
			}
		})
	}
}

// The ledger has no row of a room that plays, and audits pass over it, also in
// another process.
func TestPlayIsNotInTheLedger(t *testing.T) {
	t.Parallel()
	s, liveID := playing(t, recordingOf(t, kuaishou.PayloadType_SC_ENTER_ROOM_ACK, kuaishou.PayloadType_SC_FEED_PUSH), nil)
	heard(t, s, liveID)
	for table, n := range s.Ledger().Counts() {
		if n != 0 {
			t.Errorf("%d rows of %s", n, table)
		}
	}
	remote, err := Client{URL: s.URL()}.Ledger(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ledger := range []*Ledger{s.Ledger(), remote} {
		_, err := ledger.Audit(t.Context(), func(_ context.Context, sql string) (map[uint64]uint64, error) {
			if !strings.Contains(sql, " AND live_id != '3xabcdefgh23456'") {
				t.Errorf("it asks %s", sql)
			}
			return nil, nil
		}, false)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestPlayEndsWithTheLive(t *testing.T) {
	t.Parallel()
	frames := recordingOf(t, kuaishou.PayloadType_SC_ENTER_ROOM_ACK, kuaishou.PayloadType_SC_FEED_PUSH)
	frames[1].ReceivedAt = 1e15 // in a thousand years
	s, liveID := playing(t, frames, nil)
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_ENTER_ROOM_ACK, &kuaishou.SCWebEnterRoomAck{})
	if err := s.EndLive(liveID); err != nil {
		t.Fatal(err)
	}
	var ended kuaishou.SCWebError
	if c.until(kuaishou.PayloadType_SC_ERROR, &ended); ended.Code != CodeEnded {
		t.Errorf("ended with %v", &ended)
	}
}
