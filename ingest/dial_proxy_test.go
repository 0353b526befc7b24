package ingest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// proxySchemes are the kinds of proxies that an account may have.
var proxySchemes = []string{"http", "https", "socks5", "socks5h"}

// An account's calls and sockets go by its proxy, which is also who looks the
// names up: here nobody else could.
func TestCallsAndSocketsGoOutByTheAccountsProxy(t *testing.T) {
	const pages, sockets = "example.com", "ws.example.com" // the names in the certificate of httptest
	for _, scheme := range proxySchemes {
		t.Run(scheme, func(t *testing.T) {
			socket := serveBy((*httptest.Server).StartTLS, t, ended)
			info := fmt.Sprintf(`{"data":{"result":1,"token":"%s","websocketUrls":["wss://%s/websocket"]}}`, secretToken, sockets)
			page := httptest.NewTLSServer(answers{page: pageIsLive, socket: info}.ServeHTTP(t))
			t.Cleanup(page.Close)
			proxy := newRelay(t, scheme, map[string]string{
				pages + ":443": page.Listener.Addr().String(), sockets + ":443": socket.Listener.Addr().String(),
			})
			trusted := &tls.Config{RootCAs: x509.NewCertPool()}
			trusted.RootCAs.AddCert(page.Certificate()) // the proxy's, too
			transport := http.DefaultTransport.(*http.Transport).Clone()
			transport.TLSClientConfig = trusted
			s := new(site)
			client := s.clientOf(t, "https://"+pages, ClientOptions{
				Transport: transport, Resolvers: []string{ViaPage},
				Accounts: accountsFile(t, filepath.Join(t.TempDir(), "accounts.toml"), fmt.Sprintf("[[account]]\nname = \"a\"\nrate = 10\nproxy = %q\n", proxy.url(relayUser)), 0),
			})
			found := resolve(t, client)
			if found.State != StateLive {
				t.Fatalf("%s: %s", found.State, found.Reason)
			}
			r := new(recorder)
			heard := newRoom(r, quick(), nil)
			heard.resolver = client
			heard.connector.dialer.TLSClientConfig = trusted
			if last := heard.run(t.Context()); last.State != StateEnded || len(r.frames) != 2 {
				t.Errorf("ended with %+v after %d frames", last, len(r.frames))
			}
			if asked := proxy.asked(); !slices.Contains(asked, pages+":443") || !slices.Contains(asked, sockets+":443") {
				t.Errorf("the proxy was asked for %v", asked)
			}
			if strings.Contains(s.logs.String()+r.log.String(), secretPassword) {
				t.Error("the log holds the password")
			}
		})
	}
}

// What a proxy refuses is told without its password.
func TestProxysRefusalHoldsNoPassword(t *testing.T) {
	for _, scheme := range proxySchemes {
		s := serve(t)
		proxy := newRelay(t, scheme, nil)
		r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: s.endpoint("/"), proxy: proxy.url("you")}, {State: StateOffline}}}
		last := r.run(t, quick(), nil)
		if last.State != StateOffline || len(proxy.asked()) > 0 {
			t.Errorf("%s: ended with %+v by way of %v", scheme, last, proxy.asked())
		}
		for _, report := range r.reports {
			if strings.Contains(report.Reason, secretPassword) || strings.Contains(report.Reason, "unknown scheme") {
				t.Errorf("%s: reason %q", scheme, report.Reason)
			}
		}
	}
}
