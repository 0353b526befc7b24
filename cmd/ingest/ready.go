package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// readyPatience is how long a worker has to say whether it is ready.
const readyPatience = 5 * time.Second

type readyCommand struct {
	HTTPListen  string `help:"Where the worker's /readyz is: its --http-listen." default:"127.0.0.1:9110" placeholder:"ADDR"`
	HTTPTLSCert string `name:"http-tls-cert" help:"The worker's --http-tls-cert, if it has one: then it is asked over TLS." type:"path" placeholder:"FILE"`
}

// Run answers an error when no worker claims rooms there: the health check of a
// container that has no other program.
func (c *readyCommand) Run(p *process) error {
	if _, _, err := net.SplitHostPort(c.HTTPListen); err != nil {
		return exitError{exitUsage, fmt.Sprintf("--http-listen: %v", err)}
	}
	status, said, err := askWorker(p.taking, c.HTTPListen, "/readyz", c.HTTPTLSCert != "")
	if err != nil {
		return fmt.Errorf("asking the worker: %w: is it running, and with this --http-listen?", err)
	}
	if status != http.StatusOK {
		if status == http.StatusNotFound {
			said = fmt.Sprintf("what answers on %s is no worker (HTTP status %d): name the worker's address by --http-listen", c.HTTPListen, status)
		}
		return exitError{exitFailed, strings.TrimSpace(said)}
	}
	_, err = io.WriteString(p.stdout, said)
	return err
}

// askWorker asks a worker on this machine for one of its status pages. Over TLS it
// takes any certificate: that is for the names by which others reach the worker,
// nothing secret is sent, and a worker that works is well when its certificate is
// not.
func askWorker(ctx context.Context, listen, path string, overTLS bool) (status int, said string, err error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return 0, "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens everywhere, so here as well
	}
	address := url.URL{Scheme: "http", Host: net.JoinHostPort(host, port), Path: path}
	if overTLS {
		address.Scheme = "https"
	}
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return 0, "", err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1000))
	return response.StatusCode, string(body), err
}
