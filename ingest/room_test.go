package ingest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

func TestRoomHearsUntilTheEnd(t *testing.T) {
	var hello []byte
	pushes := [][]byte{numbered(t, 1), numbered(t, 2), {0xff, 0x00}, {}}
	s := serve(t, func(p *peer) {
		_, hello, _ = p.conn.ReadMessage()
		p.ack(time.Minute)
		for _, push := range pushes {
			p.send(push)
		}
		p.send(serverMessage(t, kuaishou.PayloadType_SC_AUTHOR_PAUSE, &kuaishou.SCWebAuthorPause{Time: 1}))
		if err := p.conn.WriteMessage(websocket.TextMessage, []byte("text")); err != nil {
			t.Error(err)
		}
		p.fail(601, "直播已结束")
		p.send(numbered(t, 3)) // after the end, before the close
		p.closing()
	})
	r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: s.endpoint("/a"), Author: "测试主播", Title: "标题"}}}
	last := r.run(t, quick(), nil)
	if last.State != StateEnded || last.Code != 601 || !strings.Contains(last.Reason, "直播已结束") || last.RetryAfter <= 0 {
		t.Errorf("ended with %+v", last)
	}
	if last.LiveStreamID != "o7JXLjlM8Rt" || last.Author != "测试主播" || last.Title != "标题" {
		t.Errorf("ended with %+v", last)
	}
	if diff := cmp.Diff([]State{StateResolving, StateConnecting, StateLive}, r.states()); diff != "" {
		t.Errorf("states (-want +got)\n%s", diff)
	}
	// Ack, the four pushes, pause, text, error and the one after it.
	if len(r.frames) != 9 {
		t.Fatalf("%d frames kept, want 9", len(r.frames))
	}
	for i, push := range pushes {
		if !bytes.Equal(r.frames[i+1].Data, push) {
			t.Errorf("frame %d is %x, want %x", i+1, r.frames[i+1].Data, push)
		}
	}
	if !bytes.Equal(r.frames[6].Data, []byte("text")) || !bytes.Equal(r.frames[8].Data, numbered(t, 3)) {
		t.Errorf("the text message or the last push is not as it was sent")
	}
	first := r.frames[0]
	for i, frame := range r.frames {
		if frame.LiveId != testLiveID || frame.LiveStreamId != "o7JXLjlM8Rt" || frame.Epoch != 42 || frame.SessionId == 0 || frame.FrameNumber != uint32(i+1) ||
			frame.SessionId != first.SessionId || time.Since(time.UnixMilli(frame.ReceivedAt)).Abs() > time.Minute {
			t.Errorf("frame %v", frame)
		}
	}
	checkHello(t, hello)
}

// checkHello compares with the captured form: 08 C8 01 | 1A len | 0A len token
// | 12 0B liveStreamId | 3A len pageId, where a length over 127 takes two bytes.
func checkHello(t *testing.T, got []byte) {
	t.Helper()
	if len(got) < 30 {
		t.Fatalf("entered with %x", got)
	}
	page := got[len(got)-30:]
	payload := append([]byte{0x0a, byte(len(secretToken))}, secretToken...)
	payload = append(payload, "\x12\x0bo7JXLjlM8Rt\x3a\x1e"...)
	payload = append(payload, page...)
	want := append([]byte{0x08, 0xc8, 0x01, 0x1a, byte(len(payload))}, payload...)
	if !bytes.Equal(got, want) {
		t.Errorf("entered with %s, want %s", hex.EncodeToString(got), hex.EncodeToString(want))
	}
	if ms, err := strconv.ParseInt(string(page[17:]), 10, 64); err != nil || page[16] != '_' ||
		time.Since(time.UnixMilli(ms)).Abs() > time.Minute {
		t.Errorf("page ID %q", page)
	}
}

