package ingest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	pageIsLive   = "live"
	mobileAnswer = `{"result":1,"token":"` + secretToken + `","webSocketAddresses":["wss://m.example/websocket"],"liveStream":{"liveStreamId":"8SJgk6L-2iM","living":true,"caption":"标题","user":{"user_name":"测试主播"}}}`
)

// answers is a Kuaishou that answers each call as a test says.
type answers struct {
	page, socket, detail, mobile string // a page of testdata, or the answers' text
}

func (a answers) ServeHTTP(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/u/"):
			_, _ = w.Write(readPage(t, a.page))
		case strings.HasSuffix(r.URL.Path, "/websocketinfo"):
			_, _ = io.WriteString(w, a.socket)
		case strings.HasSuffix(r.URL.Path, "/livedetail"):
			_, _ = io.WriteString(w, a.detail)
		case strings.HasSuffix(r.URL.Path, "/byUser"):
			_, _ = io.WriteString(w, a.mobile)
		}
	}
}

// kinds are the last elements of the paths that were asked.
func (s *site) kinds() string {
	var kinds []string
	for _, path := range s.paths() {
		path, _, _ = strings.Cut(path, "?")
		kinds = append(kinds, callKind(path))
	}
	return strings.Join(kinds, " ")
}

func TestChain(t *testing.T) {
	const (
		tooFast = `{"data":{"result":2,"error_msg":"请求过快"}}`
		login   = `{"data":{"result":109,"error_msg":"请先登录"}}`
		noLogin = `{"data":{"result":1}}`
		detail  = `{"data":{"result":1,"liveStream":{"id":"8SJgk6L-2iM"},"author":{"id":"` + testLiveID + `"},"websocketInfo":{"token":"` + secretToken + `","webSocketAddresses":["wss://d.example/websocket"]}}}`
		bare    = `{"data":{"result":1,"liveStream":{"id":"8SJgk6L-2iM"},"author":{"id":"` + testLiveID + `"},"websocketInfo":{}}}`
		other   = `{"data":{"result":1,"liveStream":{"id":"8SJgk6L-2iM"},"author":{"id":"3xrecommended01"},"websocketInfo":{}}}`
		offline = `{"result":1,"liveStream":{"living":false,"user":{"user_name":"测试主播"}}}`
	)
	for name, test := range map[string]struct {
		answers
		cookie string
		state  State
		via    string
		asked  string
		reason []string
	}{
		"page and websocketinfo": {answers{pageIsLive, socketInfo, "", ""}, "", StateLive, ViaPage, "page websocketinfo", nil},
		"livedetail has the socket": {
			answers{pageIsLive, login, detail, ""},
			"", StateLive, ViaDetail,
			"page websocketinfo livedetail", nil,
		},
		"the page cannot be read":         {answers{"no-state", "", detail, ""}, "", StateLive, ViaDetail, "page livedetail", nil},
		"the mobile page":                 {answers{pageIsLive, login, bare, mobileAnswer}, "", StateLive, ViaByUser, "page websocketinfo livedetail byUser", nil},
		"the mobile page after a captcha": {answers{"captcha", "", "", mobileAnswer}, "userId=5", StateLive, ViaByUser, "page byUser", nil},
		"a verdict of the mobile page":    {answers{"login-109", "", login, offline}, "", StateOffline, ViaByUser, "page livedetail byUser", nil},
		"comments only": {
			answers{pageIsLive, login, bare, `{"result":109}`},
			"", StateRecall, ViaRecall,
			"page websocketinfo livedetail byUser",
			[]string{"comments only", "page says login_required (code 109)", "byuser says login_required (code 109)"},
		},
		"slow down": {answers{"rate-limited", "", detail, mobileAnswer}, "", StateRateLimited, ViaPage, "page", []string{"请求过快"}},
		"slow down at the socket": {
			answers{pageIsLive, tooFast, detail, mobileAnswer},
			"", StateRateLimited, ViaPage,
			"page websocketinfo",
			[]string{"请求过快"},
		},
		"a verdict":               {answers{"offline", "", detail, mobileAnswer}, "", StateOffline, ViaPage, "page", nil},
		"another author":          {answers{"other-author", "", other, `{"result":22}`}, "", StateUnreachable, ViaPage, "page livedetail byUser", []string{"3xrecommended01", "livedetail says"}},
		"the most useful is told": {answers{"no-state", "", login, `{"result":10}`}, "", StateLoginRequired, ViaDetail, "page livedetail byUser", []string{"请先登录", "page says unreachable", "byuser says unreachable (code 10)"}},
		"no socket without login": {answers{pageIsLive, noLogin, bare, `<html>`}, "", StateRecall, ViaRecall, "page websocketinfo livedetail byUser", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, test.ServeHTTP(t))
			found := resolve(t, s.client(t, ClientOptions{Cookie: test.cookie, Resolvers: DefaultResolvers()}))
			if found.State != test.state || found.Via != test.via {
				t.Errorf("%s via %s (%s), want %s via %s", found.State, found.Via, found.Reason, test.state, test.via)
			}
			if got := s.kinds(); got != test.asked {
				t.Errorf("asked %q, want %q", got, test.asked)
			}
			for _, part := range test.reason {
				if !strings.Contains(found.Reason, part) {
					t.Errorf("reason %q lacks %q", found.Reason, part)
				}
			}
			if strings.Contains(found.Reason+s.logs.String(), secretToken) {
				t.Errorf("the token shows in %q or in the log", found.Reason)
			}
			if live := found.State == StateLive; live != (found.Endpoint.Validate() == nil) || found.Endpoint.Mobile != (test.via == ViaByUser && live) {
				t.Errorf("endpoint %v, mobile %v", found.Endpoint, found.Endpoint.Mobile)
			}
		})
	}
}

