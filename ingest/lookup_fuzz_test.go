package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// roundTrip is a network.
type roundTrip func(*http.Request) *http.Response

func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return r(request), nil }

// A look-up ends in a state with a reason, whatever the room's page, livedetail
// and websocketinfo or byUser answer, and enters no other author's room.
func FuzzLookUp(f *testing.F) {
	for _, name := range []string{"live", "live-endpoint", "rate-limited", "no-state"} {
		page, err := os.ReadFile(filepath.Join("testdata", "pages", name+".html"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(page, []byte(`{"data":{"result":1,"liveStream":{"id":"8SJgk6L-2iM"},"author":{"id":"3xabcdefgh23456"},"websocketInfo":{"token":"t","webSocketAddresses":["wss://a/b"]}}}`),
			[]byte(`{"data":{"result":1,"token":"t","websocketUrls":["wss://a/b","ws://c"]}}`))
		f.Add(page, []byte(`{"data":{"result":671}}`), []byte(`{"data":{"result":"2","error_msg":"请求过快"}}`))
		f.Add(page, []byte(`{"data":[]}`), []byte(`{"data":{"result":1e400,"websocketUrls":{"0":1}}}`))
	}
	f.Fuzz(func(t *testing.T, page, detail, socket []byte) {
		client, err := NewClient(ClientOptions{
			MinInterval: -1,
			Logger:      slog.New(slog.DiscardHandler),
			Transport: roundTrip(func(request *http.Request) *http.Response {
				body := page
				switch {
				case strings.HasSuffix(request.URL.Path, "/livedetail"):
					body = detail
				case strings.HasSuffix(request.URL.Path, "/websocketinfo"), strings.HasSuffix(request.URL.Path, "/byUser"):
					body = socket
				}
				return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: request}
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		found, err := client.Resolve(context.Background(), testLiveID, time.Minute)
		switch {
		case err != nil:
			t.Fatal(err)
		case found.State == StateLive && found.Endpoint.Validate() != nil:
			t.Errorf("live at %v: %v", found.Endpoint, found.Endpoint.Validate())
		case found.State == StateRecall && (found.Reason == "" || found.Endpoint.LiveStreamID == ""):
			t.Errorf("recall of %v because of %q", found.Endpoint, found.Reason)
		case found.State != StateLive && found.State != StateRecall && (found.Reason == "" || found.RetryAfter <= 0):
			t.Errorf("%s because of %q, again after %v", found.State, found.Reason, found.RetryAfter)
		case len(found.Reason) > 4096 || strings.ContainsAny(found.Reason, "\r\n"):
			t.Errorf("the reason is %q", found.Reason)
		}
	})
}

// An endpoint that a person pasted is usable, or what is wrong with it is said
// in a line without its token.
func FuzzEndpoint(f *testing.F) {
	f.Add([]byte(`{"liveStreamId":"8SJgk6L-2iM","token":"tOkEn","websocketUrls":["wss://a/b"]}`))
	f.Add([]byte(`{"token":{"tOkEn":1},"webSocketAddresses":["wss://a\u0000b","%"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var endpoint Endpoint
		err := json.Unmarshal(data, &endpoint)
		if err == nil {
			err = endpoint.Validate()
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than a line: %v", err)
		}
		if err != nil && len(endpoint.Token) > 20 && containsSecret(err, endpoint.Token) {
			t.Errorf("the token is in %v", err)
		}
	})
}

// A cookie file is cookies that HTTP can send, or what is wrong with it is said
// without its values.
func FuzzCookies(f *testing.F) {
	for _, seed := range []string{
		"Cookie: did=web_0123; userId=2030000003; kuaishou.live.web_st=secret",
		"did=web_0123\r\n\r\nuserId=5\n",
		"\uFEFF# Netscape HTTP Cookie File\n.kuaishou.com\tTRUE\t/\tFALSE\t0\tdid\tweb_0\n#HttpOnly_live.kuaishou.com\tFALSE\t/\tTRUE\t9999999999\tst\t",
		".example.com\tTRUE\t/\tFALSE\t0\tdid\tweb_0", "no cookie", "a=\x00", "=;=;", "\t\t\t\t\t",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cookies, err := parseCookies(text, "live.kuaishou.com")
		if err != nil {
			if len(cookies) > 0 || len(err.Error()) > 200 || strings.Contains(err.Error(), "\n") {
				t.Errorf("%d cookies and the error %v", len(cookies), err)
			}
			return
		}
		for _, cookie := range cookies {
			if cookie.Valid() != nil {
				t.Errorf("%q cannot be sent", cookie.Name)
			}
		}
	})
}

// A history of comments is read or is said to be unreadable, and whatever is in
// it can be decoded.
func FuzzRecall(f *testing.F) {
	f.Add([]byte(`{"data":{"result":1,"feedTypeCursorMap":{"1":7,"2":"8"},"backTraceFeedMap":{"1":{"historyFeedList":["CgFhGgJoaQ==","?"]},"2":{"historyFeedList":["CgFh"]}}}}`))
	f.Add([]byte(`{"data":{"result":1,"backTraceFeedMap":{"1":{"historyFeedList":[{"id":"<a>"},null,"",[],123456789]},"2":{"historyFeedList":[{}]}}}}`))
	f.Add([]byte(`{"data":{"result":2,"error_msg":"请求过快"}}`))
	f.Add([]byte(`{"data":{"backTraceFeedMap":[]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var history History
		history.read(body, map[string]int64{"1": 0, "2": 0})
		if history.State == "" || history.State != StateLive && history.Reason == "" {
			t.Errorf("state %q because of %q", history.State, history.Reason)
		}
		decoder := NewDecoder(nil)
		for _, envelope := range history.Envelopes {
			var batch schema.Batch
			decoder.Decode(&kuaishou.Frame{LiveId: testLiveID, Source: kuaishou.Frame_SOURCE_RECALL, Data: envelope}, 0, &batch)
			if batch.Len() == 0 {
				t.Errorf("a comment became no row: %x", envelope)
			}
		}
	})
}
