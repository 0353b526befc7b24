//go:build (linux || darwin) && !noembed

package chdb

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	// maxQueries is how many requests run at once; each holds a few of the engine's threads.
	maxQueries = 48
	// maxURL is a server's http_max_uri_size.
	maxURL = 1 << 20
	// maxDrain is how much of a body is read after an error, so that a client still sending gets to see the answer.
	maxDrain = 256 << 20
	// idleTimeout is how long a client may neither send nor take a byte while it is its turn.
	idleTimeout = time.Minute
)

// server speaks ClickHouse's HTTP interface for an open engine.
type server struct {
	lib            *library
	path           string // of the engine's data, as it was opened
	database       string
	user, password string

	version, timezone string
	formats           map[string]string // lower case to the engine's spelling
	slots             chan struct{}
	idle              time.Duration // idleTimeout
}

// httpServer returns the server's listener-less half. Requests end when ctx does.
func (s *server) httpServer(ctx context.Context) *http.Server {
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "Ok.\n") }
	mux.HandleFunc("GET /ping", ok)
	mux.HandleFunc("GET /{$}", s.serve)
	mux.HandleFunc("POST /{$}", s.serve)
	return &http.Server{
		// A web page must not be able to run SQL through its visitor's browser.
		Handler:           http.NewCrossOriginProtection().Handler(mux),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    maxURL,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-ClickHouse-Server-Display-Name", displayName)
	control := http.NewResponseController(w)
	q, err := parseRequest(r)
	out := newResponse(w, clientWriter{w, control, s.idle}, q, s.version)
	if err != nil {
		out.finish(err)
		return
	}
	w.Header().Set("X-ClickHouse-Query-Id", q.queryID)
	body := bodyReader{r, control, s.idle}
	if err = s.authenticate(q); err == nil {
		err = s.execute(r, q, body, out)
	}
	if err != nil {
		// The connection is closed if more than this is left, or if the client stalls.
		_, _ = io.CopyN(io.Discard, body, maxDrain)
	}
	out.finish(err)
}

// authenticate compares hashes, so that the time taken says nothing about the password, its length included.
func (s *server) authenticate(q *request) error {
	user := q.user
	if user == "" {
		user = "default"
	}
	given := sha256.Sum256([]byte(user + "\x00" + q.password))
	wanted := sha256.Sum256([]byte(s.user + "\x00" + s.password))
	if subtle.ConstantTimeCompare(given[:], wanted[:]) == 1 {
		return nil
	}
	return newException(codeAuthFailed, "AUTHENTICATION_FAILED",
		"%s: Authentication failed: password is incorrect, or there is no user with such name", strings.Map(printable, user))
}

// execute runs a request within the bound on requests at once.
func (s *server) execute(r *http.Request, q *request, body io.Reader, out *response) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return newException(codeTooManyQueries, "TOO_MANY_SIMULTANEOUS_QUERIES",
			"Too many simultaneous queries. Maximum: %d", cap(s.slots))
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		return newException(codeNotImplemented, "NOT_IMPLEMENTED",
			"the embedded engine takes no external tables: insert into a table, or pass values as parameters")
	}
	source, err := decodeBody(body, r.Header.Get("Content-Encoding"), q.decompress)
	if err != nil {
		return err
	}
	if q.query != "" {
		source = io.MultiReader(strings.NewReader(q.query+"\n"), source)
	}
	statement, err := readStatement(source)
	if err != nil {
		return err
	}
	if statement.data != nil {
		return s.insert(r.Context(), q, statement, out)
	}
	if strings.TrimSpace(statement.text) == "" && q.readonly {
		_, err := io.WriteString(out.w, "Ok.\n") // what a server says to a browser that only looks
		return err
	}
	return s.query(r.Context(), q, statement.text, out)
}
