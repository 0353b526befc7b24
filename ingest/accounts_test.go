package ingest

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// gate is an HTTP proxy; its calls can be told from those of others.
type gate struct {
	*httptest.Server
	mu     sync.Mutex
	calls  int
	refuse int // the status to refuse with, 0: let through
}

func newGate(t *testing.T) *gate {
	g := new(gate)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.calls++
		refuse := g.refuse
		g.mu.Unlock()
		if refuse != 0 {
			w.WriteHeader(refuse)
			return
		}
		outgoing := r.Clone(r.Context())
		outgoing.RequestURI = ""
		outgoing.Header.Del("Proxy-Connection")
		response, err := http.DefaultTransport.RoundTrip(outgoing)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		maps.Copy(w.Header(), response.Header)
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gate) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.calls
}

// address is the proxy's with a password.
func (g *gate) address() string {
	return "http://user:" + secretCookie + "@" + strings.TrimPrefix(g.URL, "http://")
}

// accountsFile writes an accounts file and makes it look as old as age.
func accountsFile(t *testing.T, path, text string, age time.Duration) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
	return path
}

// threeAccounts are a, b and c, each with an exit of its own: a's is direct.
func threeAccounts(t *testing.T) (text string, gates [2]*gate) {
	t.Helper()
	for i := range gates {
		gates[i] = newGate(t)
	}
	const logIn = "kuaishou.live.web_st=" + secretCookie
	return fmt.Sprintf(`
[[account]]
name = "a"
cookie = "who=a; %[1]s"
rate = 10
[[account]]
name = "b"
cookie = "who=b; %[1]s"
rate = 10
proxy = "%[2]s"
[[account]]
name = "c"
cookie = "who=c; %[1]s"
rate = 10
proxy = "%[3]s"
`, logIn, gates[0].address(), gates[1].address()), gates
}

// roomOf is a live ID that is drawn to the account.
func roomOf(t *testing.T, client *Client, name string) string {
	t.Helper()
	for n := range 1000 {
		if id := fmt.Sprintf("room%d", n); client.accounts.choose(id, nil).spec.name == name {
			return id
		}
	}
	t.Fatalf("no room goes to account %s", name)
	return ""
}

func who(r *http.Request) string {
	cookie, err := r.Cookie("who")
	if err != nil {
		return "nobody"
	}
	return cookie.Value
}

// offline answers that the room asked for is off air.
func offline(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, `<script>window.__INITIAL_STATE__={"liveroom":{"playList":[{"isLiving":false,"liveStream":{},`+
		`"author":{"id":%q,"name":"测试主播"},"status":{"forbiddenState":671}}]}};</script>`, strings.TrimPrefix(r.URL.Path, "/u/"))
}

// refusedPage answers the page of a room that is refused with a result code.
func refusedPage(w http.ResponseWriter, code int) {
	_, _ = fmt.Fprintf(w, `<script>window.__INITIAL_STATE__={"liveroom":{"playList":[{"isLiving":false,"liveStream":{},"author":{},`+
		`"errorType":{"type":%d,"title":"请求过快，请稍后重试"}}]}};</script>`, code)
}

func TestRoomsKeepTheirAccounts(t *testing.T) {
	text, _ := threeAccounts(t)
	s := newSite(t, offline)
	client := s.client(t, ClientOptions{Accounts: accountsFile(t, filepath.Join(t.TempDir(), "accounts.toml"), text, 0)})
	before, count := make(map[string]string), make(map[string]int)
	for n := range 3000 {
		id := fmt.Sprintf("room%d", n)
		name := client.accounts.choose(id, nil).spec.name
		before[id] = name
		count[name]++
	}
	for name, n := range count {
		if n < 900 || n > 1100 || len(count) != 3 {
			t.Errorf("account %s has %d of 3000 rooms", name, n)
		}
	}
	b := client.accounts.named("b")
	client.accounts.judged(b, trouble{state: StateCaptcha})
	for id, name := range before {
		switch now := client.accounts.choose(id, nil).spec.name; {
		case name == "b" && now == "b":
			t.Fatalf("room %s is still with an account that is out", id)
		case name != "b" && now != name:
			t.Fatalf("room %s went from %s to %s, and neither is out", id, name, now)
		}
	}
}

