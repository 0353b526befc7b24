package ingest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What only looks like a refusal does not take an account out at once, and not
// for ever; what is said in so many words does.
func TestWeakSignsAgainstAnAccount(t *testing.T) {
	const noSocket, socketLogin = `{"data":{"result":1}}`, `{"data":{"result":109}}`
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a portal") }))
	t.Cleanup(elsewhere.Close)
	var page func(http.ResponseWriter, *http.Request)
	var socket string
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/u/") {
			page(w, r)
			return
		}
		_, _ = io.WriteString(w, socket)
	})
	shown := func(name string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(readPage(t, name)) }
	}
	beside := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "<script>window.__CAPTCHA_INFO__={};</script>")
		shown("offline")(w, r)
	}
	redirected := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }
	unauthorized := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	for name, test := range map[string]struct {
		page   func(http.ResponseWriter, *http.Request)
		socket string
		state  State
		strong bool
	}{
		"no socket":             {shown("live"), noSocket, StateLoginRequired, false},
		"another site":          {redirected, "", StateLoginRequired, false},
		"HTTP status 401":       {unauthorized, "", StateLoginRequired, false},
		"captcha beside a room": {beside, "", StateCaptcha, false},
		"login":                 {shown("live"), socketLogin, StateLoginRequired, true},
		"captcha":               {shown("captcha"), "", StateCaptcha, true},
	} {
		client := s.client(t, ClientOptions{Cookie: loginCookie + "=x", Resolvers: []string{ViaPage}})
		a := client.accounts.list[0]
		ask := func() (out bool, until time.Time) {
			page, socket = test.page, test.socket
			if found := resolve(t, client); found.State != test.state {
				t.Errorf("%s: %s: %s", name, found.State, found.Reason)
			}
			return !client.accounts.canCall(a), a.health.until
		}
		if out, until := ask(); out != test.strong || !until.IsZero() {
			t.Errorf("%s: after one answer: out %v until %v", name, out, until)
		}
		if test.strong {
			continue
		}
		ask()
		page, socket = shown("live"), socketInfo // it was about something else
		if found := resolve(t, client); found.State != StateLive {
			t.Errorf("%s: then %s: %s", name, found.State, found.Reason)
		}
		for n := range maxDoubts {
			if out, until := ask(); out != (n == maxDoubts-1) || out && time.Until(until) > maxRest {
				t.Errorf("%s: after %d answers in a row: out %v until %v", name, n+1, out, until)
			}
		}
	}
}
