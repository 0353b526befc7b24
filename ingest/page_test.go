package ingest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testLiveID = "3xabcdefgh23456"

func TestPages(t *testing.T) {
	const stream = "8SJgk6L-2iM"
	for _, test := range []struct {
		page   string
		state  State
		code   int
		reason string // is contained
	}{
		{page: "live", state: StateLive},
		{page: "live-endpoint", state: StateLive},
		{page: "live-second-active", state: StateLive},
		{page: "live-json-parse", state: StateLive},
		{page: "live-before-2023", state: StateLive},
		{"offline", StateOffline, 671, "not live"},
		{"not-found-999", StateNotFound, 999, "主播信息为空"},
		{"not-found-22", StateNotFound, 22, "错误代码22"},
		{"rate-limited", StateRateLimited, 2, "请求过快，请稍后重试"},
		{"captcha", StateCaptcha, 400002, "请完成滑块验证"},
		{"captcha-info", StateCaptcha, 400002, "captcha"},
		{"captcha-info-beside-state", StateCaptcha, 400002, "captcha"},
		{"login-109", StateLoginRequired, 109, "未登录"},
		{"login-60200", StateLoginRequired, 60200, "请先登录"},
		{"password", StatePassword, 67601, "请输入密码"},
		{"banned-677", StateBanned, 677, "主播已被封禁"},
		{"banned-672", StateBanned, 672, "该用户社交封禁"},
		{"banned-69101", StateBanned, 69101, "你已被踢出直播间"},
		{"banned-606", StateBanned, 606, "你被管理员踢出"},
		{"banned-forbidden-state", StateBanned, 677, "closed"},
		{"banned-status", StateBanned, 0, "closed"},
		{"server-busy", StateUnreachable, 10, "服务器繁忙"},
		{"other-author", StateUnreachable, 0, "3xrecommended01"},
		{"no-rooms", StateUnreachable, 0, "names no author"},
	} {
		t.Run(test.page, func(t *testing.T) {
			info, err := parsePage(readPage(t, test.page))
			if err != nil {
				t.Fatal(err)
			}
			got := info.judge(testLiveID)
			if got.State != test.state || got.Code != test.code || !strings.Contains(got.Reason, test.reason) {
				t.Errorf("got %s, code %d, reason %q; want %s, %d, %q", got.State, got.Code, got.Reason, test.state, test.code, test.reason)
			}
			if test.state != StateLive {
				if diff := cmp.Diff(Endpoint{}, got.Endpoint); diff != "" {
					t.Errorf("a room that is not live has an endpoint: %s", diff)
				}
				return
			}
			if got.Endpoint.LiveStreamID != stream || got.Author != "测试主播" || got.Title != `测试 undefined "直播" {[` {
				t.Errorf("got stream %q, author %q, title %q", got.Endpoint.LiveStreamID, got.Author, got.Title)
			}
			if hasSocket := got.Endpoint.Validate() == nil; hasSocket != (test.page == "live-endpoint") {
				t.Errorf("has an endpoint: %v", hasSocket)
			}
		})
	}
}

func TestPagesWithoutState(t *testing.T) {
	for _, page := range []string{"no-state", "cut", "not-json"} {
		if info, err := parsePage(readPage(t, page)); err == nil {
			t.Errorf("%s: read as %+v, want an error", page, info)
		}
	}
}

func TestInitialStateWords(t *testing.T) {
	for expression, want := range map[string]string{
		`{a:1}`:                               `{null:1}`, // JSON then says what it thinks of it
		`{"a":undefined,"b":[undefined]}`:     `{"a":null,"b":[null]}`,
		`{"a":NaN,"b":-Infinity,"c":-1.5e+3}`: `{"a":null,"b":null,"c":-1.5e+3}`,
		`{"a":"undefined \" } undefined"}`:    `{"a":"undefined \" } undefined"}`,
		`{'a':'it\'s "x"'}`:                   `{"a":"it's \"x\""}`,
		`{"undefinedx":true}`:                 `{"undefinedx":true}`,
		`JSON.parse("{\"a\":\"\\\"\"}")`:      `{"a":"\""}`,
		`JSON.parse('{"a":"\x3cb"}')`:         `{"a":"<b"}`,
		`JSON.parse( "{}" )`:                  `{}`,
	} {
		got, err := initialState([]byte("<script>window.__INITIAL_STATE__ = " + expression + ";x={}</script>"))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", expression, got, err, want)
		}
	}
}

func TestDetail(t *testing.T) {
	for _, test := range []struct {
		answer string
		state  State
		code   int
	}{
		{`{"data":{"result":1,"liveStream":{"id":"s"},"author":{"id":"3xabcdefgh23456"},"websocketInfo":{"token":"t","webSocketAddresses":["wss://a"]}}}`, StateLive, 0},
		{`{"data":{"result":"1","liveStream":[],"author":{"id":"3xabcdefgh23456"}}}`, StateOffline, 0},
		{`{"data":{"result":671,"liveStream":{},"author":{"id":"3xabcdefgh23456"}}}`, StateOffline, 671},
		{`{"data":{"result":601}}`, StateOffline, 601},
		{`{"data":{"result":2,"error_msg":"请求过快"}}`, StateRateLimited, 2},
		{`{"data":{"result":424242}}`, StateUnreachable, 424242},
	} {
		info, err := parseDetail([]byte(test.answer))
		if err != nil {
			t.Errorf("%s: %v", test.answer, err)
			continue
		}
		if got := info.judge(testLiveID); got.State != test.state || got.Code != test.code {
			t.Errorf("%s: %s, code %d; want %s, %d", test.answer, got.State, got.Code, test.state, test.code)
		}
	}
	for _, answer := range []string{``, `<html>`, `[]`, `{"data":null}`, `{}`} {
		if _, err := parseDetail([]byte(answer)); err == nil {
			t.Errorf("%q: no error", answer)
		}
	}
}

func FuzzPage(f *testing.F) {
	pages, err := filepath.Glob("testdata/pages/*.html")
	if err != nil || len(pages) == 0 {
		f.Fatalf("%d pages, %v", len(pages), err)
	}
	for _, path := range pages {
		page, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(page)
	}
	f.Add([]byte(`window.__INITIAL_STATE__=JSON.parse('\`))
	f.Add([]byte(`window.__INITIAL_STATE__={"a":'\`))
	f.Add([]byte(`window.__INITIAL_STATE__=` + string(bytes.Repeat([]byte("{["), 1000))))
	f.Fuzz(func(t *testing.T, page []byte) {
		info, err := parsePage(page)
		if err != nil {
			return
		}
		got := info.judge(testLiveID)
		switch {
		case got.State == StateLive && !strings.EqualFold(info.authorID, testLiveID):
			t.Errorf("entered the room of %q", info.authorID)
		case got.State == StateLive && got.Endpoint.LiveStreamID == "":
			t.Error("live without a broadcast")
		case got.State != StateLive && got.Reason == "":
			t.Errorf("%s without a reason", got.State)
		case len(got.Reason) > 4096:
			t.Errorf("a reason of %d bytes", len(got.Reason))
		}
	})
}

func readPage(t *testing.T, name string) []byte {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("testdata", "pages", name+".html"))
	if err != nil {
		t.Fatal(err)
	}
	return page
}