func TestRoomSendsHeartbeats(t *testing.T) {
	const beats = 4
	var stamps []uint64
	s := serve(t, func(p *peer) {
		p.entered()
		p.ack(100 * time.Millisecond)
		for range beats {
			kind, payload, ok := p.next()
			var beat kuaishou.CSWebHeartbeat
			if err := proto.Unmarshal(payload, &beat); !ok || err != nil || kind != kuaishou.PayloadType_CS_HEARTBEAT {
				t.Errorf("got %s, %v instead of a heartbeat", kind, err)
				return
			}
			stamps = append(stamps, beat.Timestamp)
			// The ack alone keeps the connection alive: four beats are longer than
			// the watchdog's two and a half.
			p.send(serverMessage(t, kuaishou.PayloadType_SC_HEARTBEAT_ACK, &kuaishou.SCWebHeartbeatAck{ClientTimestamp: beat.Timestamp}))
		}
		p.fail(601, "")
		p.closing()
	})
	endpoint := s.endpoint("/")
	r := &recorder{}
	if last := r.run(t, quick(), &endpoint); last.State != StateEnded || len(r.causes) != 0 {
		t.Errorf("ended with %+v after %v", last, r.causes)
	}
	if len(stamps) != beats {
		t.Fatalf("%d heartbeats", len(stamps))
	}
	if span := stamps[beats-1] - stamps[0]; span < 200 || span > 5000 {
		t.Errorf("%d heartbeats within %d ms, want one each 100 ms", beats, span)
	}
}

func TestHeartbeatInterval(t *testing.T) {
	limits := defaultTiming()
	for ms, want := range map[uint64]time.Duration{
		0: 20 * time.Second, 1: time.Second, 20000: 20 * time.Second, 1 << 63: 5 * time.Minute, 600_000: 5 * time.Minute,
	} {
		if got := limits.interval(ms); got != want {
			t.Errorf("%d ms: %v, want %v", ms, got, want)
		}
	}
}

func TestRoomReconnects(t *testing.T) {
	var paths []string
	var hellos []*kuaishou.CSWebEnterRoom
	note := func(p *peer) {
		hellos = append(hellos, p.entered())
		paths = append(paths, p.path)
	}
	s := serve(t,
		func(p *peer) { // cut without a word
			note(p)
			p.ack(time.Minute)
			p.send(numbered(t, 1))
		},
		func(p *peer) { // an error that passes
			note(p)
			p.ack(time.Minute)
			p.fail(11, "服务器错误")
			p.closing()
		},
		func(p *peer) {
			note(p)
			p.ack(time.Minute)
			p.fail(601, "")
			p.closing()
		},
	)
	endpoint := s.endpoint("/a", "/b")
	r := &recorder{}
	if last := r.run(t, quick(), &endpoint); last.State != StateEnded {
		t.Errorf("ended with %+v", last)
	}
	if diff := cmp.Diff([]string{"/a", "/b", "/a"}, paths); diff != "" {
		t.Errorf("addresses (-want +got)\n%s", diff)
	}
	for i, want := range []struct{ count, code uint32 }{{0, 0}, {1, 0}, {2, 11}} {
		if hello := hellos[i]; hello.ReconnectCount != want.count || hello.LastErrorCode != want.code || hello.Token != secretToken {
			t.Errorf("connection %d: count %d, code %d; want %+v", i, hello.ReconnectCount, hello.LastErrorCode, want)
		}
	}
	if diff := cmp.Diff([]string{causeClosed, causeRejected}, r.causes); diff != "" {
		t.Errorf("causes (-want +got)\n%s", diff)
	}
	if r.frames[0].SessionId == r.frames[len(r.frames)-1].SessionId {
		t.Error("two connections have the same session ID")
	}
	if r.lookUps != 0 || r.most != 1 {
		t.Errorf("%d look-ups, %d sockets at once", r.lookUps, r.most)
	}
}

// What failed before a connection that was good says nothing of the next one.
func TestRoomForgetsItsErrorWhenStable(t *testing.T) {
	var codes []uint32
	begin := func(p *peer) {
		codes = append(codes, p.entered().LastErrorCode)
		p.ack(time.Minute)
	}
	busy := func(p *peer) {
		begin(p)
		p.fail(codeBusy, "")
		p.closing()
	}
	cut := func(p *peer) {
		begin(p)
		time.Sleep(200 * time.Millisecond) // what is called stable here
	}
	s := serve(t, busy, cut, busy, begin, func(p *peer) {
		begin(p)
		p.fail(codeLiveEnded, "")
		p.closing()
	})
	limits := quick()
	limits.stable = 100 * time.Millisecond
	endpoint := s.endpoint("/")
	r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: endpoint}}}
	r.run(t, limits, &endpoint)
	if diff := cmp.Diff([]uint32{0, codeBusy, 0, codeBusy, codeBusy}, codes); diff != "" {
		t.Errorf("codes (-want +got)\n%s", diff)
	}
}

