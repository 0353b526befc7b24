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
// proxy as socks5h does.
func byProxy(d websocket.Dialer, proxy *url.URL) *websocket.Dialer {
	known := *proxy
	known.Host = proxyHost(proxy)
	switch proxy.Scheme {
	case "socks5h":
		known.Scheme = "socks5"
	case "https":
		known.Scheme = "http"
		dial := d.NetDialContext
		d.NetDialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			secured := tls.Client(conn, &tls.Config{ServerName: proxy.Hostname()})
			if err := secured.HandshakeContext(ctx); err != nil {
				conn.Close() // nothing was sent that its error could be about
				return nil, err
			}
			return secured, nil
		}
	}
	d.Proxy = http.ProxyURL(&known)
	return &d
}
