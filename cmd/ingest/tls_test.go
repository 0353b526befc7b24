package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kslive/internal/simulator"
)

// Both databases are reached over TLS, and only if their certificates are those of
// the authority that was named.
func TestTLSToBothDatabases(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 1})
	certificate, key := selfSigned(t)
	authority := filepath.Join(t.TempDir(), "ca.pem")
	other, _ := selfSigned(t)
	another := filepath.Join(t.TempDir(), "ca.pem")
	for file, text := range map[string][]byte{authority: certificate, another: other} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	serveTLS(t, s, certificate, key)
	clickHouse := clickHouseTLS(t, s, certificate, key)
	for _, test := range []struct {
		name, trusted, postgres string
		want                    string // in what is said; empty: it works
	}{
		{"trusted", authority, authority, ""},
		{"another authority for Postgres", authority, another, "postgres"},
		{"another authority for ClickHouse", another, authority, "clickhouse"},
	} {
		command := exec.CommandContext(t.Context(), os.Args[0], "migrate", "--postgres", postgresTLS(t, s, test.postgres), "--clickhouse", clickHouse)
		command.Env = append(os.Environ(), binaryEnv+"=1", "SSL_CERT_FILE="+test.trusted, "SSL_CERT_DIR="+t.TempDir())
		said, err := command.CombinedOutput()
		if (err == nil) != (test.want == "") || !strings.Contains(string(said), test.want) || test.want != "" && !strings.Contains(string(said), "certificate") {
			t.Errorf("%s: %v: %s", test.name, err, said)
		}
	}
}

// selfSigned makes a certificate for 127.0.0.1 that is its own authority.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	return selfSignedFor(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

func selfSignedFor(t *testing.T, from, until time.Time) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kslive test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// serveTLS lets the setting's Postgres speak TLS too. It writes the
// files itself, since the key must be its own.
func serveTLS(t *testing.T, s *setting, certificate, key []byte) {
	t.Helper()
	write := func(name string, content []byte) {
		lines := "'" + strings.ReplaceAll(strings.TrimSpace(string(content)), "\n", "','") + "'"
		execute(t, s, "COPY (SELECT unnest(ARRAY["+lines+"])) TO PROGRAM 'umask 077; cat > "+name+"'")
	}
	write("server.crt", certificate)
	write("server.key", key)
	execute(t, s, "ALTER SYSTEM SET ssl = on")
	execute(t, s, "SELECT pg_reload_conf()")
}

func postgresTLS(t *testing.T, s *setting, authority string) string {
	t.Helper()
	u, err := url.Parse(s.engines.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	query.Set("sslmode", "verify-full")
	query.Set("sslrootcert", authority)
	u.RawQuery = query.Encode()
	return u.String()
}

// clickHouseTLS puts a proxy that speaks TLS before the setting's ClickHouse.
func clickHouseTLS(t *testing.T, s *setting, certificate, key []byte) string {
	t.Helper()
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	direct, err := url.Parse(s.engines.ClickHouse)
	if err != nil {
		t.Fatal(err)
	}
	target := &url.URL{Scheme: "http", Host: direct.Host}
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	direct.Scheme, direct.Host, direct.RawQuery = "https", server.Listener.Addr().String(), direct.RawQuery+"&secure=true"
	return direct.String()
}