func TestLookUpGoesOnWithAnotherAccount(t *testing.T) {
	for code, state := range map[int]State{
		codeTooFast: StateRateLimited, codeThrottled: StateRateLimited, codeRepeated: StateRateLimited,
		codeSliderCaptcha: StateCaptcha, codeLoginNeeded: StateLoginRequired, codeNotLoggedIn: StateLoginRequired, codeLoginCode: StateLoginRequired,
	} {
		text, gates := threeAccounts(t)
		s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
			if who(r) == "a" {
				refusedPage(w, code)
				return
			}
			offline(w, r)
		})
		client := s.client(t, ClientOptions{Accounts: accountsFile(t, filepath.Join(t.TempDir(), "accounts.toml"), text, 0)})
		id := roomOf(t, client, "a")
		for range 3 {
			found, err := client.Resolve(t.Context(), id, time.Minute)
			if err != nil || found.State != StateOffline || found.Account == "a" || found.proxy == nil {
				t.Errorf("code %d: %s by account %q, %v", code, found.State, found.Account, err)
			}
		}
		if health := client.accounts.named("a").health; health.state != state || !health.rests(time.Now()) {
			t.Errorf("code %d: account a is %+v", code, health)
		}
		if n := gates[0].count() + gates[1].count(); n != 3 || len(s.paths()) != 4 {
			t.Errorf("code %d: %d calls by proxies of %d, want 3 of 4", code, n, len(s.paths()))
		}
	}
}

func TestNoCallWithoutAnAccount(t *testing.T) {
	text, _ := threeAccounts(t)
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if who(r) != "c" {
			refusedPage(w, codeSliderCaptcha)
			return
		}
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	file := filepath.Join(t.TempDir(), "accounts.toml")
	client := s.client(t, ClientOptions{Accounts: accountsFile(t, file, text, time.Hour)})
	resolve(t, client)
	if n := len(s.paths()); n != 3 {
		t.Fatalf("%d calls, want one by each account", n)
	}
	found := resolve(t, client)
	if len(s.paths()) != 3 {
		t.Errorf("a call by an account that rests: %v", s.paths())
	}
	if found.State != StateRateLimited || found.Account != "c" || !strings.Contains(found.Reason, `account "c"`) ||
		found.RetryAfter < 590*time.Second || found.RetryAfter > 12*time.Minute {
		t.Errorf("%s after %v by %q: %s", found.State, found.RetryAfter, found.Account, found.Reason)
	}
	// What the operator changes comes back; what is as it was does not.
	accountsFile(t, file, strings.Replace(text, "who=a", "who=c", 1), time.Minute)
	resolve(t, client)
	if n := len(s.paths()); n != 4 || !client.accounts.takeFresh() || client.accounts.takeFresh() {
		t.Errorf("%d calls, want one more by the account that was changed", n)
	}
	if strings.Contains(s.logs.String(), secretCookie) {
		t.Errorf("a secret is in the log:\n%s", s.logs.String())
	}
}

func TestARestingExitRestsForAllItsAccounts(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if who(r) == "a" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		offline(w, r)
	})
	file, text := filepath.Join(t.TempDir(), "accounts.toml"), `
		[[account]]
		name = "a"
		cookie = "who=a"
		rate = 10
		[[account]]
		name = "b"
		cookie = "who=b"
		rate = 10
		`
	client := s.client(t, ClientOptions{Accounts: accountsFile(t, file, text, time.Hour)})
	for range 2 {
		if found, err := client.Resolve(t.Context(), roomOfEither(client, "a"), time.Minute); err != nil || found.State != StateRateLimited {
			t.Errorf("%s, %v", found.State, err)
		}
	}
	if n := len(s.paths()); n != 1 {
		t.Errorf("%d calls by an exit that rests", n-1)
	}
	// Another account behind it is a reason to try again, by that one.
	accountsFile(t, file, text+"[[account]]\nname = \"c\"\ncookie = \"who=c\"\nrate = 10\n", time.Minute)
	if found, err := client.Resolve(t.Context(), roomOfEither(client, "a"), time.Minute); err != nil || found.State != StateOffline || found.Account == "a" {
		t.Errorf("%s by %q, %v", found.State, found.Account, err)
	}
}

