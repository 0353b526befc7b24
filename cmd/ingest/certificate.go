package main

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// tlsFlags say with what --http-listen is served over TLS.
type tlsFlags struct {
	HTTPTLSCert string `name:"http-tls-cert" help:"Serve --http-listen over TLS, with the certificate in this PEM file; those of authorities below the root come after it. Reread when it changes." type:"path" placeholder:"FILE"`
	HTTPTLSKey  string `name:"http-tls-key" help:"PEM file with the private key of that certificate, without a password. Reread when it changes. chmod 600." type:"path" placeholder:"FILE"`
}

// certificate reads the certificate, nil when none is named.
func (f tlsFlags) certificate(logger *slog.Logger) (*certificate, error) {
	if f == (tlsFlags{}) {
		return nil, nil
	}
	if f.HTTPTLSCert == "" || f.HTTPTLSKey == "" {
		return nil, exitError{exitUsage, "--http-tls-cert and --http-tls-key go together: name both files, or neither"}
	}
	c := &certificate{files: f, logger: logger, stamps: f.stamps()}
	var err error
	if c.pair, err = f.read(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(f.HTTPTLSKey); err == nil && info.Mode().Perm()&0o004 != 0 {
		logger.Warn("everybody on this machine can read the file of --http-tls-key; use chmod 600", "file", f.HTTPTLSKey)
	}
	return c, nil
}

func (f tlsFlags) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.HTTPTLSCert, f.HTTPTLSKey)
	if err != nil {
		return nil, fmt.Errorf("reading --http-tls-cert %s and --http-tls-key %s: %w", f.HTTPTLSCert, f.HTTPTLSKey, err)
	}
	return &pair, nil
}

// stamps tell whether one of the files has changed. A file that is not there has
// an empty one.
func (f tlsFlags) stamps() (both [2]fileStamp) {
	for i, path := range []string{f.HTTPTLSCert, f.HTTPTLSKey} {
		if info, err := os.Stat(path); err == nil {
			both[i] = stampOf(info)
		}
	}
	return both
}

type fileStamp struct {
	size     int64
	modified time.Time
}

func stampOf(info fs.FileInfo) fileStamp { return fileStamp{info.Size(), info.ModTime()} }

// certificate is a certificate whose files are looked at with every connection,
// since those who renew it put new ones in their place. As long as the new ones
// cannot be used, such as between the one and the other, the old one is. It is
// safe for concurrent use.
type certificate struct {
	files  tlsFlags
	logger *slog.Logger

	mu      sync.Mutex // guards what follows
	pair    *tls.Certificate
	stamps  [2]fileStamp // of the files when they were last read, or were tried to be
	trouble string       // why they could not be used
}

// config is for a server. (It says nothing of Strict-Transport-Security: a
// browser takes that for all ports of a host, so that one worker would shut it out
// of whatever else, such as Grafana, is served there without TLS.)
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return c.current(), nil
	}}
}

// current is the certificate as of now.
func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps := c.files.stamps()
	if stamps == c.stamps {
		return c.pair
	}
	c.stamps = stamps // from before reading: what is written meanwhile is read the next time
	pair, err := c.files.read()
	switch {
	case err == nil:
		c.pair, c.trouble = pair, ""
		c.logger.Info("the certificate of --http-listen has changed", "ends", pair.Leaf.NotAfter)
	case err.Error() != c.trouble:
		c.trouble = err.Error()
		c.logger.Error("the new certificate of --http-listen cannot be used; the old one still is", "ends", c.pair.Leaf.NotAfter, "err", err)
	}
	return c.pair
}
