package ingest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	kuaishou "kslive/proto"
)

// quietAfter lets in, pushes messages of these types, and then answers heartbeats
// and nothing else until the client says that it leaves.
func quietAfter(pushes ...kuaishou.PayloadType) script {
	return func(p *peer) {
		p.entered()
		p.ack(20 * time.Millisecond)
		for _, push := range pushes {
			p.send(serverMessage(p.t, push, &kuaishou.SCWebFeedPush{}))
		}
		for {
			switch kind, _, ok := p.next(); {
			case !ok:
				p.t.Error("the client left without a word")
				return
			case kind == kuaishou.PayloadType_CS_USER_EXIT:
				p.closing()
				p.drain()
				return
			}
			p.send(serverMessage(p.t, kuaishou.PayloadType_SC_HEARTBEAT_ACK, &kuaishou.SCWebHeartbeatAck{}))
		}
	}
}

// probing is a timing that soon asks about silence.
func probing() timing {
	limits := quick()
	limits.minHeartbeat, limits.heartbeat = time.Second, time.Second
	limits.probe, limits.probeMost = 50*time.Millisecond, 100*time.Millisecond
	return limits
}

// A socket that answers heartbeats and brings nothing else, before and after
// the end of its broadcast that nobody has told it of.
func TestSessionThatFallsSilent(t *testing.T) {
	onAir := func(s *scripted, stream string) Resolution {
		endpoint := s.endpoint("/")
		endpoint.LiveStreamID = stream
		return Resolution{State: StateLive, Endpoint: endpoint}
	}
	const feeds, paused = kuaishou.PayloadType_SC_FEED_PUSH, kuaishou.PayloadType_SC_AUTHOR_PAUSE
	const same, next = "o7JXLjlM8Rt", "nextBroadca"
	offAir, refused := Resolution{State: StateOffline, Reason: "the author is not live"}, Resolution{State: StateCaptcha}
	for _, test := range []struct {
		name    string
		scripts []script
		answers func(*scripted) []Resolution
		want    State
		causes  []string
		streams string // of the frames, without repeats
	}{
		{
			name: "over", scripts: []script{quietAfter(feeds)}, want: StateEnded, streams: same,
			answers: func(*scripted) []Resolution { return []Resolution{offAir} },
		},
		{
			name: "nobody knows, then over", scripts: []script{quietAfter(feeds)}, want: StateEnded, streams: same,
			answers: func(*scripted) []Resolution {
				return []Resolution{refused, {State: StateUnreachable}, {State: StateNotFound}, {State: StatePassword}, offAir}
			},
		},
		{
			name: "on air and never heard", scripts: []script{quietAfter()}, want: StateEnded, streams: same,
			answers: func(s *scripted) []Resolution {
				return []Resolution{onAir(s, same), onAir(s, same), onAir(s, same), offAir}
			},
		},
		{
			name: "on air and paused", scripts: []script{quietAfter(feeds, paused)}, want: StateEnded, streams: same,
			answers: func(s *scripted) []Resolution { return []Resolution{onAir(s, same), onAir(s, same), offAir} },
		},
		{
			name: "on air and heard before: entered anew, once", scripts: []script{quietAfter(feeds), quietAfter(feeds)}, want: StateEnded, streams: same,
			answers: func(s *scripted) []Resolution {
				return []Resolution{onAir(s, same), onAir(s, same), onAir(s, same), offAir}
			},
			causes: []string{causeSilent},
		},
		{
			name: "in another broadcast", scripts: []script{quietAfter(feeds), ended}, want: StateEnded, streams: same + " " + next,
			answers: func(s *scripted) []Resolution { return []Resolution{onAir(s, next)} },
			causes:  []string{causeSilent},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := serve(t, test.scripts...)
			endpoint := s.endpoint("/")
			r := &recorder{answers: test.answers(s)}
			want := r.answers
			if last := r.run(t, probing(), &endpoint); last.State != test.want || last.RetryAfter <= 0 {
				t.Errorf("ended with %+v", last)
			}
			if diff := cmp.Diff(test.causes, r.causes); diff != "" {
				t.Errorf("causes (-want +got)\n%s", diff)
			}
			if r.lookUps != len(want) {
				t.Errorf("%d look-ups, want %d", r.lookUps, len(want))
			}
			var streams []string
			for _, frame := range r.frames {
				if n := len(streams); n == 0 || streams[n-1] != frame.LiveStreamId {
					streams = append(streams, frame.LiveStreamId)
				}
			}
			if got := strings.Join(streams, " "); got != test.streams {
				t.Errorf("frames of %s, want of %s", got, test.streams)
			}
		})
	}
}

