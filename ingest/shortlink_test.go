package ingest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestShortLinkIsAskedOnce(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/s/good" {
			http.Redirect(w, r, "https://live.kuaishou.com/u/"+testLiveID, http.StatusFound)
		}
	})
	client := s.client(t, ClientOptions{})
	for range 3 {
		if liveID, err := client.LiveIDOf(t.Context(), s.URL+"/s/good"); err != nil || liveID != testLiveID {
			t.Errorf("%q, %v", liveID, err)
		}
	}
	if asked := len(s.paths()); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	_, err := client.LiveIDOf(t.Context(), s.URL+"/s/bad")
	if err == nil {
		t.Fatal("a link to nowhere has no error")
	}
	last := client.unresolved(t.Context(), err)
	if last.State != StateUnreachable || !strings.Contains(last.Reason, "leads to no live") || last.RetryAfter <= 0 {
		t.Errorf("ended with %+v", last)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if last := client.unresolved(ctx, err); last.State != StateStopped {
		t.Errorf("when told to stop: %+v", last)
	}
}

// A link is asked without cookies, and so whatever has become of the account; where
// its address may not ask, that is what the room says of itself.
func TestShortLinkWhileOthersAreRefused(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://live.kuaishou.com/u/"+testLiveID, http.StatusFound)
	})
	client := s.client(t, ClientOptions{Cookie: "a=" + secretCookie})
	account := client.accounts.list[0]
	client.accounts.judged(account, trouble{state: StateCaptcha, call: pageCall})
	if liveID, err := client.LiveIDOf(t.Context(), s.URL+"/s/one"); err != nil || liveID != testLiveID {
		t.Errorf("%q, %v", liveID, err)
	}
	client.accounts.judged(account, trouble{state: StateRateLimited, reason: "too fast", call: pageCall})
	_, err := client.LiveIDOf(t.Context(), s.URL+"/s/two")
	if err == nil || len(s.paths()) != 1 {
		t.Fatalf("asked from an address that rests: %v, %v", s.paths(), err)
	}
	if last := client.unresolved(t.Context(), err); !last.State.aboutAccount() || last.RetryAfter <= 0 || !strings.Contains(last.Reason, "is not used until") {
		t.Errorf("ended with %+v", last)
	}
}

// A simulator's addresses are taken like Kuaishou's, by a client of it.
func TestAddressesOfTheClientsOwnHost(t *testing.T) {
	s := newSite(t, offline)
	client := s.client(t, ClientOptions{})
	for text, want := range map[string]string{
		testLiveID: testLiveID, s.URL + "/u/" + testLiveID: testLiveID, " " + s.URL + "/fw/live/" + testLiveID + "?x=y ": testLiveID,
		"https://live.kuaishou.com/u/" + testLiveID: testLiveID,
	} {
		if got, err := client.ParseLiveID(text); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for text, short := range map[string]bool{s.URL + "/s/x": true, "https://v.kuaishou.com/x": true, s.URL + "/x": false, "http://127.0.0.1:1/u/" + testLiveID: false} {
		if got, err := client.ParseLiveID(text); err == nil || errors.Is(err, ErrShortLink) != short {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}
