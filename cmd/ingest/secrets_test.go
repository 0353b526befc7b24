package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"kslive/internal/simulator"
)

// What no log, metric, table or command line must hold.
const (
	secretCookie   = "CoOkIeThAtIsNoBoDyElSeS"
	secretPassword = "PaSsWoRdOfThEpRoXy"
	secretToken    = "ToKeNtHaTsOmEbOdYrEsOlVeD"
)

// forwarder is an HTTP proxy that wants a password.
type forwarder struct {
	*httptest.Server
	status atomic.Int64 // to refuse with; 0: none
}

func newForwarder(t *testing.T) *forwarder {
	f := new(forwarder)
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+secretPassword))
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch status := f.status.Load(); {
		case r.Header.Get("Proxy-Authorization") != want:
			w.WriteHeader(http.StatusProxyAuthRequired)
		case status != 0:
			w.WriteHeader(int(status))
		case r.Method == http.MethodConnect:
			tunnel(w, r)
		default:
			forward(w, r)
		}
	}))
	t.Cleanup(f.Close)
	return f
}

func forward(w http.ResponseWriter, r *http.Request) {
	outgoing := r.Clone(r.Context())
	outgoing.RequestURI = ""
	outgoing.Header.Del("Proxy-Authorization")
	response, err := http.DefaultTransport.RoundTrip(outgoing)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(response.StatusCode)
	_, _ = io.Copy(w, response.Body)
}

func tunnel(w http.ResponseWriter, r *http.Request) {
	server, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer server.Close()
	client, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer client.Close()
	_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	go func() { // ends when server is closed
		_, _ = io.Copy(client, server)
		client.Close()
	}()
	_, _ = io.Copy(server, client)
}

// A real process goes through refusals of each kind. Neither what it says nor
// what it stores holds a cookie, a token or the password of a proxy; and as the
// accounts file changes, the room that waits is looked up again.
func TestSecretsStayInside(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 31, Rate: 50, PushEvery: 200 * time.Millisecond})
	ids := s.rooms(t, 2)
	room := ids[0]
	_, token, _ := entrance(t, s, room)
	file := filepath.Join(t.TempDir(), "accounts.toml")
	listen := freeAddress(t)
	insertLives(t, s, ids[:1])
	// Kuaishou does not know this one's token, and then the room is looked up.
	stream, _, addresses := entrance(t, s, ids[1])
	execute(t, s, "INSERT INTO lives (live_id, endpoint) VALUES ($1, $2)", ids[1],
		fmt.Sprintf(`{"liveStreamId":%q,"token":%q,"websocketUrls":[%q]}`, stream, secretToken, addresses[0]))
	// A new proxy each time: what was refused by one that is well rests for a minute.
	var proxy *forwarder
	accounts := func(status int64) {
		proxy = newForwarder(t)
		proxy.status.Store(status)
		text := fmt.Sprintf("[[account]]\nname = \"mine\"\ncookie = \"userId=5; kuaishou.live.web_st=%s\"\nproxy = %q\nrate = 10\n",
			secretCookie, strings.Replace(proxy.URL, "http://", "http://user:"+secretPassword+"@", 1))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set := func(answer simulator.Answer) {
		for _, id := range ids {
			if err := s.simulator.SetAnswer(id, answer); err != nil {
				t.Fatal(err)
			}
		}
	}
	accounts(0)
	set(simulator.Answer{Code: simulator.CodeTooFast})
	run := s.startRun(t, s.engines.ClickHouse, "--accounts="+file, "--http-listen="+listen, "--log-level=debug", "--worker=w")
	var seen []string // all that others can read, as it was after each step
	look := func(step, column, want string) {
		t.Helper()
		eventually(t, fmt.Sprintf("after %s the room is %s", step, want), func() bool {
			return strings.Contains(liveStatus(t, s, room, column), want)
		})
		seen = append(seen, postgresRows(t, s)...)
		seen = append(seen, fetch(t, "http://"+listen+"/metrics"))
		if runtime.GOOS == "linux" {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", run.Process.Pid))
			if err != nil {
				t.Fatal(err)
			}
			seen = append(seen, string(line))
		}
	}
	look("the start", "state", "rate_limited")
	for _, step := range []struct {
		name   string
		answer simulator.Answer
		status int64 // of the proxy
		column string
		want   string
	}{
		{"a captcha", simulator.Answer{Code: simulator.CodeCaptcha}, 0, "state", "captcha"},
		{"a login", simulator.Answer{Code: simulator.CodeLogin}, 0, "state", "login_required"},
		{"being too fast", simulator.Answer{Code: simulator.CodeTooFast}, 0, "state", "rate_limited"},
		{"another login", simulator.Answer{Code: simulator.CodeNotLoggedIn}, 0, "state", "login_required"},
		{"a status", simulator.Answer{}, http.StatusForbidden, "reason", "HTTP status 403"},
		{"another captcha", simulator.Answer{Code: simulator.CodeCaptcha}, 0, "state", "captcha"},
		{"nothing", simulator.Answer{}, 0, "state", "live"},
	} {
		set(step.answer)
		accounts(step.status)
		look(step.name, step.column, step.want)
	}
	proxy.Close()
	set(simulator.Answer{Code: simulator.CodeCaptcha})
	if err := s.simulator.Reject(room, simulator.Rejection{Code: simulator.CodeBadToken}); err != nil {
		t.Fatal(err)
	}
	look("the proxy's end", "reason", "proxy")
	var out string
	eventually(t, "ingest accounts tells of the proxy", func() bool {
		out = runCommandLine(t, "accounts", "--data-dir", s.dir, "--postgres", s.engines.Postgres)
		return strings.Contains(out, "unreachable") && strings.Contains(out, "No account can be used now")
	})
	seen = append(seen, out)
	run.stop()
	if out = runCommandLine(t, "accounts", "--data-dir", s.dir, "--postgres", s.engines.Postgres); !strings.Contains(out, "No worker is running") {
		t.Errorf("ingest accounts without a worker: %s", out)
	}
	seen = append(seen, out, run.output.String(), spoolText(t, s))
	for _, secret := range []string{secretCookie, secretPassword, secretToken, token, base64.StdEncoding.EncodeToString([]byte("user:" + secretPassword))} {
		for _, text := range seen {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%q shows: …%s…", secret, text[max(0, at-200):min(len(text), at+100)])
				break
			}
		}
	}
	if !strings.Contains(run.output.String(), "resolving") {
		t.Error("the log is not the debug log that this looks through")
	}
}

