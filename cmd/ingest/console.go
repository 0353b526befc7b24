package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"kslive/internal/console"
)

// consoleFlags say whether and to whom the console is shown.
type consoleFlags struct {
	Console          bool   `help:"Serve the console at --http-listen, beside /metrics." default:"true" negatable:""`
	ConsoleTokenFile string `help:"File with the token that the console asks for, or INGEST_CONSOLE_TOKEN with the token itself. Needed when --http-listen can be reached from other machines. chmod 600." type:"path" placeholder:"FILE"`
}

// tokenEnv holds the token itself. It is no flag, so that it is in no list of
// processes.
const tokenEnv = "INGEST_CONSOLE_TOKEN"

// token is what the console on an address asks for, empty for nothing.
func (f consoleFlags) token(address string) (string, error) {
	if !f.Console || address == "" {
		return "", nil
	}
	token := []byte(os.Getenv(tokenEnv))
	if f.ConsoleTokenFile != "" {
		var err error
		if token, err = os.ReadFile(f.ConsoleTokenFile); err != nil {
			return "", fmt.Errorf("reading --console-token-file: %w", err)
		}
	}
	token = bytes.TrimSpace(token)
	switch {
	case len(token) == 0 && f.ConsoleTokenFile != "":
		return "", exitError{exitUsage, "--console-token-file is empty: put a token into it, such as of `openssl rand -hex 16`"}
	case len(token) == 0 && !console.Local(address):
		return "", exitError{exitUsage, fmt.Sprintf("--http-listen %s can be reached from other machines, and the console there needs a token: "+
			"put one into a file and name it in --console-token-file, or into %s; or leave the console out with --no-console (INGEST_CONSOLE=false). /metrics and the health checks need none", address, tokenEnv)}
	case len(token) > 0 && len(token) < console.MinToken:
		return "", exitError{exitUsage, fmt.Sprintf("the console's token must have at least %d characters: take `openssl rand -hex 16`", console.MinToken)}
	}
	return string(token), nil
}

// shown is what the console and the status pages show.
type shown struct {
	pipeline   *pipeline
	registry   *prometheus.Registry
	worker     string
	spoolBytes int64
	log        *console.Log
	logger     *slog.Logger
}

// serve serves the status pages and, where it is wanted, the console. The server,
// which is nil when there is no address, must be closed.
func (f consoleFlags) serve(address, token string, certificate *certificate, s shown) (*http.Server, string, error) {
	if address == "" {
		return nil, "", nil
	}
	var pages http.Handler
	if f.Console {
		if certificate == nil && !console.Local(address) {
			s.logger.Warn("the console is served without TLS where other machines can reach it: whoever can listen on the way reads its token and pages. "+
				"Give --http-tls-cert and --http-tls-key, or put a proxy with TLS before it", "http_listen", address)
		}
		var err error
		pages, err = console.New(console.Options{
			Lives: s.pipeline.lives, ClickHouse: s.pipeline.clickhouse, Ingester: s.pipeline.ingester, Metrics: s.registry,
			ParseLiveID: s.pipeline.client.ParseLiveID, Worker: s.worker, SpoolBytes: s.spoolBytes, Token: token, Log: s.log, Logger: s.logger,
		})
		if err != nil {
			return nil, "", fmt.Errorf("making the console: %w", err)
		}
	}
	listener, err := listen(address)
	if err != nil {
		return nil, "", err
	}
	return serveStatus(listener, certificate, s.registry, s.pipeline.ingester.Ready, pages, s.logger), listener.Addr().String(), nil
}

// listen listens on --http-listen.
func listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("another program listens on %s, perhaps another worker: name another address by --http-listen, or port 0 for one that is free", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on --http-listen: %w", err)
	}
	return listener, nil
}

// canListen says what would keep serve from listening, for those to whom that
// should be told before much else is done.
func canListen(address string) error {
	if address == "" {
		return nil
	}
	listener, err := listen(address)
	if err != nil {
		return err
	}
	return listener.Close()
}
