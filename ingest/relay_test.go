package ingest

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
)

const (
	relayUser      = "me"
	secretPassword = "pRoXyPaSsWoRd"
)

// relay is a proxy in this process that wants a password. It alone knows where
// the names lead to that a test has made up.
type relay struct {
	t      *testing.T
	scheme string
	host   string
	leads  map[string]string // from a name and port to an address

	mu      sync.Mutex
	targets []string // as they were asked for
}

// newRelay starts one for http, https, socks5 or socks5h.
func newRelay(t *testing.T, scheme string, leads map[string]string) *relay {
	r := &relay{t: t, scheme: scheme, leads: leads}
	if scheme == "socks5" || scheme == "socks5h" {
		r.listen()
		return r
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(r.connect))
	if scheme == "https" {
		server.EnableHTTP2 = true // as many offer
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	r.host = server.Listener.Addr().String()
	return r
}

// url is the address with a user and the password.
func (r *relay) url(user string) *url.URL {
	return &url.URL{Scheme: r.scheme, Host: r.host, User: url.UserPassword(user, secretPassword)}
}

func (r *relay) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.targets
}

// dial goes where a target leads to.
func (r *relay) dial(target string) (net.Conn, error) {
	r.mu.Lock()
	r.targets = append(r.targets, target)
	r.mu.Unlock()
	if led := r.leads[target]; led != "" {
		target = led
	}
	return net.Dial("tcp", target)
}

// join passes on what comes from either side until both are done.
func join(near, far io.ReadWriteCloser) {
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(far, near); far.Close() })
	_, _ = io.Copy(near, far)
	near.Close()
	both.Wait()
}

// connect answers an HTTP CONNECT.
func (r *relay) connect(w http.ResponseWriter, request *http.Request) {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(relayUser+":"+secretPassword))
	if request.Method != http.MethodConnect || request.Header.Get("Proxy-Authorization") != want {
		http.Error(w, "no", http.StatusProxyAuthRequired)
		return
	}
	far, err := r.dial(request.Host)
	if err != nil {
		http.Error(w, "no way", http.StatusBadGateway)
		return
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		far.Close()
		r.t.Error(err)
		return
	}
	_, _ = io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n")
	join(near, far)
}

// listen serves SOCKS5 (RFC 1928 and 1929).
func (r *relay) listen() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.host = listener.Addr().String()
	var serving sync.WaitGroup
	r.t.Cleanup(func() { listener.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer near.Close()
				if far, err := r.greet(near); err == nil {
					join(near, far)
				}
			})
		}
	})
}

// greet answers a SOCKS5 client up to the connection that it wants.
func (r *relay) greet(near net.Conn) (far net.Conn, err error) {
	reader := bufio.NewReaderSize(near, 1<<10) // the client waits for each answer
	text := func() string { return string(take(reader, int(take(reader, 1)[0]))) }
	take(reader, 1)
	text() // the methods
	_, _ = io.WriteString(near, "\x05\x02")
	take(reader, 1)
	if user, password := text(), text(); user != relayUser || password != secretPassword {
		_, _ = io.WriteString(near, "\x01\x01")
		return nil, errors.New("not this one")
	}
	_, _ = io.WriteString(near, "\x01\x00")
	var host string
	switch kind := take(reader, 4)[3]; kind {
	case 1:
		host = net.IP(take(reader, net.IPv4len)).String()
	case 3:
		host = text()
	}
	port := int(binary.BigEndian.Uint16(take(reader, 2)))
	if far, err = r.dial(net.JoinHostPort(host, strconv.Itoa(port))); err != nil {
		_, _ = io.WriteString(near, "\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")
		return nil, err
	}
	_, _ = io.WriteString(near, "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
	return far, nil
}

// take reads n bytes; what has not come are zeros.
func take(reader io.Reader, n int) []byte {
	bytes := make([]byte, n)
	_, _ = io.ReadFull(reader, bytes)
	return bytes
}