// Providers of proxies choose the address by the name of the user.
func TestExitsAreToldApart(t *testing.T) {
	entry := func(name, proxy string) string {
		return fmt.Sprintf("[[account]]\nname = %q\nproxy = %q\n", name, proxy)
	}
	s := newSite(t, offline)
	client := s.client(t, ClientOptions{Accounts: accountsFile(t, filepath.Join(t.TempDir(), "accounts.toml"),
		entry("a", "http://one:x@proxy.example:80")+entry("b", "http://two:x@proxy.example")+
			entry("c", "socks5://one:y@proxy.example:80")+entry("d", "http://proxy.example:81"), 0)})
	for name, want := range map[string]string{"a": "proxy.example:80", "b": "proxy.example:80 #2", "c": "proxy.example:80", "d": "proxy.example:81"} {
		if got := client.accounts.named(name).exit.name; got != want {
			t.Errorf("account %s goes out by %s, want %s", name, got, want)
		}
	}
	if client.accounts.named("a").exit != client.accounts.named("c").exit || len(client.accounts.exits) != 3 {
		t.Errorf("exits: %v", client.accounts.exits)
	}
}

// roomOfEither is a room of an account, whether or not it rests.
func roomOfEither(client *Client, name string) string {
	for n := 0; ; n++ {
		id := fmt.Sprintf("room%d", n)
		heaviest := client.accounts.list[0]
		for _, a := range client.accounts.list {
			if a.weight(id) > heaviest.weight(id) {
				heaviest = a
			}
		}
		if heaviest.spec.name == name {
			return id
		}
	}
}

func TestGuestIsNotAskedForTheSocketAgainAndAgain(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/u/") {
			_, _ = w.Write(readPage(t, "live"))
			return
		}
		_, _ = io.WriteString(w, `{"data":{"result":1}}`)
	})
	client := s.client(t, ClientOptions{})
	for range 3 {
		found := resolve(t, client)
		if found.State != StateLoginRequired || found.Account != guestAccount || found.RetryAfter < 20*time.Minute {
			t.Errorf("%s after %v: %s", found.State, found.RetryAfter, found.Reason)
		}
	}
	asked := strings.Count(strings.Join(s.paths(), "\n"), "websocketinfo")
	if asked != 1 {
		t.Errorf("websocketinfo was asked %d times of %v", asked, s.paths())
	}
}

func TestADeadProxyIsNotTheRoomsFault(t *testing.T) {
	for name, trouble := range map[string]func(*gate){
		"refused": func(g *gate) { g.Close() },
		"407":     func(g *gate) { g.refuse = http.StatusProxyAuthRequired },
	} {
		text, gates := threeAccounts(t)
		trouble(gates[0])
		s := newSite(t, offline)
		client := s.client(t, ClientOptions{Accounts: accountsFile(t, filepath.Join(t.TempDir(), "accounts.toml"), text, 0)})
		id := roomOf(t, client, "b")
		found, err := client.Resolve(t.Context(), id, time.Minute)
		if err != nil || found.State != StateOffline || found.Account == "b" {
			t.Errorf("%s: %s by %q, %v", name, found.State, found.Account, err)
		}
		if health := client.accounts.named("b").exit.health; health.state != StateUnreachable || !health.rests(time.Now()) {
			t.Errorf("%s: the exit is %+v", name, health)
		}
		if strings.Contains(s.logs.String(), secretCookie) {
			t.Errorf("%s: a secret is in the log:\n%s", name, s.logs.String())
		}
	}
}