func TestMobilePageIsAskedAsAGuest(t *testing.T) {
	s := newSite(t, answers{"captcha", "", "", `{"result":400002}`}.ServeHTTP(t))
	client := s.client(t, ClientOptions{Cookie: "userId=5; kuaishou.live.web_st=" + secretCookie, Resolvers: DefaultResolvers()})
	if found := resolve(t, client); found.State != StateCaptcha || !strings.Contains(found.Reason, "byuser says captcha") {
		t.Errorf("%s (%s)", found.State, found.Reason)
	}
	if cookies := s.lastCookies(); cookies != "" {
		t.Error("the mobile page got the account's cookies")
	}
	// Neither the account nor the mobile page is asked again.
	if found := resolve(t, client); found.State != StateCaptcha || s.kinds() != "page byUser" {
		t.Errorf("%s (%s) after %s", found.State, found.Reason, s.kinds())
	}
}

func TestMobilePageWithoutAnAccount(t *testing.T) {
	a := answers{"captcha", "", "", `{"result":10}`}
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) { a.ServeHTTP(t)(w, r) })
	client := s.client(t, ClientOptions{Cookie: "userId=5", Resolvers: DefaultResolvers()})
	resolve(t, client)
	a.mobile = mobileAnswer
	if found := resolve(t, client); found.State != StateLive || found.Via != ViaByUser || s.kinds() != "page byUser byUser" {
		t.Errorf("%s (%s) after %s", found.State, found.Reason, s.kinds())
	}
}

func TestMobileTokenEntersLikeTheMobilePage(t *testing.T) {
	request := enterRoom(Endpoint{LiveStreamID: "8SJgk6L-2iM", Token: "t", Mobile: true}, 0, 0)
	if request.Kpn != "KUAISHOU_H5" || request.Kpf != "OUTSIDE_IOS_H5" || request.PageId != "" {
		t.Errorf("enters with %v", request)
	}
}

func TestCheckResolvers(t *testing.T) {
	for _, list := range []string{"endpoint,page,livedetail,byuser,recall", "page,endpoint", "livedetail,page", "endpoint", "page,recall,endpoint"} {
		if err := checkResolvers(strings.Split(list, ",")); err != nil {
			t.Errorf("%s: %v", list, err)
		}
	}
	for _, list := range []string{"", "pages", "page,page", "recall,page", "page,endpoint,byuser"} {
		if err := checkResolvers(slices.DeleteFunc(strings.Split(list, ","), func(name string) bool { return name == "" })); err == nil {
			t.Errorf("%q: no error", list)
		}
	}
}

// program is an endpoint command of a shell script, whose $1 is the live ID.
func program(script string) []string { return []string{"sh", "-c", script, "program"} }

