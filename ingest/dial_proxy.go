package ingest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"

	"github.com/gorilla/websocket"
)

// byProxy is a dialer like d whose sockets go out by proxy: http, https, socks5
// or socks5h. The library knows http and socks5, which there leaves names to the
// proxy as socks5h does. TLS sessions are not resumed there: that would tell a
// server which of its clients are one.
func byProxy(d websocket.Dialer, proxy *url.URL) websocket.Dialer {
	known := *proxy
	known.Host = proxyHost(proxy)
	if d.TLSClientConfig != nil {
		d.TLSClientConfig = d.TLSClientConfig.Clone()
		d.TLSClientConfig.ClientSessionCache = nil
	}
	switch proxy.Scheme {
	case "socks5h":
		known.Scheme = "socks5"
	case "https":
		known.Scheme = "http"
		d.NetDialContext = secured(d.NetDialContext, proxy, d.TLSClientConfig)
	}
	d.Proxy = http.ProxyURL(&known)
	return d
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// secured dials an https proxy, after which it is asked like an http one. Other
// than base, the configuration for the servers behind it, HTTP/2 is not offered
// to it: net/http does that and then asks for a connection in HTTP/1.1.
func secured(dial dialFunc, proxy *url.URL, base *tls.Config) dialFunc {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	config := new(tls.Config)
	if base != nil {
		config = base.Clone()
	}
	config.ServerName, config.NextProtos = proxy.Hostname(), nil
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close() // nothing was sent that its error could be about
			return nil, err
		}
		return secured, nil
	}
}