// A server that lets in and then says nothing at all is not asked for ever, however
// long a session takes to notice.
func TestSessionsThatOnlyWaitedAreNotStable(t *testing.T) {
	deaf := func(p *peer) {
		p.entered()
		p.ack(20 * time.Millisecond)
		p.drain()
	}
	s := serve(t, deaf, deaf, deaf, deaf)
	limits := quick()
	limits.stable = 40 * time.Millisecond
	endpoint := s.endpoint("/")
	r := &recorder{answers: []Resolution{{State: StateOffline}}}
	if last := r.run(t, limits, &endpoint); last.State != StateEnded || len(r.causes) != lookUpEvery || r.lookUps != 1 {
		t.Errorf("ended with %+v after %v and %d look-ups", last, r.causes, r.lookUps)
	}
}

// The record of a session that only answered heartbeats in the end says that
// nothing was heard meanwhile.
func TestSessionThatFellSilentWasNotHeard(t *testing.T) {
	s := serve(t, quietAfter(kuaishou.PayloadType_SC_FEED_PUSH))
	endpoint := s.endpoint("/")
	r := &recorder{answers: []Resolution{{State: StateOffline}}}
	limits := probing()
	limits.minHeartbeat = 10 * time.Millisecond // answered while the silence lasts
	heard := newRoom(r, limits, &endpoint)
	heard.coverage = coverageOf(r)
	if last := heard.run(t.Context()); last.State != StateEnded {
		t.Fatalf("ended with %+v", last)
	}
	var pushed, last int64
	var record *kuaishou.Coverage
	for _, frame := range r.frames {
		switch kind, _ := payloadType(frame.Data); {
		case frame.Coverage != nil && frame.Coverage.ConnectedAt > 0:
			record = frame.Coverage
		case kind == kuaishou.PayloadType_SC_FEED_PUSH:
			pushed = frame.ReceivedAt
		case kind == kuaishou.PayloadType_SC_HEARTBEAT_ACK:
			last = frame.ReceivedAt
		}
	}
	if record == nil || record.LastFrameAt != pushed || last <= pushed || record.EndedAt < last {
		t.Errorf("%+v, with the push at %d and the last answer at %d", record, pushed, last)
	}
}

// Where too many sockets are silent, their rooms do not take the calls from others.
func TestSessionsThatAreSilentTogetherAskLittle(t *testing.T) {
	limits := probing()
	c := newConnector(KuaishouURL, defaultUserAgent, limits)
	release, asked := make(chan struct{}), make(chan struct{}, 2*maxProbing)
	var probes []*probe
	unanswered := func(*Resolution) {}
	for range 2 * maxProbing {
		p := new(probe)
		p.ask = func(context.Context) (Resolution, error) {
			asked <- struct{}{}
			<-release
			return Resolution{State: StateOffline}, nil
		}
		p.heardAt.Store(time.Now().Add(-time.Hour).UnixMilli())
		probes = append(probes, p)
		if wait := p.look(t.Context(), c, unanswered); wait <= 0 {
			t.Errorf("to be asked again after %v", wait)
		}
	}
	close(release)
	for _, p := range probes {
		p.asking.Wait()
	}
	if len(asked) != maxProbing || len(c.probing) != 0 {
		t.Errorf("%d look-ups, %d still count", len(asked), len(c.probing))
	}
	probes[2*maxProbing-1].look(t.Context(), c, unanswered)
	probes[2*maxProbing-1].asking.Wait()
	if len(asked) != maxProbing+1 {
		t.Error("one that came too late is not asked later")
	}
}
