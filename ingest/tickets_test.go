package ingest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// Sockets resume TLS sessions, each with a ticket of its own; not those that go out
// by an account's proxy.
func TestSocketsResume(t *testing.T) {
	resumed := make(chan bool, 1)
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		resumed <- r.TLS.DidResume
		if err := conn.WriteMessage(websocket.BinaryMessage, []byte("with it come the tickets")); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	c := newConnector("", "", quick())
	c.dialer.TLSClientConfig.RootCAs = x509.NewCertPool()
	c.dialer.TLSClientConfig.RootCAs.AddCert(server.Certificate())
	proxy := newRelay(t, "http", map[string]string{"example.com:443": server.Listener.Addr().String()})
	dial := func(by *url.URL) bool {
		address := strings.Replace(server.URL, "https", "wss", 1)
		if by != nil {
			address = "wss://example.com/"
		}
		conn, err := c.dial(t.Context(), address, by)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		buffer, err := c.read(conn)
		if err != nil {
			t.Fatal(err)
		}
		c.release(buffer)
		return <-resumed
	}
	var got []bool
	for _, by := range []*url.URL{nil, nil, nil, proxy.url(relayUser), proxy.url(relayUser), nil} {
		got = append(got, dial(by))
	}
	if want := []bool{false, true, true, false, false, true}; !slices.Equal(got, want) {
		t.Errorf("resumed: %v; want %v", got, want)
	}
}

// Tickets are bounded, and none is used twice.
func TestTickets(t *testing.T) {
	var kept tickets
	if _, ok := kept.Get("a"); ok {
		t.Error("a ticket from nowhere")
	}
	first, second := new(tls.ClientSessionState), new(tls.ClientSessionState)
	kept.Put("a", first)
	kept.Put("a", second)
	kept.Put("a", nil)
	for _, want := range []*tls.ClientSessionState{second, first, nil} {
		if got, ok := kept.Get("a"); got != want || ok != (want != nil) {
			t.Errorf("got %p, %v; want %p", got, ok, want)
		}
	}
	for range 2 * ticketsOfServer {
		kept.Put("a", first)
	}
	for n := range 2 * ticketServers {
		kept.Put(string(rune('b'+n)), first)
	}
	if n := len(kept.of); n > ticketServers {
		t.Errorf("tickets of %d servers", n)
	}
	for server, of := range kept.of {
		if len(of) > ticketsOfServer {
			t.Errorf("%d tickets of %s", len(of), server)
		}
	}
}
