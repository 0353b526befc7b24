package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const secretCookie = "cOoKiEtHaTmUsTnOtShOw"

// site is a Kuaishou of which a test says each answer.
type site struct {
	*httptest.Server
	logs bytes.Buffer // of the client; read it when no call is under way

	mu    sync.Mutex
	calls []*http.Request
}

func newSite(t *testing.T, answer http.HandlerFunc) *site {
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.calls = append(s.calls, r)
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for _, call := range s.calls {
		paths = append(paths, call.URL.RequestURI())
	}
	return paths
}

func (s *site) lastCookies() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[len(s.calls)-1].Header.Get("Cookie")
}

func (s *site) client(t *testing.T, options ClientOptions) *Client {
	t.Helper()
	return s.clientOf(t, s.URL, options)
}

// clientOf is a client of base, which is this site by whatever name.
func (s *site) clientOf(t *testing.T, base string, options ClientOptions) *Client {
	t.Helper()
	options.BaseURL, options.MinInterval = base, -1
	if options.Resolvers == nil {
		options.Resolvers = []string{ViaPage, ViaDetail}
	}
	options.Logger = slog.New(slog.NewTextHandler(&s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client, err := NewClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func resolve(t *testing.T, client *Client) Resolution {
	t.Helper()
	found, err := client.Resolve(t.Context(), testLiveID, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if found.State != StateLive && found.State != StateRecall && (found.RetryAfter <= 0 || found.Reason == "") {
		t.Errorf("%s: retry after %v, reason %q", found.State, found.RetryAfter, found.Reason)
	}
	return found
}

const socketInfo = `{"data":{"result":1,"token":"` + secretToken + `","websocketUrls":["wss://a.example/websocket","wss://b.example/websocket"]}}`

func TestResolveAsksPageThenSocket(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/u/"+testLiveID {
			http.SetCookie(w, &http.Cookie{Name: "did", Value: "web_0123", Path: "/"})
			_, _ = w.Write(readPage(t, "live"))
			return
		}
		_, _ = io.WriteString(w, socketInfo)
	})
	found := resolve(t, s.client(t, ClientOptions{Cookie: "userId=5; kuaishou.live.web_st=" + secretCookie}))
	want := Endpoint{LiveStreamID: "8SJgk6L-2iM", Token: secretToken, URLs: []string{"wss://a.example/websocket", "wss://b.example/websocket"}}
	if diff := cmp.Diff(want, found.Endpoint); diff != "" || found.State != StateLive {
		t.Errorf("%s: (-want +got)\n%s", found.State, diff)
	}
	wantPaths := []string{"/u/" + testLiveID, "/live_api/liveroom/websocketinfo?caver=2&liveStreamId=8SJgk6L-2iM"}
	if diff := cmp.Diff(wantPaths, s.paths()); diff != "" {
		t.Errorf("calls (-want +got)\n%s", diff)
	}
	if got, want := s.lastCookies(), "userId=5; kuaishou.live.web_st="+secretCookie+"; did=web_0123"; got != want {
		t.Errorf("cookies %q, want %q", got, want)
	}
}

func TestResolveUsesThePagesEndpoint(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(readPage(t, "live-endpoint")) })
	found := resolve(t, s.client(t, ClientOptions{}))
	if found.State != StateLive || found.Endpoint.Token != "dG9rZW4=" || len(found.Endpoint.URLs) != 2 || len(s.paths()) != 1 {
		t.Errorf("%s, %v after %v", found.State, found.Endpoint, s.paths())
	}
}

func TestResolveFallsBackToDetail(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/live_api/liveroom/livedetail" {
			_, _ = fmt.Fprintf(w, `{"data":{"result":1,"liveStream":{"id":"s"},"author":{"id":%q},"websocketInfo":{"token":"t","webSocketAddresses":["ws://a"]}}}`,
				r.URL.Query().Get("principalId"))
			return
		}
		_, _ = w.Write(readPage(t, "no-state"))
	})
	if found := resolve(t, s.client(t, ClientOptions{})); found.State != StateLive || found.Endpoint.LiveStreamID != "s" {
		t.Errorf("%s: %s", found.State, found.Reason)
	}
}

func TestResolveSocketRefusals(t *testing.T) {
	for answer, want := range map[string]State{
		`{"data":{"result":2,"error_msg":"请求过快"}}`: StateRateLimited,
		`{"data":{"result":1}}`:                    StateLoginRequired,
		`{"data":{"result":109}}`:                  StateLoginRequired,
		`{"data":{"result":400002}}`:               StateCaptcha,
		`{"data":{"result":22}}`:                   StateUnreachable,
		`{"data":{"result":671}}`:                  StateOffline,
		`{"data":{"result":1,"token":"` + secretToken + `","websocketUrls":["http://a/?t=` + secretToken + `"]}}`: StateUnreachable,
		`<html>`: StateUnreachable,
	} {
		s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/u/") {
				_, _ = w.Write(readPage(t, "live"))
				return
			}
			_, _ = io.WriteString(w, answer)
		})
		found := resolve(t, s.client(t, ClientOptions{}))
		if found.State != want || found.Endpoint.LiveStreamID != "" || found.Author != "测试主播" && want != StateUnreachable {
			t.Errorf("%s: %s (%s) of %q, want %s", answer, found.State, found.Reason, found.Author, want)
		}
		if strings.Contains(found.Reason, secretToken) {
			t.Errorf("the token shows in %q", found.Reason)
		}
	}
}