func TestRoomNoticesSilence(t *testing.T) {
	s := serve(t,
		func(p *peer) { // half-open after the ack: takes heartbeats, answers none
			p.entered()
			p.ack(20 * time.Millisecond)
			p.drain()
		},
		func(p *peer) { // never answers at all
			p.entered()
			p.drain()
		},
		ended)
	limits := quick()
	limits.ack = time.Second
	endpoint := s.endpoint("/")
	r := &recorder{}
	if last := r.run(t, limits, &endpoint); last.State != StateEnded {
		t.Errorf("ended with %+v", last)
	}
	if diff := cmp.Diff([]string{causeSilent, causeNoAck}, r.causes); diff != "" {
		t.Errorf("causes (-want +got)\n%s", diff)
	}
}

func TestRoomTakesPushesWithoutAck(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.entered()
		p.send(numbered(t, 1))
		if !p.until(kuaishou.PayloadType_CS_HEARTBEAT) {
			t.Error("no heartbeat without an ack")
		}
		p.fail(601, "")
		p.closing()
	})
	limits := quick()
	limits.heartbeat = 100 * time.Millisecond
	endpoint := s.endpoint("/")
	r := &recorder{}
	if last := r.run(t, limits, &endpoint); last.State != StateEnded || len(r.causes) != 0 {
		t.Errorf("ended with %+v after %v", last, r.causes)
	}
}

func TestRoomSurvivesGiantMessages(t *testing.T) {
	s := serve(t,
		func(p *peer) {
			p.entered()
			p.ack(time.Minute)
			p.send(numbered(t, 1))
			// The header of a message of 100 MB, and nothing of it.
			if _, err := p.conn.NetConn().Write([]byte{0x82, 127, 0, 0, 0, 0, 0x05, 0xf5, 0xe1, 0}); err != nil {
				t.Error(err)
			}
			p.drain()
		},
		func(p *peer) { // the largest that is taken
			p.entered()
			p.ack(time.Minute)
			p.send(make([]byte, maxMessage))
			p.fail(601, "")
			p.closing()
		})
	endpoint := s.endpoint("/")
	r := &recorder{}
	if last := r.run(t, quick(), &endpoint); last.State != StateEnded {
		t.Errorf("ended with %+v", last)
	}
	if diff := cmp.Diff([]string{causeTooBig}, r.causes); diff != "" {
		t.Errorf("causes (-want +got)\n%s", diff)
	}
	if len(r.frames) != 5 || len(r.frames[3].Data) != maxMessage {
		t.Errorf("%d frames kept, want 5 with one of 16 MiB", len(r.frames))
	}
	if !strings.Contains(r.log.String(), "larger than 16773120 bytes") {
		t.Errorf("not logged: %s", r.log.String())
	}
}

func TestRoomStopsWhenFramesCannotBeKept(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.entered()
		p.ack(time.Minute)
		p.drain()
	})
	endpoint := s.endpoint("/")
	r := &recorder{appendErr: errors.New("no space left on device")}
	last := r.run(t, quick(), &endpoint)
	if last.State != StateFailed || !strings.Contains(last.Reason, "no space left") || last.RetryAfter <= 0 {
		t.Errorf("ended with %+v", last)
	}
	if diff := cmp.Diff([]State{StateConnecting}, r.states()); diff != "" {
		t.Errorf("a frame was looked at before it was kept: %s", diff)
	}
}

func TestRoomLeavesWithFarewell(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.entered()
		p.ack(time.Minute)
		if !p.until(kuaishou.PayloadType_CS_USER_EXIT) {
			t.Error("the client left without a word")
		}
		for i := range 3 {
			p.send(numbered(t, i))
		}
		p.closing()
		p.drain()
	})
	endpoint := s.endpoint("/")
	r := &recorder{live: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan Report)
	go func() { over <- *newRoom(r, quick(), &endpoint).run(ctx) }()
	<-r.live
	cancel()
	last := <-over
	r.check(t, last)
	if last.State != StateStopped || last.RetryAfter != 0 {
		t.Errorf("ended with %+v", last)
	}
	if len(r.frames) != 4 || !bytes.Equal(r.frames[3].Data, numbered(t, 2)) {
		t.Errorf("%d frames kept, want the ack and the three sent after the farewell", len(r.frames))
	}
}

func TestRoomLeavesServersThatDoNotClose(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.entered()
		p.ack(time.Minute)
		p.drain()
	})
	limits := quick()
	limits.leave = 50 * time.Millisecond
	endpoint := s.endpoint("/")
	r := &recorder{live: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan Report)
	go func() { over <- *newRoom(r, limits, &endpoint).run(ctx) }()
	<-r.live
	cancel()
	select {
	case last := <-over:
		r.check(t, last)
		if last.State != StateStopped {
			t.Errorf("ended with %+v", last)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still waiting for a server that does not close")
	}
}
