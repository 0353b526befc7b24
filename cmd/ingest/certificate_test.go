package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kslive/internal/console"
)

// pairOfFiles is a certificate with its key on the disk.
type pairOfFiles struct {
	*testing.T
	tlsFlags
}

func newPair(t *testing.T) pairOfFiles {
	folder := t.TempDir()
	return pairOfFiles{t, tlsFlags{filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")}}
}

// put writes a file as those do who renew certificates: beside it, and then in its
// place.
func (p pairOfFiles) put(path string, content []byte) {
	p.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		p.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		p.Fatal(err)
	}
}

// renew puts a new certificate in place, and answers it.
func (p pairOfFiles) renew(from, until time.Time) (certificate []byte) {
	p.Helper()
	certificate, key := selfSignedFor(p.T, from, until)
	p.put(p.HTTPTLSCert, certificate)
	p.put(p.HTTPTLSKey, key)
	return certificate
}

func (p pairOfFiles) renewForAnHour() []byte {
	return p.renew(time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

// browser trusts a certificate and nothing else, and follows no redirects. Each of
// its requests is a connection.
func browser(t *testing.T, trusted []byte) *http.Client {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(trusted) {
		t.Fatal("this is no certificate")
	}
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// serveOverTLS serves the status pages and a console with a token.
func serveOverTLS(t *testing.T, files tlsFlags, token string, log io.Writer) (address string) {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(log, nil))
	certificate, err := files.certificate(logger)
	if err != nil {
		t.Fatal(err)
	}
	pages, err := console.New(console.Options{Token: token, Log: console.NewLog(logger.Handler()), Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := serveStatus(listener, certificate, newRegistry(), func() bool { return true }, pages, logger)
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// What is served over TLS is served by nothing less, the console's cookie goes
// nowhere else, and all that asks a worker of this machine can.
func TestServedOverTLS(t *testing.T) {
	const token = "a token of the console"
	files := newPair(t)
	client := browser(t, files.renewForAnHour())
	address := serveOverTLS(t, files.tlsFlags, token, io.Discard)

	response, err := client.Get("https://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || response.ProtoMajor != 1 || response.TLS.Version != tls.VersionTLS13 {
		t.Errorf("%s over %s, TLS %x", response.Status, response.Proto, response.TLS.Version)
	}
	response, err = client.PostForm("https://"+address+"/login", url.Values{"token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if cookies := response.Cookies(); response.StatusCode != http.StatusSeeOther || len(cookies) != 1 || !cookies[0].Secure || !strings.HasPrefix(cookies[0].Name, "__Host-") {
		t.Errorf("logging in: %s, cookies %v", response.Status, cookies)
	}
	if strict := response.Header.Get("Strict-Transport-Security"); strict != "" {
		t.Errorf("all ports of the host are to be served over TLS: %s", strict)
	}

	response, err = http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusBadRequest || strings.Contains(string(said), "ingest_") {
		t.Errorf("without TLS: %s %v: %s", response.Status, err, said)
	}
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", address, old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 is spoken")
	}

	ready := func(args ...string) (int, string) {
		var said bytes.Buffer
		return run(t.Context(), append([]string{"ready", "--http-listen=" + address}, args...), strings.NewReader(""), &said, &said), said.String()
	}
	if code, said := ready("--http-tls-cert=" + files.HTTPTLSCert); code != exitOK || said != "ready\n" {
		t.Errorf("ingest ready over TLS: %d %s", code, said)
	}
	if code, said := ready(); code != exitFailed || !strings.Contains(said, "HTTPS") {
		t.Errorf("ingest ready without TLS: %d %s", code, said)
	}
	if found := examined(t, files.tlsFlags, address)["http"]; found.State != stateOK || !strings.Contains(found.Found, "a worker answers") {
		t.Errorf("ingest doctor: %+v", found)
	}
}

// A certificate that is renewed in place is served from the next connection on. As
// long as the new files do not fit together, the old certificate is.
func TestCertificateIsReadAgain(t *testing.T) {
	files := newPair(t)
	first := browser(t, files.renewForAnHour())
	var log bytes.Buffer
	address := serveOverTLS(t, files.tlsFlags, "a token of the console", &log)
	get := func(client *http.Client) error {
		response, err := client.Get("https://" + address + "/healthz")
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	if err := get(first); err != nil {
		t.Fatal(err)
	}
	certificate, key := selfSigned(t)
	second := browser(t, certificate)
	files.put(files.HTTPTLSCert, certificate)
	for range 3 {
		if err := get(first); err != nil {
			t.Errorf("with the new certificate and the old key: %v", err)
		}
	}
	if err := os.Remove(files.HTTPTLSKey); err != nil {
		t.Fatal(err)
	}
	if err := get(first); err != nil {
		t.Errorf("without a key: %v", err)
	}
	files.put(files.HTTPTLSKey, key)
	if err := get(second); err != nil {
		t.Errorf("after the renewal: %v", err)
	}
	if err := get(first); err == nil {
		t.Error("the old certificate is still served")
	}
	// What was logged is complete: each line was written before an answer came.
	for want, times := range map[string]int{"does not match": 1, "no such file": 1, "cannot be used": 2, "has changed": 1} {
		if got := strings.Count(log.String(), want); got != times {
			t.Errorf("%q was logged %d times, not %d:\n%s", want, got, times, &log)
		}
	}
}

// What is wrong with the two files is said at the start, and the key is not.
func TestCertificatesThatCannotBeUsed(t *testing.T) {
	good, other := newPair(t), newPair(t)
	good.renewForAnHour()
	other.renewForAnHour()
	none, garbage := filepath.Join(t.TempDir(), "none.pem"), filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		certificate, key string
		code             int
		want             string
	}{
		{good.HTTPTLSCert, "", exitUsage, "go together"},
		{"", good.HTTPTLSKey, exitUsage, "go together"},
		{none, good.HTTPTLSKey, exitFailed, "none.pem: no such file"},
		{good.HTTPTLSCert, none, exitFailed, "none.pem: no such file"},
		{good.HTTPTLSCert, other.HTTPTLSKey, exitFailed, "does not match"},
		{good.HTTPTLSKey, good.HTTPTLSCert, exitFailed, "switched"},
		{garbage, good.HTTPTLSKey, exitFailed, "certificate input"},
		{good.HTTPTLSCert, garbage, exitFailed, "key input"},
	} {
		key, err := os.ReadFile(good.HTTPTLSKey)
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range [][]string{{"run", "--data-dir", t.TempDir()}, {"config", "check"}} {
			var said bytes.Buffer
			args := append(command, "--http-tls-cert="+test.certificate, "--http-tls-key="+test.key)
			code := run(t.Context(), args, strings.NewReader(""), &said, &said)
			if command[0] == "config" {
				test.code = exitFailed
			}
			if code != test.code || !strings.Contains(said.String(), test.want) || !strings.Contains(said.String(), "--http-tls-cert") {
				t.Errorf("%v: exit code %d, it said %s", args, code, &said)
			}
			if strings.Contains(said.String(), strings.Split(string(key), "\n")[1]) {
				t.Errorf("the key shows in %s", &said)
			}
		}
	}
}

// examined is what the doctor finds of --http-listen and its certificate.
func examined(t *testing.T, files tlsFlags, listen string) map[string]finding {
	t.Helper()
	found := make(map[string]finding)
	x := examination{doctorCommand: new(doctorCommand), p: &process{taking: t.Context()}, tell: func(f finding) { found[f.Check] = f }}
	x.tlsFlags, x.HTTPListen = files, listen
	x.listen()
	x.certificate()
	return found
}

func TestDoctorTellsWhenTheCertificateEnds(t *testing.T) {
	const day = 24 * time.Hour
	now, files := time.Now(), newPair(t)
	for _, test := range []struct {
		from, until time.Duration
		state, want string
	}{
		{-60 * day, 30*day + time.Hour, stateOK, "ends in 30 days"},
		{-80 * day, 10*day + time.Hour, stateWarn, "ends in 10 days"},
		{-2 * day, 4 * day, stateOK, "ends in 3 days"}, // one that lasts six
		{-5 * day, day, stateWarn, "ends in 0 days"},
		{-90 * day, -time.Hour, stateFail, "has ended on"},
		{day, 90 * day, stateFail, "begins only on"},
	} {
		files.renew(now.Add(test.from), now.Add(test.until))
		if found := examined(t, files.tlsFlags, "127.0.0.1:0")["certificate"]; found.State != test.state || !strings.Contains(found.Found, test.want) {
			t.Errorf("from %v until %v: %+v", test.from, test.until, found)
		}
	}
	files.HTTPTLSKey = ""
	if found := examined(t, files.tlsFlags, "127.0.0.1:0")["certificate"]; found.State != stateFail || !strings.Contains(found.Found, "go together") {
		t.Errorf("without a key: %+v", found)
	}
	if found, asked := examined(t, tlsFlags{}, "127.0.0.1:0")["certificate"]; asked {
		t.Errorf("without TLS: %+v", found)
	}
}
