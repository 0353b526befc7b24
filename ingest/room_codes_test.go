package ingest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// failing lets the client in and refuses it then.
func failing(code uint32, message string) script {
	return func(p *peer) {
		p.entered()
		p.fail(code, message)
		p.closing()
	}
}

// dropping cuts the connection when the client has entered.
func dropping(p *peer) { p.entered() }

func TestRoomErrorCodes(t *testing.T) {
	for code, want := range map[uint32]State{
		606: StateBanned, 69101: StateBanned, 677: StateBanned, 67606: StateBanned,
		67601: StatePassword, 400002: StateCaptcha, 705: StateLoginRequired,
		601: StateEnded, 671: StateOffline,
	} {
		s := serve(t, failing(code, "原因"))
		r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: s.endpoint("/")}}}
		last := r.run(t, quick(), nil)
		if last.State != want || last.Code != int(code) || !strings.Contains(last.Reason, "原因") || last.RetryAfter <= 0 {
			t.Errorf("code %d: %+v, want %s", code, last, want)
		}
	}
	if reason := reasonOfCode(67606, ""); !strings.Contains(reason, "region") {
		t.Errorf("67606: %q does not say why", reason)
	}
}

func TestRoomOffAirAfterBeingHeardHasEnded(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.entered()
		p.ack(time.Minute)
		p.fail(671, "")
		p.closing()
	})
	r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: s.endpoint("/")}}}
	if last := r.run(t, quick(), nil); last.State != StateEnded {
		t.Errorf("ended with %+v", last)
	}
}

func TestRoomAsksForAnotherToken(t *testing.T) {
	for _, code := range []uint32{6001, 109, 60200} {
		var tokens []string
		s := serve(t, failing(code, ""), func(p *peer) {
			tokens = append(tokens, p.entered().Token)
			p.fail(601, "")
			p.closing()
		})
		old, fresh := s.endpoint("/"), s.endpoint("/")
		old.Token = "old"
		r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: fresh}}}
		if last := r.run(t, quick(), &old); last.State != StateEnded || r.lookUps != 1 {
			t.Errorf("code %d: ended with %+v after %d look-ups", code, last, r.lookUps)
		}
		if diff := cmp.Diff([]string{secretToken}, tokens); diff != "" {
			t.Errorf("code %d: tokens (-want +got)\n%s", code, diff)
		}
	}
}

func TestRoomGivesUpOnRefusedTokens(t *testing.T) {
	for code, want := range map[uint32]State{6001: StateUnreachable, 109: StateLoginRequired} {
		s := serve(t, failing(code, ""), failing(code, ""))
		r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: s.endpoint("/")}}}
		if last := r.run(t, quick(), nil); last.State != want || last.Code != int(code) || r.lookUps != 2 {
			t.Errorf("code %d: ended with %+v after %d look-ups", code, last, r.lookUps)
		}
	}
}

func TestRoomLooksUpAgain(t *testing.T) {
	t.Run("offline after being heard", func(t *testing.T) {
		s := serve(t, func(p *peer) {
			p.entered()
			p.ack(time.Minute)
		}, dropping, dropping)
		endpoint := s.endpoint("/")
		r := &recorder{answers: []Resolution{{State: StateOffline, Code: 671, RetryAfter: time.Hour}}}
		last := r.run(t, quick(), &endpoint)
		if last.State != StateEnded || last.Code != 671 || r.lookUps != 1 || len(r.causes) != 3 {
			t.Errorf("ended with %+v after %d look-ups and %v", last, r.lookUps, r.causes)
		}
	})
	t.Run("offline and never heard", func(t *testing.T) {
		s := serve(t)
		endpoint := s.endpoint("/")
		r := &recorder{answers: []Resolution{{State: StateOffline, RetryAfter: time.Hour}}}
		if last := r.run(t, quick(), &endpoint); last.State != StateOffline || last.RetryAfter != time.Hour {
			t.Errorf("ended with %+v", last)
		}
		if diff := cmp.Diff([]string{causeDial, causeDial, causeDial}, r.causes); diff != "" {
			t.Errorf("causes (-want +got)\n%s", diff)
		}
	})
	t.Run("another broadcast", func(t *testing.T) {
		counts := make(chan uint32, 1)
		s := serve(t, dropping, dropping, func(p *peer) {
			counts <- p.entered().ReconnectCount
			p.fail(601, "")
			p.closing()
		})
		first, next := s.endpoint("/"), s.endpoint("/")
		next.LiveStreamID = "another0000"
		r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: next}}}
		if last := r.run(t, quick(), &first); last.State != StateEnded || last.LiveStreamID != "another0000" {
			t.Errorf("ended with %+v", last)
		}
		if count := <-counts; count != 0 {
			t.Errorf("reconnect count is %d in a new broadcast, want 0", count)
		}
	})
	t.Run("stale endpoint", func(t *testing.T) {
		s := serve(t, failing(601, ""), ended)
		old, fresh := s.endpoint("/"), s.endpoint("/")
		old.LiveStreamID = "old00000000"
		r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: fresh}}}
		if last := r.run(t, quick(), &old); last.State != StateEnded || last.LiveStreamID != fresh.LiveStreamID {
			t.Errorf("ended with %+v", last)
		}
	})
}