// postgresRows are all rows of all Postgres tables but for lives.endpoint, which is
// the operator's own.
func postgresRows(t *testing.T, s *setting) (rows []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.engines.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	query := func(sql string) []string {
		found, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		list, err := pgx.CollectRows(found, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	names := query("SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()")
	if len(names) < 4 {
		t.Fatalf("only these tables: %v", names)
	}
	for _, name := range names {
		rows = append(rows, query("SELECT (to_jsonb(x) - 'endpoint')::text FROM "+pgx.Identifier{name}.Sanitize()+" x")...)
	}
	return rows
}

// spoolText is what is in the spool: the frames and the notes of coverage.
func spoolText(t *testing.T, s *setting) string {
	t.Helper()
	var text strings.Builder
	frames := s.spooledFrames(t)
	if len(frames) == 0 {
		t.Fatal("nothing is in the spool")
	}
	for _, frame := range frames {
		text.WriteString(frame.String())
		text.Write(frame.Data)
	}
	return text.String()
}

// entrance is how a room is entered.
func entrance(t *testing.T, s *setting, room string) (stream, token string, addresses []string) {
	t.Helper()
	var answer struct {
		Data struct {
			LiveStream struct {
				ID string `json:"id"`
			} `json:"liveStream"`
			WebsocketInfo struct {
				Token     string   `json:"token"`
				Addresses []string `json:"webSocketAddresses"`
			} `json:"websocketInfo"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(fetch(t, s.simulator.URL()+"/live_api/liveroom/livedetail?principalId="+room)), &answer); err != nil {
		t.Fatal(err)
	}
	if answer.Data.WebsocketInfo.Token == "" || len(answer.Data.WebsocketInfo.Addresses) == 0 {
		t.Fatal("the simulator tells no way to enter")
	}
	return answer.Data.LiveStream.ID, answer.Data.WebsocketInfo.Token, answer.Data.WebsocketInfo.Addresses
}

func fetch(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// freeAddress is one on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// runCommandLine runs a command in this process and answers what it printed.
func runCommandLine(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr); code != exitOK {
		t.Fatalf("ingest %s: exit code %d: %s", strings.Join(args, " "), code, &stderr)
	}
	return stdout.String()
}