func TestResolveStatusCodes(t *testing.T) {
	for code, want := range map[int]State{
		401: StateLoginRequired, 403: StateRateLimited, 404: StateUnreachable,
		429: StateRateLimited, 500: StateUnreachable, 502: StateUnreachable, 503: StateUnreachable,
	} {
		s := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1800")
			w.WriteHeader(code)
		})
		found := resolve(t, s.client(t, ClientOptions{RetryDelays: RetryDelays{StateLoginRequired: time.Minute}}))
		if found.State != want || !strings.Contains(found.Reason, fmt.Sprint(code)) {
			t.Errorf("status %d: %s (%s), want %s", code, found.State, found.Reason, want)
		}
		if found.RetryAfter < 1800*time.Second {
			t.Errorf("status %d: retry after %v, sooner than asked", code, found.RetryAfter)
		}
	}
}

func TestResolveBadAnswers(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			t.Error("the cookie went to another host")
		}
		_, _ = io.WriteString(w, "<html>please log in</html>")
	}))
	defer elsewhere.Close()
	other := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1)
	never := make(chan struct{})
	defer close(never)
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		want   State
		reason string
	}{
		"redirect loop": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, StateUnreachable, "redirected more than"},
		"elsewhere":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, http.StatusFound) }, StateLoginRequired, "localhost"},
		"no body":       {func(http.ResponseWriter, *http.Request) {}, StateUnreachable, "livedetail"},
		"hang up":       {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, StateUnreachable, "EOF"},
		"too large": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("x"), maxAnswer+1))
		}, StateUnreachable, "larger than 8 MiB"},
		"slow": {func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-never:
			}
		}, StateUnreachable, "deadline"},
	} {
		s := newSite(t, test.answer)
		options := ClientOptions{Cookie: "a=" + secretCookie}
		if name == "slow" {
			options.Timeout = 500 * time.Millisecond
		}
		found := resolve(t, s.client(t, options))
		if found.State != test.want || !strings.Contains(found.Reason, test.reason) {
			t.Errorf("%s: %s (%s), want %s (%s)", name, found.State, found.Reason, test.want, test.reason)
		}
		if strings.Contains(found.Reason+s.logs.String(), secretCookie) {
			t.Errorf("%s: the cookie shows in %q or in the log", name, found.Reason)
		}
	}
}

func TestResolveRefusesOtherThanLiveIDs(t *testing.T) {
	s := newSite(t, func(http.ResponseWriter, *http.Request) {})
	found, err := s.client(t, ClientOptions{}).Resolve(t.Context(), "../../x?y", time.Minute)
	if err != nil || found.State != StateInvalid || len(s.paths()) != 0 {
		t.Errorf("%s, %v after %v", found.State, err, s.paths())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.client(t, ClientOptions{}).Resolve(ctx, testLiveID, time.Minute); err == nil {
		t.Error("a look-up without time has no error")
	}
}

func TestCookieFileIsReadAgain(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(readPage(t, "offline")) })
	file := filepath.Join(t.TempDir(), "cookie.txt")
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	write("a=first", time.Hour)
	client := s.client(t, ClientOptions{CookieFile: file})
	expect := func(want string) {
		t.Helper()
		resolve(t, client)
		if got := s.lastCookies(); got != want {
			t.Errorf("cookies %q, want %q", got, want)
		}
	}
	expect("a=first")
	write("a="+secretCookie, time.Minute)
	expect("a=" + secretCookie)
	write("", time.Second) // being written
	expect("a=" + secretCookie)
	write("no cookie "+secretCookie, 0)
	expect("a=" + secretCookie)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	expect("a=" + secretCookie)
	expect("a=" + secretCookie)
	if n := strings.Count(s.logs.String(), "keeping the cookies"); n != 3 || strings.Contains(s.logs.String(), secretCookie) {
		t.Errorf("%d warnings, want 3, without the cookie:\n%s", n, s.logs.String())
	}
}