func TestRoomKeepsAnEndpointWhenTheLookUpIsRefused(t *testing.T) {
	s := serve(t, dropping, dropping, dropping, ended)
	endpoint := s.endpoint("/")
	r := &recorder{answers: []Resolution{{State: StateCaptcha, Code: 400002, Reason: "captcha, please"}}}
	if last := r.run(t, quick(), &endpoint); last.State != StateEnded || r.lookUps != 1 {
		t.Errorf("ended with %+v after %d look-ups", last, r.lookUps)
	}
	shown := false
	for _, report := range r.reports {
		shown = shown || strings.Contains(report.Reason, "captcha, please (connecting again: ")
	}
	if !shown {
		t.Error("the refusal is not visible, or not what it was asked for")
	}

	r = &recorder{answers: []Resolution{{State: StateCaptcha, Code: 400002, Reason: "captcha, please", RetryAfter: time.Hour}}}
	if last := r.run(t, quick(), &endpoint); last.State != StateCaptcha || last.Code != 400002 || last.RetryAfter != time.Hour || r.lookUps != 2 {
		t.Errorf("ended with %+v after %d look-ups", last, r.lookUps)
	}
}

func TestRoomReturnsRefusals(t *testing.T) {
	for _, state := range []State{
		StateOffline, StateRateLimited, StateCaptcha, StateLoginRequired, StatePassword, StateBanned, StateNotFound, StateUnreachable,
	} {
		r := &recorder{answers: []Resolution{{State: state, Code: 7, Reason: "why", RetryAfter: time.Minute, Author: "作者"}}}
		last := r.run(t, quick(), nil)
		want := Report{State: state, Code: 7, Reason: "why", RetryAfter: time.Minute, Author: "作者"}
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", state, diff)
		}
	}
	r := &recorder{}
	if last := r.run(t, quick(), &Endpoint{LiveStreamID: "x", Token: secretToken}); last.State != StateInvalid || last.RetryAfter <= 0 {
		t.Errorf("an endpoint without addresses: %+v", last)
	}
}

func TestRoomStopsWhileItWaits(t *testing.T) {
	s := serve(t, dropping)
	limits := quick()
	limits.reconnectFrom, limits.reconnectTo = time.Hour, time.Hour
	endpoint := s.endpoint("/")
	r := &recorder{}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := newRoom(r, limits, &endpoint)
	waiting.report = func(report Report) {
		if strings.HasPrefix(report.Reason, "connecting again") {
			cancel()
		}
	}
	if last := waiting.run(ctx); last.State != StateStopped {
		t.Errorf("ended with %+v", last)
	}
}

func TestPauseDoubles(t *testing.T) {
	limits := defaultTiming()
	for failures, want := range map[int][2]time.Duration{
		1: {time.Second, 5 * time.Second}, 2: {2 * time.Second, 10 * time.Second},
		4: {8 * time.Second, 40 * time.Second}, 50: {time.Minute, time.Minute},
	} {
		r := room{connector: newConnector(KuaishouURL, defaultUserAgent, limits), failures: failures}
		for range 50 {
			if wait := r.backoff(); wait < want[0] || wait > want[1] {
				t.Errorf("%d failures: %v, want %v", failures, wait, want)
			}
		}
	}
	r := room{connector: newConnector(KuaishouURL, defaultUserAgent, limits), failures: 1, from: 2 * time.Minute, to: 3 * time.Minute}
	if wait := r.backoff(); wait < 2*time.Minute || wait > 3*time.Minute {
		t.Errorf("the server's window: %v, want 2 to 3 minutes", wait)
	}
}
