package main

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// serveStatus serves /metrics, /healthz (the process lives) and /readyz (it
// claims rooms) on listener until the answer is closed, and at all other addresses
// pages, unless that is nil; over TLS, unless certificate is nil.
func serveStatus(listener net.Listener, certificate *certificate, registry *prometheus.Registry, ready func() bool, pages http.Handler, logger *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if ready() {
			answer(w, http.StatusOK, "ready\n")
		} else {
			answer(w, http.StatusServiceUnavailable, "not ready: no rooms are being claimed; the log says why\n")
		}
	})
	if pages != nil {
		mux.Handle("/", pages)
	}
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		// What clients do wrong, such as to end in the middle of a handshake.
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	serve := server.Serve
	if certificate != nil {
		server.TLSConfig = certificate.config()
		// As without TLS: nothing here needs HTTP/2, which is much more that strangers
		// can try.
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
		serve = func(l net.Listener) error { return server.ServeTLS(l, "", "") }
	}
	go func() { // ends with server.Close
		if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("serving --http-listen", "err", err)
		}
	}()
	return server
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // the client may be gone
}
