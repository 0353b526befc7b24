package simulator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"time"
)

// secure has the server speak TLS, and HTTP/1.1 only: sockets begin with it.
func (s *Simulator) secure() error {
	made, trusted, err := certificate()
	if err != nil {
		return err
	}
	s.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{made}, MinVersion: tls.VersionTLS12}
	s.server.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){}
	s.url, s.trusted = "https"+s.url[len("http"):], trusted
	return nil
}

// serveOn serves what comes in at the listener until that is closed.
func (s *Simulator) serveOn(listener net.Listener) error {
	if s.trusted == nil {
		return s.server.Serve(listener)
	}
	return s.server.ServeTLS(listener, "", "")
}

// certificate makes one for loopback that lasts a day, and its PEM, which whoever
// connects must trust.
func certificate() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "simulated Kuaishou"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	made, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: made}), nil
}
