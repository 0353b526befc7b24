package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const secretToken = "tOkEnThAtMuStNotShow=="

func TestEndpointJSON(t *testing.T) {
	want := Endpoint{LiveStreamID: "8SJgk6L-2iM", Token: secretToken, URLs: []string{"wss://a.example/websocket"}}
	for _, name := range []string{"websocketUrls", "webSocketAddresses"} {
		var got Endpoint
		text := fmt.Sprintf(`{"liveStreamId":"8SJgk6L-2iM","token":%q,%q:["wss://a.example/websocket"]}`, secretToken, name)
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
	written, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var again Endpoint
	if err := json.Unmarshal(written, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("written and read again: (-want +got)\n%s", diff)
	}
	var bad Endpoint
	err = json.Unmarshal(fmt.Appendf(nil, `{"liveStreamId":1,"token":%q}`, secretToken), &bad)
	if err == nil || strings.Contains(err.Error(), secretToken) {
		t.Errorf("wrong type: %v; want an error without the token", err)
	}
}

func TestEndpointValidate(t *testing.T) {
	for _, test := range []struct {
		endpoint Endpoint
		want     string
	}{
		{Endpoint{LiveStreamID: "x", Token: "t", URLs: []string{"wss://a/b", "ws://c"}}, ""},
		{Endpoint{Token: "t", URLs: []string{"wss://a"}}, "no liveStreamId"},
		{Endpoint{LiveStreamID: "x", URLs: []string{"wss://a"}}, "no token"},
		{Endpoint{LiveStreamID: "x", Token: "t"}, "no websocketUrls"},
		{Endpoint{LiveStreamID: "x", Token: "t", URLs: []string{"wss://a", "https://a"}}, "websocketUrls[1]"},
		{Endpoint{LiveStreamID: "x", Token: "t", URLs: []string{"wss://"}}, "websocketUrls[0]"},
	} {
		err := test.endpoint.Validate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%v: %v, want %q", test.endpoint, err, test.want)
		}
	}
}

func TestEndpointHidesItsToken(t *testing.T) {
	endpoint := Endpoint{LiveStreamID: "x", Token: secretToken, URLs: []string{"wss://a"}}
	found := Resolution{State: StateLive, Endpoint: endpoint}
	var out bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		logger := slog.New(handler)
		logger.Info("x", "endpoint", endpoint, "pointer", &endpoint, "resolution", found)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", endpoint, &endpoint, found)
	}
	if strings.Contains(out.String(), secretToken) {
		t.Errorf("the token shows in\n%s", out.String())
	}
	if strings.Count(out.String(), "token hidden") < 12 {
		t.Errorf("endpoints are not shown at all in\n%s", out.String())
	}
}
