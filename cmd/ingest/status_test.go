package main

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

func TestStatus(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var ready atomic.Bool
	server := serveStatus(listener, nil, newRegistry(), ready.Load, nil, slog.New(slog.DiscardHandler))
	defer server.Close()
	get := func(path string) (int, string) {
		response, err := http.Get("http://" + listener.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if code, body := get("/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Error(code, body)
	}
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no rooms are being claimed") {
		t.Error(code, body)
	}
	ask := func(address string) (int, string) {
		var stdout, stderr strings.Builder
		code := run(t.Context(), []string{"ready", "--http-listen=" + address}, strings.NewReader(""), &stdout, &stderr)
		return code, stdout.String() + stderr.String()
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if code, said := ask("0.0.0.0:" + port); code != exitFailed || !strings.Contains(said, "no rooms are being claimed") {
		t.Error(code, said)
	}
	ready.Store(true)
	if code, said := ask("0.0.0.0:" + port); code != exitOK || said != "ready\n" {
		t.Error(code, said)
	}
	if code, said := ask("nowhere"); code != exitUsage {
		t.Error(code, said)
	}
	if code, _ := get("/readyz"); code != http.StatusOK {
		t.Error(code)
	}
	if code, body := get("/metrics"); code != http.StatusOK || !strings.Contains(body, "go_goroutines") {
		t.Error(code, body)
	}
}
