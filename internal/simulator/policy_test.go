package simulator

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"
)

// visitor makes calls from an address with cookies.
type visitor struct {
	t       *testing.T
	client  http.Client
	cookies string
}

func visit(t *testing.T, address, cookies string) *visitor {
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}).DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t: t, client: http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, cookies: cookies}
}

// ask is the answer to a GET; its body is still to be read and closed.
func (v *visitor) ask(ctx context.Context, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	request.Header.Set("Cookie", v.cookies)
	return v.client.Do(request)
}

// result is the result code of a call.
func (v *visitor) result(url string) int {
	v.t.Helper()
	response, err := v.ask(v.t.Context(), url)
	if err != nil {
		v.t.Fatal(err)
	}
	return parse[struct{ Data struct{ Result int } }](v.t, bodyOf(v.t, response)).Data.Result
}

const loggedIn = "did=web_1; userId=42; kuaishou.live.web_st=x"

func setPolicy(t *testing.T, s *Simulator, policies ...Policy) {
	t.Helper()
	for _, policy := range policies {
		if err := s.SetPolicy(policy); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPoliciesKnowWhoAsks(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	user, guest, nobody := visit(t, "127.0.0.1", loggedIn), visit(t, "127.0.0.2", "did=web_2"), visit(t, "127.0.0.2", "")
	detail := s.URL() + "/live_api/liveroom/livedetail?principalId=" + liveID
	for _, test := range []struct {
		name                string
		policy              Policy
		user, guest, nobody int
	}{
		{"everybody", Policy{Answer: Answer{Code: CodeBusy}}, CodeBusy, CodeBusy, CodeBusy},
		{"guests", Policy{Account: AnyGuest, Answer: Answer{Code: CodeLogin}}, CodeOK, CodeLogin, CodeLogin},
		{"users", Policy{Account: AnyUser, Answer: Answer{Code: CodeCaptcha}}, CodeCaptcha, CodeOK, CodeOK},
		{"a user", Policy{Account: "user 42", Answer: Answer{Code: CodeCaptcha}}, CodeCaptcha, CodeOK, CodeOK},
		{"a device", Policy{Account: "guest web_2", Answer: Answer{Code: CodeTooFast}}, CodeOK, CodeTooFast, CodeOK},
		{"an address", Policy{Address: "127.0.0.2", Answer: Answer{Code: CodeTooFast}}, CodeOK, CodeTooFast, CodeTooFast},
		{"a room", Policy{LiveID: liveID, Answer: Answer{Code: CodeTooFast}}, CodeTooFast, CodeTooFast, CodeTooFast},
		{"another room", Policy{LiveID: "other", Answer: Answer{Code: CodeTooFast}}, CodeOK, CodeOK, CodeOK},
		{"other calls", Policy{Answer: Answer{Code: CodeTooFast, Call: "page,websocketinfo"}}, CodeOK, CodeOK, CodeOK},
	} {
		test.policy.Name = "test"
		setPolicy(t, s, test.policy)
		if u, g, n := user.result(detail), guest.result(detail), nobody.result(detail); u != test.user || g != test.guest || n != test.nobody {
			t.Errorf("%s: user %d, guest %d, nobody %d; want %d, %d, %d", test.name, u, g, n, test.user, test.guest, test.nobody)
		}
	}
	s.LiftPolicy("test")
	if user.result(detail) != CodeOK {
		t.Error("the policy was not lifted")
	}
	setPolicy(t, s, Policy{Name: "old cookie", Account: "user 42", Stale: true},
		Policy{Name: "login", Account: AnyGuest, Answer: Answer{Code: CodeNotLoggedIn}})
	if got := user.result(detail); got != CodeNotLoggedIn {
		t.Errorf("with an old cookie: %d", got)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	limit := &limited{
		Policy:  Policy{Limit: Limit{Calls: 2, Window: time.Second, Block: time.Minute}},
		callers: map[string]*allowance{},
	}
	began := time.Now()
	ask := func(address string, at time.Duration) bool {
		return limit.refuses(caller{address: address}, began.Add(at))
	}
	for _, step := range []struct {
		address string
		at      time.Duration
		refused bool
	}{
		{"a", 0, false},
		{"a", 500 * time.Millisecond, false},
		{"a", time.Second, false}, // the first has left the window
		{"a", 1200 * time.Millisecond, true},
		{"b", 1200 * time.Millisecond, false},
		{"a", 50 * time.Second, true}, // and begins the minute anew
		{"a", 100 * time.Second, true},
		{"a", 161 * time.Second, false},
	} {
		if got := ask(step.address, step.at); got != step.refused {
			t.Errorf("%s at %v: refused %v", step.address, step.at, got)
		}
	}
}

func TestLimitForgets(t *testing.T) {
	t.Parallel()
	limit := &limited{Policy: Policy{Limit: Limit{Calls: 1, Window: time.Second}}, callers: map[string]*allowance{}}
	began := time.Now()
	for i := range 3 * maxCallers {
		limit.refuses(caller{address: LiveID(1, i)}, began.Add(time.Duration(i)*time.Millisecond))
	}
	if len(limit.callers) > maxCallers {
		t.Errorf("%d callers are remembered", len(limit.callers))
	}
}

func TestAnswersOfHTTP(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	v, page := visit(t, "127.0.0.1", ""), s.URL()+"/u/"+liveID
	answer := func(a Answer) (*http.Response, error) {
		t.Helper()
		setPolicy(t, s, Policy{Name: "test", Answer: a})
		response, err := v.ask(t.Context(), page)
		if err == nil {
			t.Cleanup(func() { _ = response.Body.Close() })
		}
		return response, err
	}
	response, err := answer(Answer{Status: http.StatusTooManyRequests, RetryAfter: 7 * time.Second})
	if err != nil || response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") != "7" {
		t.Errorf("429: %v, %v", response, err)
	}
	response, err = answer(Answer{Empty: true})
	if err != nil || bodyOf(t, response) != "" {
		t.Errorf("empty: %v, %v", response, err)
	}
	response, err = answer(Answer{LoginPage: true})
	if err != nil || response.StatusCode != http.StatusFound || response.Request.URL.Host == mustLocation(t, response) {
		t.Errorf("login page: %v, %v", response, err)
	}
	response, err = answer(Answer{CaptchaPage: true})
	if err != nil || stateScript.MatchString(bodyOf(t, response)) {
		t.Errorf("captcha page: %v, %v", response, err)
	}
	if response, err = answer(Answer{Reset: true}); err == nil {
		t.Errorf("reset: answered %s", response.Status)
	}
	response, err = answer(Answer{Cut: true})
	if err != nil || response.Body == nil || readsWhole(response) {
		t.Errorf("cut: %v, %v", response, err)
	}
	setPolicy(t, s, Policy{Name: "test", Answer: Answer{Delay: time.Hour}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := v.ask(ctx, page); err == nil {
		t.Error("hang: answered")
	}
}

func mustLocation(t *testing.T, response *http.Response) string {
	t.Helper()
	to, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	return to.Host
}

func readsWhole(response *http.Response) bool {
	buffer := make([]byte, response.ContentLength+1)
	n := 0
	for {
		more, err := response.Body.Read(buffer[n:])
		if n += more; err != nil {
			return int64(n) == response.ContentLength
		}
	}
}

func TestPoliciesRefuse(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Seed: 1})
	for name, policy := range map[string]Policy{
		"no name":            {},
		"a limit of no time": {Name: "a", Limit: Limit{Calls: 1}},
		"a long delay":       {Name: "a", Answer: Answer{Delay: 2 * time.Hour}},
		"a good status":      {Name: "a", Answer: Answer{Status: 200}},
		"an unknown call":    {Name: "a", Answer: Answer{Call: "pages"}},
		"half a second":      {Name: "a", Answer: Answer{RetryAfter: time.Second / 2}},
	} {
		if s.SetPolicy(policy) == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if len(s.Policies()) != 0 {
		t.Errorf("policies %v", s.Policies())
	}
}
