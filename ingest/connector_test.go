package ingest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// silentServer takes what comes and answers nothing; asked gets one value for
// each connection from which something has come.
func silentServer(t *testing.T) (address string, asked chan struct{}) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked, done := make(chan struct{}, 10), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if _, err := conn.Read(make([]byte, 1)); err == nil {
				asked <- struct{}{}
			}
		}
	}()
	t.Cleanup(func() { listener.Close(); <-done })
	return listener.Addr().String(), asked
}

// A handshake that the server does not answer ends with its context.
func TestConnectorDialEndsWithItsContext(t *testing.T) {
	for _, scheme := range []string{"ws", "wss"} {
		address, asked := silentServer(t)
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := newConnector(KuaishouURL, defaultUserAgent, quick()).dial(ctx, scheme+"://"+address+"/", nil)
			failed <- err
		}()
		<-asked
		cancel()
		select {
		case err := <-failed:
			if err == nil || !strings.HasSuffix(err.Error(), context.Canceled.Error()) {
				t.Errorf("%s: %v", scheme, err)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s: the handshake goes on", scheme)
			<-failed
		}
	}
}

// What live_state says of a room that cannot be connected to names the cause,
// also while the room is looked up again.
func TestConnectorSaysWhyADialFailed(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	address := strings.TrimPrefix(plain.URL, "http://")
	for url, want := range map[string]string{
		"wss://no-such-host.invalid/": "no such host",
		"ws://127.0.0.1:1/":           "connection refused",
		"wss://" + address + "/":      "tls: first record does not look like a TLS handshake",
		"ws://" + address + "/":       "refused with HTTP status 404",
	} {
		endpoint := Endpoint{LiveStreamID: "o7JXLjlM8Rt", Token: secretToken, URLs: []string{url}}
		r := &recorder{answers: []Resolution{{State: StateOffline}}}
		r.run(t, quick(), &endpoint)
		resolving := 0
		for _, report := range r.reports[1:] {
			if !strings.Contains(report.Reason, want) {
				t.Errorf("%s: %s: %s, want %q in it", url, report.State, report.Reason, want)
			}
			if report.State == StateResolving {
				resolving++
			}
		}
		if resolving != 1 {
			t.Errorf("%s: %d look-ups", url, resolving)
		}
	}
}

// The handshake has what the page that the room was found on would send.
func TestConnectorDialsAsTheBrowserDoes(t *testing.T) {
	got := make(chan http.Header, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		_, _ = io.WriteString(w, "no socket")
	}))
	t.Cleanup(server.Close)
	client := new(site).clientOf(t, KuaishouURL, ClientOptions{UserAgent: "a browser"})
	_, err := newConnector(client.origin(), client.userAgent, quick()).dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), nil)
	header := <-got
	if err == nil || header.Get("Origin") != KuaishouURL || header.Get("User-Agent") != "a browser" {
		t.Errorf("%v with %v", err, header)
	}
}