// A proxy that does not let an HTTPS connection through says why.
func TestAProxyThatDoesNotConnect(t *testing.T) {
	g := newGate(t)
	g.refuse = http.StatusProxyAuthRequired
	var logs strings.Builder
	client, err := NewClient(ClientOptions{
		BaseURL: "https://live.kuaishou.com", Logger: slog.New(slog.NewTextHandler(&logs, nil)),
		Accounts: accountsFile(t, filepath.Join(t.TempDir(), "accounts.toml"), "[[account]]\nname = \"a\"\nproxy = \""+g.address()+"\"\n", 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	found := resolve(t, client)
	if found.State != StateUnreachable || !strings.Contains(found.Reason, "does not accept its user or password") || g.count() != 1 {
		t.Errorf("%s: %s", found.State, found.Reason)
	}
	if strings.Contains(found.Reason+logs.String(), secretCookie) {
		t.Errorf("the password shows: %s\n%s", found.Reason, &logs)
	}
}

// Pages, redirects, REST calls and short links all take turns.
func TestEveryCallTakesATurn(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/s/"):
			http.Redirect(w, r, "/u/"+testLiveID, http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/u/") && r.URL.RawQuery == "":
			http.Redirect(w, r, r.URL.Path+"?x=y", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/u/"):
			_, _ = w.Write(readPage(t, "live"))
		default:
			_, _ = io.WriteString(w, socketInfo)
		}
	})
	client := s.client(t, ClientOptions{})
	if found := resolve(t, client); found.State != StateLive {
		t.Errorf("%s: %s", found.State, found.Reason)
	}
	if _, err := client.ResolveShortLink(t.Context(), s.URL+"/s/x"); err != nil {
		t.Error(err)
	}
	if all, _ := client.accounts.exits[directExit].budget.calls(); int(all) != len(s.paths()) || all != 4 {
		t.Errorf("%d turns for the calls %v", all, s.paths())
	}
}

// The log of a Resolution must not be the place where a password gets out.
func TestResolutionHidesItsProxy(t *testing.T) {
	proxy, err := parseProxy("socks5h://user:" + secretCookie + "@proxy.example:1080")
	if err != nil {
		t.Fatal(err)
	}
	found := Resolution{State: StateLive, Account: "a", proxy: proxy, Endpoint: Endpoint{Token: secretToken}}
	var logs strings.Builder
	slog.New(slog.NewTextHandler(&logs, nil)).Info("found", "resolution", found)
	if text := logs.String() + fmt.Sprintf("%v %+v", found, found); strings.Contains(text, secretCookie) || !strings.Contains(text, "account=a") {
		t.Error(text)
	}
}

func TestBrokenAccountsFileKeepsTheOldOnes(t *testing.T) {
	s := newSite(t, offline)
	folder := t.TempDir()
	file, cookies := filepath.Join(folder, "accounts.toml"), filepath.Join(folder, "b.txt")
	accountsFile(t, cookies, "who=b", time.Hour)
	text := "[[account]]\nname = \"b\"\ncookie_file = \"b.txt\"\nrate = 10\n"
	client := s.client(t, ClientOptions{Accounts: accountsFile(t, file, text, time.Hour)})
	resolve(t, client)
	client.accounts.named("b").noSocket = time.Now() // what an account has learnt
	accountsFile(t, file, text+"cooky = \""+secretCookie+"\"\n", 50*time.Minute)
	resolve(t, client)
	resolve(t, client)
	if n := strings.Count(s.logs.String(), "keeping the accounts read before"); n != 1 {
		t.Errorf("a broken file is told %d times", n)
	}
	accountsFile(t, file, text+"# as it was\n", 40*time.Minute)
	resolve(t, client)
	if client.accounts.named("b").noSocket.IsZero() {
		t.Error("an account that is as it was began anew")
	}
	accountsFile(t, cookies, "who=new", 30*time.Minute)
	resolve(t, client)
	if got := s.lastCookies(); got != "who=new" || !client.accounts.named("b").noSocket.IsZero() {
		t.Errorf("cookies %q after the cookie file was changed", got)
	}
	// One that cannot be read yet is as it was; a new one joins when it can be.
	accountsFile(t, file, "[[account]]\nname = \"new\"\ncookie_file = \"new.txt\"\n"+strings.ReplaceAll(text, "b.txt", "none.txt"), 20*time.Minute)
	resolve(t, client)
	if got := s.lastCookies(); got != "who=new" || len(client.accounts.list) != 1 {
		t.Errorf("cookies %q of %d accounts while those of the others cannot be read", got, len(client.accounts.list))
	}
	accountsFile(t, filepath.Join(folder, "none.txt"), "who=none", 10*time.Minute)
	accountsFile(t, filepath.Join(folder, "new.txt"), "who=joined", 10*time.Minute)
	client.accounts.look()
	if list := client.accounts.list; len(list) != 2 || list[0].spec.cookies != "who=joined" || list[1].spec.cookies != "who=none" {
		t.Errorf("%d accounts when all can be read", len(list))
	}
	// What is written wrongly within the file is told, too.
	accountsFile(t, file, "[[account]]\nname = \"b\"\ncookie = \""+secretCookie+"\"\n", 5*time.Minute)
	client.accounts.look()
	if !strings.Contains(s.logs.String(), `account \"b\": reading the cookie: line 1 is neither`) {
		t.Errorf("a cookie that is none is not told:\n%s", s.logs.String())
	}
	if strings.Contains(s.logs.String(), secretCookie) {
		t.Errorf("a secret is in the log:\n%s", s.logs.String())
	}
}

func TestHealthBacksOff(t *testing.T) {
	var h health
	now := time.Unix(1_800_000_000, 0)
	limited := trouble{state: StateRateLimited, call: pageCall}
	within := func(d, want time.Duration) bool { return d >= want*8/10 && d <= want*12/10 }
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
		h.backOff(now, limited)
		h.backOff(now.Add(time.Second), limited) // was under way
		rest := h.until.Sub(now)
		if !within(rest, want) || !h.rests(now) {
			t.Errorf("rests for %v, want about %v", rest, want)
		}
		h.didWell(now.Add(time.Second), pageCall) // was under way, too
		if !h.rests(now.Add(2 * time.Second)) {
			t.Error("an answer to an older call ended the rest")
		}
		now = h.until
	}
	h.didWell(now, socketCall)
	h.backOff(now, limited)
	if rest := h.until.Sub(now); !within(rest, maxRest) {
		t.Errorf("another kind of call that went well ended the doubling: %v", rest)
	}
	now = h.until
	h.didWell(now, pageCall)
	limited.retryAfter = 10 * time.Minute
	h.backOff(now, limited)
	if rest := h.until.Sub(now); rest != 10*time.Minute {
		t.Errorf("rests for %v, and was asked to for 10m", rest)
	}
}

// A guest has no cookies to change: after a captcha it is tried again by itself.
// Where pages are shown and websocketinfo says 请求过快 each time, it is that call,
// and neither account nor address: these rest once, and then that call alone.
func TestWebsocketinfoThatIsAlwaysTooFast(t *testing.T) {
	answer := answers{page: pageIsLive, socket: `{"data":{"result":2,"error_msg":"请求过快"}}`}
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) { answer.ServeHTTP(t)(w, r) })
	client := s.client(t, ClientOptions{Cookie: "userId=5; kuaishou.live.web_st=" + secretCookie, Resolvers: []string{ViaPage, ViaRecall}})
	account := client.accounts.named(cookieAccount)
	restIsOver := func() {
		client.accounts.mu.Lock()
		defer client.accounts.mu.Unlock()
		account.health.tryAgain(time.Now())
		account.exit.health.tryAgain(time.Now())
	}
	if found := resolve(t, client); found.State != StateRateLimited || client.accounts.canCall(account) {
		t.Fatalf("%s, and the account does not rest", found.State)
	}
	restIsOver()
	if found := resolve(t, client); found.State != StateRateLimited || !client.accounts.canCall(account) {
		t.Fatalf("%s, and the account rests although it is the call", found.State)
	}
	for range 3 {
		if found := resolve(t, client); found.State != StateRecall || !strings.Contains(found.Reason, "page says login_required") {
			t.Errorf("%s: %s", found.State, found.Reason)
		}
	}
	if got, want := s.kinds(), "page websocketinfo page websocketinfo page page page"; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	if status := client.accounts.statuses()[0]; !strings.Contains(status.Reason, "not shown how to enter rooms") {
		t.Errorf("status %+v", status)
	}
	client.accounts.mu.Lock()
	account.noSocket = time.Now()
	client.accounts.mu.Unlock()
	answer.socket = socketInfo
	if found := resolve(t, client); found.State != StateLive || account.socketFast != 0 {
		t.Errorf("%s: %s", found.State, found.Reason)
	}
}