func TestParseCookies(t *testing.T) {
	const expired, valid = "1000000000", "4000000000"
	for _, test := range []struct{ name, text, want string }{
		{"header", "Cookie: did=web_1; userId=5\n", "did=web_1; userId=5"},
		{"header without name", "did=web_1; userId=5", "did=web_1; userId=5"},
		{"lines", "did=web_1\r\nuserId=5\r\n\r\n# mine\n", "did=web_1; userId=5"},
		{"base64", "kuaishou.live.web_st=ChRr==; a=b=c", "kuaishou.live.web_st=ChRr==; a=b=c"},
		{"colon in a value", "a=b:c", "a=b:c"},
		{"mark of UTF-8", "\uFEFFa=b", "a=b"},
		{"cookies.txt", "# Netscape HTTP Cookie File\n" +
			".kuaishou.com\tTRUE\t/\tFALSE\t" + valid + "\tdid\tweb_1\n" +
			"#HttpOnly_live.kuaishou.com\tFALSE\t/\tTRUE\t0\tweb_st\tx=\n" +
			"live.kuaishou.com\tFALSE\t/\tTRUE\t0\tempty\t\n" +
			".kuaishou.com\tTRUE\t/\tFALSE\t" + expired + "\told\tx\n" +
			".example.com\tTRUE\t/\tFALSE\t0\tforeign\tx\n", "did=web_1; web_st=x=; empty="},
	} {
		cookies, err := parseCookies(test.text, "live.kuaishou.com")
		var got []string
		for _, cookie := range cookies {
			got = append(got, cookie.Name+"="+cookie.Value)
		}
		if joined := strings.Join(got, "; "); err != nil || joined != test.want {
			t.Errorf("%s: %q, %v; want %q", test.name, joined, err, test.want)
		}
	}
	for _, text := range []string{
		secretCookie, "a=" + secretCookie + "\x01", "a b=" + secretCookie, "# only a comment",
		".example.com\tTRUE\t/\tFALSE\t0\ta\t" + secretCookie,
	} {
		_, err := parseCookies(text, "live.kuaishou.com")
		if err == nil || strings.Contains(err.Error(), secretCookie) {
			t.Errorf("%q: %v; want an error without the value", text, err)
		}
	}
}

func TestNewClientRefuses(t *testing.T) {
	for _, options := range []ClientOptions{
		{BaseURL: "live.kuaishou.com"},
		{BaseURL: "ftp://live.kuaishou.com"},
		{BaseURL: "https://user:" + secretCookie + "@live.kuaishou.com"},
		{BaseURL: "https://live.kuaishou.com/u/x"},
		{Cookie: "a=b", CookieFile: "x"},
		{Cookie: secretCookie},
		{CookieFile: filepath.Join(t.TempDir(), "missing")},
	} {
		options.Logger = slog.New(slog.DiscardHandler)
		if _, err := NewClient(options); err == nil || strings.Contains(err.Error(), secretCookie) {
			t.Errorf("%+v: %v; want an error without a secret", options, err)
		}
	}
}

func TestResolveShortLink(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/s/direct":
			http.Redirect(w, r, "/u/"+testLiveID+"?x=y", http.StatusFound)
		case "/s/twice":
			http.Redirect(w, r, "/s/known", http.StatusFound)
		case "/s/known":
			http.Redirect(w, r, "https://livev.m.chenzhongtech.com/fw/live/"+testLiveID+"?x=y", http.StatusFound)
		case "/s/away":
			http.Redirect(w, r, "http://example.com/", http.StatusFound)
		case "/s/loop":
			http.Redirect(w, r, "/s/loop", http.StatusFound)
		}
	})
	client := s.client(t, ClientOptions{Cookie: "a=" + secretCookie})
	for _, code := range []string{"direct", "twice", "known"} {
		if got, err := client.ResolveShortLink(t.Context(), s.URL+"/s/"+code); err != nil || got != testLiveID {
			t.Errorf("%s: %q, %v", code, got, err)
		}
	}
	for code, want := range map[string]string{"away": "leads away", "loop": "leads to no live", "missing": "HTTP status 200"} {
		if got, err := client.ResolveShortLink(t.Context(), s.URL+"/s/"+code); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want %s", code, got, err, want)
		}
	}
	if _, err := client.ResolveShortLink(t.Context(), "http://example.com/s/x"); err == nil {
		t.Error("a link of another site was asked")
	}
	if s.lastCookies() != "" {
		t.Error("a short link got the cookie")
	}
}

// Where nothing spaces calls, there are not as many at a time as there are rooms.
func TestCallsAreBounded(t *testing.T) {
	var under, most atomic.Int32
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer under.Add(-1)
		if n := under.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	client := new(site).clientOf(t, server.URL, ClientOptions{Resolvers: []string{ViaDetail}})
	var looking sync.WaitGroup
	for range 3 * maxCalls {
		looking.Go(func() { _, _ = client.Resolve(t.Context(), testLiveID, time.Minute) })
	}
	for under.Load() < maxCalls {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // for those that would be too many
	close(release)
	looking.Wait()
	if most.Load() != maxCalls {
		t.Errorf("%d calls at a time", most.Load())
	}
}
