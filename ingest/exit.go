package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// directExit is the name of the exit without a proxy of its own. Where the
// environment names one for all programs (HTTPS_PROXY), it is used.
const directExit = "direct"

// exit is an address from which Kuaishou sees calls come: this machine's, or
// that of a proxy. All accounts behind it share its budget and its refusals.
type exit struct {
	name   string // without secrets
	budget *budget
	health health // guarded by accounts.mu
}

// proxied is a transport like base whose calls go by proxy.
func proxied(base http.RoundTripper, proxy *url.URL) http.RoundTripper {
	transport, ok := base.(*http.Transport)
	if !ok {
		transport = http.DefaultTransport.(*http.Transport)
	}
	transport = transport.Clone()
	known := *proxy
	if proxy.Scheme == "https" {
		known.Scheme, known.Host = "http", proxyHost(proxy)
		transport.DialContext = secured(transport.DialContext, proxy, transport.TLSClientConfig)
	}
	transport.Proxy = http.ProxyURL(&known)
	transport.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
		if response.StatusCode != http.StatusOK {
			return &proxyError{status: response.StatusCode}
		}
		return nil
	}
	return transport
}

// proxyError is a proxy's refusal to connect.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	if e.status == http.StatusProxyAuthRequired {
		return "the proxy does not accept its user or password (HTTP status 407)"
	}
	return fmt.Sprintf("the proxy does not connect (HTTP status %d)", e.status)
}

// isProxyTrouble says whether err is about the proxy and not about Kuaishou.
func isProxyTrouble(err error) bool {
	if _, refused := errors.AsType[*proxyError](err); refused {
		return true
	}
	op, failed := errors.AsType[*net.OpError](err)
	return failed && (op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks"))
}

// proxyPorts are what proxies listen on when their address names no port.
var proxyPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// parseProxy reads a proxy's address. The error does not quote it.
func parseProxy(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || proxyPorts[u.Scheme] == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("its proxy must be of the form http://user:password@host:port, or with https, socks5 or socks5h")
	}
	return u, nil
}

// proxyHost is a proxy's host and port.
func proxyHost(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = proxyPorts[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// exitKey tells exits apart. Providers of proxies choose the address by the
// user's name, so two users of one proxy are two exits.
func exitKey(proxy *url.URL) string {
	if proxy == nil {
		return directExit
	}
	return proxy.User.Username() + "@" + proxyHost(proxy)
}
