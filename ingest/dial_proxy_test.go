package ingest

import (
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

const secretPassword = "pRoXyPaSsWoRd"

// tunnel is a proxy that wants a password.
func tunnel(t *testing.T) (*httptest.Server, func() []string) {
	var mu sync.Mutex
	var targets []string
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+secretPassword))
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != want {
			http.Error(w, "no", http.StatusProxyAuthRequired)
			return
		}
		mu.Lock()
		targets = append(targets, r.Host)
		mu.Unlock()
		far, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		defer far.Close()
		near, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer near.Close()
		_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(far, near); far.Close() })
		_, _ = io.Copy(near, far)
		near.Close()
		both.Wait()
	}))
	t.Cleanup(proxy.Close)
	return proxy, func() []string { mu.Lock(); defer mu.Unlock(); return targets }
}

func TestSocketGoesOutByTheAccountsProxy(t *testing.T) {
	s := serve(t, ended)
	proxy, targets := tunnel(t)
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword("me", secretPassword)
	r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: s.endpoint("/"), proxy: address}}}
	if last := r.run(t, quick(), nil); last.State != StateEnded || len(targets()) != 1 {
		t.Errorf("ended with %+v by way of %v", last, targets())
	}
}

// refusingSOCKS is the address of a SOCKS5 proxy that accepts no password.
func refusingSOCKS(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { listener.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			buffer := make([]byte, 512)
			for _, answer := range []string{"\x05\x02", "\x01\x01"} { // a password is wanted; not this one
				if _, err := conn.Read(buffer); err != nil {
					break
				}
				_, _ = io.WriteString(conn, answer)
			}
			conn.Close()
		}
	})
	return listener.Addr().String()
}

func TestProxysRefusalHoldsNoPassword(t *testing.T) {
	s := serve(t)
	proxy, _ := tunnel(t)
	for scheme, host := range map[string]string{
		"http": proxy.Listener.Addr().String(), "https": proxy.Listener.Addr().String(), "socks5h": refusingSOCKS(t),
	} {
		address := &url.URL{Scheme: scheme, Host: host, User: url.UserPassword("you", secretPassword)}
		r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: s.endpoint("/"), proxy: address}, {State: StateOffline}}}
		last := r.run(t, quick(), nil)
		if last.State != StateOffline {
			t.Errorf("%s: ended with %+v", scheme, last)
		}
		for _, report := range r.reports {
			if strings.Contains(report.Reason, secretPassword) || strings.Contains(report.Reason, "unknown scheme") {
				t.Errorf("%s: reason %q", scheme, report.Reason)
			}
		}
	}
}
