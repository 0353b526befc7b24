package main

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kslive/internal/console"
)

// Where other machines can reach it, the console asks for a token.
func asksForToken(t *testing.T, s *setting) {
	const token = "correct horse battery"
	base, _ := openConsole(t, s, "", token)
	v := visitor{T: t, base: base}
	v.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var err error
	if v.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	for path, status := range map[string]int{"/": 303, "/worker": 303, "/rooms/1/live": 303, "/login": 200, "/metrics": 200, "/healthz": 200} {
		if response, page := v.ask(http.MethodGet, path, "", func(r *http.Request) { r.Host = "ingest.example" }); response.StatusCode != status {
			t.Errorf("%s: %s\n%s", path, response.Status, page)
		}
	}
	if status, page := v.post("/rooms", url.Values{"lives": {"3xabcdefgh23456"}}); status != http.StatusUnauthorized {
		t.Error(status, page)
	}
	const overheard = "whoever can listen on the way reads the token"
	if page := v.get("/login"); strings.Contains(page, overheard) {
		t.Error("a warning on this machine:", page)
	}
	_, page := v.ask(http.MethodGet, "/login", "", func(r *http.Request) { r.Host = "ingest.example:9110" })
	wants(t, page, overheard)
	if status, page := v.post("/login", url.Values{"token": {"wrong"}}); status != http.StatusForbidden || !strings.Contains(page, "This is not the token.") {
		t.Error(status, page)
	}
	response, page := v.ask(http.MethodPost, "/login", url.Values{"token": {token}}.Encode(), nil)
	set := response.Header.Get("Set-Cookie")
	if response.StatusCode != http.StatusSeeOther || !strings.Contains(set, "HttpOnly; SameSite=Strict") || strings.Contains(set, "correct") || strings.Contains(set, "Secure") {
		t.Error(response.Status, set, page)
	}
	wants(t, v.get("/"), "Log out")
	if status, _ := v.post("/logout", nil); status != http.StatusSeeOther {
		t.Error(status)
	}
	if response, _ := v.ask(http.MethodGet, "/", "", nil); response.StatusCode != http.StatusSeeOther {
		t.Error("after logging out", response.Status)
	}
}