func TestGuestComesBackFromACaptcha(t *testing.T) {
	s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { refusedPage(w, codeSliderCaptcha) })
	client := s.client(t, ClientOptions{})
	for range 2 {
		found := resolve(t, client)
		if found.State != StateCaptcha || found.RetryAfter < 29*time.Minute || found.RetryAfter > 34*time.Minute {
			t.Errorf("%s after %v: %s", found.State, found.RetryAfter, found.Reason)
		}
	}
	if n := len(s.paths()); n != 1 {
		t.Errorf("%d calls after a captcha", n-1)
	}
	if list := client.accounts.statuses(); len(list) != 1 || list[0].State != string(StateCaptcha) || list[0].Until == nil || list[0].Calls != 1 || list[0].Refusals != 1 {
		t.Errorf("%+v", list)
	}
}

func TestFilesThatEverybodyCanReadAreToldOnce(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its permissions are of another kind")
	}
	s := newSite(t, offline)
	folder := t.TempDir()
	cookies := accountsFile(t, filepath.Join(folder, "a.txt"), "who=a", time.Hour)
	file := accountsFile(t, filepath.Join(folder, "accounts.toml"), "[[account]]\nname = \"a\"\ncookie_file = \"a.txt\"\nrate = 10\n", time.Hour)
	if err := os.Chmod(cookies, 0o644); err != nil {
		t.Fatal(err)
	}
	client := s.client(t, ClientOptions{Accounts: file})
	accountsFile(t, cookies, "who=again", time.Minute)
	resolve(t, client)
	if n := strings.Count(s.logs.String(), "chmod 600"); n != 1 || !strings.Contains(s.logs.String(), cookies) {
		t.Errorf("told %d times:\n%s", n, s.logs.String())
	}
}

// Rooms of a worker are told by the account that looks them up.
func TestRoomsAreCounted(t *testing.T) {
	text, _ := threeAccounts(t)
	s := newSite(t, offline)
	client := s.client(t, ClientOptions{Accounts: accountsFile(t, filepath.Join(t.TempDir(), "accounts.toml"), text, 0)})
	var release []func()
	for n := range 300 {
		release = append(release, client.accounts.hold(fmt.Sprintf("room%d", n)))
	}
	client.accounts.judged(client.accounts.named("b"), trouble{state: StateCaptcha})
	rooms := func() (sum int) {
		for _, status := range client.accounts.statuses() {
			sum += status.Rooms
			if status.Account == "b" && status.Rooms != 0 {
				t.Errorf("%d rooms go to an account that is out", status.Rooms)
			}
		}
		return sum
	}
	if n := rooms(); n != 300 {
		t.Errorf("%d rooms of 300", n)
	}
	for _, let := range release {
		let()
	}
	if n := rooms(); n != 0 || len(client.accounts.held) != 0 {
		t.Errorf("%d rooms after all were left", n)
	}
}