func TestEndpointCommand(t *testing.T) {
	const good = `{"liveStreamId":"8SJgk6L-2iM","token":"` + secretToken + `","websocketUrls":["wss://a.example/websocket"]}`
	for name, test := range map[string]struct {
		script string
		state  State
		reason string
	}{
		"an endpoint":       {`echo '` + good + `'`, StateLive, ""},
		"the live ID":       {`[ "$1" = ` + testLiveID + ` ] && echo '` + good + `'`, StateLive, ""},
		"offline":           {`echo '{"state":"offline","reason":"主播尚未开播"}'`, StateOffline, "主播尚未开播"},
		"rate limited":      {`echo '{"state":"rate_limited"}'`, StateRateLimited, "too fast"},
		"a strange state":   {`echo '{"state":"live?"}'`, StateUnreachable, "which it may not"},
		"exit code":         {`echo one >&2; echo two >&2; exit 3`, StateUnreachable, "exit status 3: two"},
		"no JSON":           {`echo ` + secretToken, StateUnreachable, "not a JSON object"},
		"an incomplete one": {`echo '{"liveStreamId":"x","token":"` + secretToken + `"}'`, StateUnreachable, "no websocketUrls"},
		"too much":          {`head -c 2000000 /dev/zero`, StateUnreachable, "more than 1 MiB"},
	} {
		s := newSite(t, answers{page: "offline"}.ServeHTTP(t))
		client := s.client(t, ClientOptions{Resolvers: []string{ViaEndpoint}, EndpointCommand: program(test.script)})
		found := resolve(t, client)
		if found.State != test.state || !strings.Contains(found.Reason, test.reason) || found.Via != ViaEndpoint {
			t.Errorf("%s: %s via %s (%s), want %s (%s)", name, found.State, found.Via, found.Reason, test.state, test.reason)
		}
		if strings.Contains(fmt.Sprint(found.Reason, found, s.logs.String()), secretToken) {
			t.Errorf("%s: the token shows", name)
		}
	}
}

func TestEndpointCommandThatHangs(t *testing.T) {
	s := newSite(t, answers{page: "offline"}.ServeHTTP(t))
	client := s.client(t, ClientOptions{
		Resolvers: []string{ViaEndpoint, ViaPage}, EndpointCommand: program("exec sleep 3600"), EndpointTimeout: 50 * time.Millisecond,
	})
	if found := resolve(t, client); found.State != StateOffline || found.Via != ViaPage {
		t.Errorf("%s via %s, want the page to be asked", found.State, found.Via)
	}
	if !strings.Contains(s.logs.String(), "did not answer within 50ms") {
		t.Errorf("the log does not say why:\n%s", s.logs.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Resolve(ctx, testLiveID, time.Minute); err == nil {
		t.Error("a look-up without time has no error")
	}
}

func TestEndpointCommandLast(t *testing.T) {
	s := newSite(t, answers{page: "rate-limited"}.ServeHTTP(t))
	client := s.client(t, ClientOptions{Resolvers: []string{ViaPage, ViaEndpoint}, EndpointCommand: program(`echo '{"state":"captcha","reason":"滑块"}'`)})
	found := resolve(t, client)
	if found.State != StateRateLimited || !strings.Contains(found.Reason, "endpoint says captcha") {
		t.Errorf("%s (%s)", found.State, found.Reason)
	}
	client = s.client(t, ClientOptions{Resolvers: []string{ViaPage}, EndpointCommand: program(`echo '{"state":"captcha"}'`)})
	if found := resolve(t, client); found.State != StateRateLimited || strings.Contains(found.Reason, "endpoint") {
		t.Errorf("a program that is not among the resolvers was asked: %s (%s)", found.State, found.Reason)
	}
	if _, err := NewClient(ClientOptions{EndpointCommand: []string{"no-such-program"}}); err == nil {
		t.Error("a program that is not there: no error")
	}
}

func TestRecallAnswers(t *testing.T) {
	var got string
	answer := `{"data":{"result":1,"feedTypeCursorMap":{"1":17,"2":"18"},"backTraceFeedMap":{"1":{"historyFeedList":["CgE1","%"]},"2":{"historyFeedList":["CgE2"]}}}}`
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = string(body)
		_, _ = io.WriteString(w, answer)
	})
	client := s.client(t, ClientOptions{})
	history, err := client.Recall(t.Context(), testLiveID, "8SJgk6L-2iM", map[string]int64{"1": 5}, time.Minute)
	if err != nil || history.State != StateLive || len(history.Envelopes) != 3 {
		t.Fatalf("%+v, %v", history, err)
	}
	if diff := cmp.Diff(map[string]int64{"1": 17, "2": 18}, history.Cursors); diff != "" {
		t.Errorf("cursors (-want +got)\n%s", diff)
	}
	if want := `{"feedTypeCursorMap":{"1":5,"2":0},"liveStreamId":"8SJgk6L-2iM"}`; got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	for answer, want := range map[string]State{
		`{"data":{"result":2}}`: StateRateLimited, `<html>`: StateUnreachable, `{"data":{}}`: StateUnreachable,
	} {
		s := newSite(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
		history, err := s.client(t, ClientOptions{}).Recall(t.Context(), testLiveID, "x", nil, time.Minute)
		if err != nil || history.State != want || history.Reason == "" || history.RetryAfter <= 0 {
			t.Errorf("%s: %+v, %v; want %s", answer, history, err, want)
		}
	}
}