// openOverTLS serves the console of a pipeline over TLS too.
func openOverTLS(t *testing.T, s *setting, p *pipeline, token string) (base string, client *http.Client) {
	t.Helper()
	files := newPair(t)
	client = browser(t, files.renewForAnHour())
	certificate, err := files.certificate(s.logger)
	if err != nil {
		t.Fatal(err)
	}
	log := console.NewLog(s.logger.Handler())
	server, address, err := consoleFlags{Console: true}.serve("127.0.0.1:0", token, certificate, shown{p, newRegistry(), "w", 1 << 30, log, s.logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return "https://" + address, client
}

// Over TLS a person logs in, sees pages, and a room as it happens.
func showsOverTLS(t *testing.T, s *setting, p *pipeline, room string) {
	const token = "correct horse battery"
	base, client := openOverTLS(t, s, p, token)
	var err error
	if client.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	v := visitor{T: t, Client: *client, base: base}
	if page := v.get("/login"); strings.Contains(page, "not encrypted") {
		t.Error(page)
	}
	if status, page := v.post("/login", url.Values{"token": {token}}); status != http.StatusSeeOther {
		t.Fatal(status, page)
	}
	wants(t, v.get("/"), "Log out")
	wants(t, v.get(room), "As it happens")
	comments := 0
	follow(t, client, v.base+room+"/live", func(news heardNews) bool {
		comments += len(news.Items)
		return comments > 5 // it goes on
	})
}

func TestConsoleRefusesToBeOpen(t *testing.T) {
	short := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(short, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(long, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		flags              consoleFlags
		address, env, want string
		refused            string
	}{
		"loopback":              {consoleFlags{Console: true}, "127.0.0.1:9110", "", "", ""},
		"loopback with a token": {consoleFlags{Console: true}, "[::1]:9110", "0123456789abcdef", "0123456789abcdef", ""},
		"everywhere":            {consoleFlags{Console: true}, "0.0.0.0:9110", "", "", "--no-console"},
		"everywhere, unsaid":    {consoleFlags{Console: true}, ":9110", "", "", "--console-token-file"},
		"a name":                {consoleFlags{Console: true}, "ingest.example:9110", "", "", "needs a token"},
		"without a console":     {consoleFlags{}, "0.0.0.0:9110", "", "", ""},
		"no address":            {consoleFlags{Console: true}, "", "", "", ""},
		"a token":               {consoleFlags{Console: true}, "0.0.0.0:9110", " 0123456789abcdef\n", "0123456789abcdef", ""},
		"a file":                {consoleFlags{Console: true, ConsoleTokenFile: long}, "0.0.0.0:9110", "", "0123456789abcdef", ""},
		"a short one":           {consoleFlags{Console: true, ConsoleTokenFile: short}, "0.0.0.0:9110", "", "", "at least 16 characters"},
		"no file":               {consoleFlags{Console: true, ConsoleTokenFile: short + "x"}, "0.0.0.0:9110", "", "", "--console-token-file"},
	} {
		t.Setenv(tokenEnv, c.env)
		token, err := c.flags.token(c.address)
		if token != c.want || (err == nil) != (c.refused == "") || err != nil && !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %q %v", name, token, err)
		}
	}
	t.Setenv(tokenEnv, "")
	var said strings.Builder
	if code := run(t.Context(), []string{"run", "--data-dir", t.TempDir(), "--postgres=postgres://nobody@127.0.0.1:1/x", "--clickhouse=http://127.0.0.1:1", "--http-listen=0.0.0.0:0"}, nil, &said, &said); code != exitUsage {
		t.Error(code, said.String())
	}
	wants(t, said.String(), "needs a token")
}

// A console that others can reach without TLS is warned about at the start.
func TestConsoleWarnsWithoutTLS(t *testing.T) {
	files := newPair(t)
	files.renewForAnHour()
	for _, c := range []struct {
		console bool
		address string
		flags   tlsFlags
		warned  bool
	}{
		{true, "0.0.0.0:0", tlsFlags{}, true},
		{true, "0.0.0.0:0", files.tlsFlags, false},
		{true, "127.0.0.1:0", tlsFlags{}, false},
		{false, "0.0.0.0:0", tlsFlags{}, false},
	} {
		var said strings.Builder
		logger := slog.New(slog.NewTextHandler(&said, nil))
		certificate, err := c.flags.certificate(logger)
		if err != nil {
			t.Fatal(err)
		}
		server, _, err := consoleFlags{Console: c.console}.serve(c.address, "0123456789abcdef", certificate, shown{pipeline: new(pipeline), registry: newRegistry(), log: console.NewLog(logger.Handler()), logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		server.Close()
		if strings.Contains(said.String(), "without TLS") != c.warned {
			t.Errorf("%+v: it said %s", c, &said)
		}
	}
}

// Where another program listens, it says so and what to do.
func TestListeningWhereAnotherDoes(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, _, err = consoleFlags{}.serve(other.Addr().String(), "", nil, shown{})
	if err == nil || !strings.Contains(err.Error(), "another program listens on 127.0.0.1:") || !strings.Contains(err.Error(), "name another address by --http-listen") {
		t.Error(err)
	}
	// Also before the engines are started.
	folder := filepath.Join(t.TempDir(), "data")
	var said strings.Builder
	if code := run(t.Context(), []string{"run", "--embedded", "--data-dir", folder, "--http-listen", other.Addr().String()}, nil, &said, &said); code != exitFailed || !strings.Contains(said.String(), "another program listens") {
		t.Errorf("ingest run: exit code %d: %s", code, &said)
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("the engines were started")
	}
}
