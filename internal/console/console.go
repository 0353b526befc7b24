// Package console is what people see of a worker in a browser: its rooms, what
// comes of them, how it stands, and what is stored. Pages are rendered here and
// work without a script; scripts keep them fresh and draw the charts.
//
// Names, titles and comments are written by strangers: they go into pages by
// html/template, and into what scripts add as text, never as markup.
package console

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"

	"kslive/ingest"
)

const (
	// pageTimeout bounds what a page may wait for, forms included.
	pageTimeout = 15 * time.Second
	// maxForm bounds the body of a request: some thousand addresses of rooms.
	maxForm = 128 << 10
	// maxStreams bounds the pages that show a room as it happens.
	maxStreams = 64
	// questionsAtOnce bounds what ClickHouse is asked for pages at a time. Each
	// takes two of the ten connections that inserts need as well.
	questionsAtOnce = 2
	// listFor is how long a list of rooms is shown again before Postgres is asked
	// for a newer one.
	listFor = time.Second
)

// Options say what a console shows. All parts stay the caller's.
type Options struct {
	Lives      *ingest.Lives
	ClickHouse *ingest.ClickHouse
	Ingester   *ingest.Ingester
	// Metrics are the worker's own.
	Metrics prometheus.Gatherer
	// ParseLiveID returns the live ID that a person wrote, or an error that says
	// what is accepted; ingest.ErrShortLink for what a worker must look up.
	ParseLiveID func(string) (string, error)
	// Worker is the name of the worker.
	Worker string
	// SpoolBytes is the bound of its spool, 0 for none.
	SpoolBytes int64
	// Token, when it is not empty, is what people have to know. Without one only
	// names of this machine are answered.
	Token  string
	Log    *Log
	Logger *slog.Logger
}

// Console serves the pages. It is safe for concurrent use.
type Console struct {
	o         Options
	pages     *pages
	handler   http.Handler
	questions chan struct{} // holds one for each that is being asked
	streams   chan struct{} // likewise, for each that is open

	gifts giftNames

	mu      sync.Mutex // held while Postgres is asked
	list    []ingest.LiveStatus
	trouble error // why there is no newer list
	listed  time.Time
}

// New makes a console.
func New(o Options) (*Console, error) {
	pages, err := newPages()
	if err != nil {
		return nil, err
	}
	c := &Console{o: o, pages: pages, questions: make(chan struct{}, questionsAtOnce), streams: make(chan struct{}, maxStreams)}
	compress, err := gzhttp.NewWrapper(gzhttp.MinSize(1000))
	if err != nil {
		return nil, err
	}
	page := func(handle http.HandlerFunc) http.Handler { return compress(bounded(handle)) }
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page(c.rooms))
	mux.Handle("POST /rooms", page(c.add))
	mux.Handle("GET /rooms/{id}", page(c.room))
	mux.Handle("GET /rooms/{id}/history", page(c.history))
	mux.Handle("GET /rooms/{id}/remove", page(c.askRemove))
	mux.Handle("POST /rooms/{id}/{action}", page(c.change))
	mux.Handle("GET /search", page(c.search))
	mux.Handle("GET /worker", page(c.worker))
	mux.Handle("POST /language", page(c.language))
	mux.HandleFunc("GET /rooms/{id}/live", c.stream)
	mux.Handle("GET /login", page(c.login))
	mux.Handle("POST /login", page(c.enter))
	mux.Handle("POST /logout", page(c.leave))
	mux.Handle("GET /static/{version}/{file...}", compress(http.HandlerFunc(c.static)))
	mux.Handle("/", page(func(w http.ResponseWriter, r *http.Request) {
		c.fail(w, r, http.StatusNotFound, "There is no such page.")
	}))
	c.handler = c.guard(mux)
	return c, nil
}

// ServeHTTP answers a request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// bounded bounds the size of a request and the time to answer it.
func bounded(handle http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
		defer cancel()
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		handle(w, r.WithContext(ctx))
	})
}

// lives lists the rooms, as of at most a second ago, or says why it cannot: those
// who have waited while Postgres did not answer need not wait again.
func (c *Console) lives(ctx context.Context) ([]ingest.LiveStatus, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.listed) < listFor {
		return c.list, c.trouble
	}
	// For all who wait, and not only for a browser that may go away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pageTimeout)
	defer cancel()
	c.list, c.trouble = c.o.Lives.List(ctx)
	c.listed = time.Now()
	return c.list, c.trouble
}

// changed has the next list be a new one.
func (c *Console) changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listed = time.Time{}
}

// find reads the room that a request's path names. When the answer is false, the
// request has been answered.
func (c *Console) find(w http.ResponseWriter, r *http.Request) (live ingest.LiveStatus, ok bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err == nil {
		live, err = c.o.Lives.Find(r.Context(), id)
	} else {
		err = ingest.ErrNoLive
	}
	switch {
	case errors.Is(err, ingest.ErrNoLive):
		c.fail(w, r, http.StatusNotFound, "There is no such room; it was removed.")
	case err != nil:
		c.away(w, r, err)
	}
	return live, err == nil
}

// question waits for its turn to ask ClickHouse; release must be called when the
// answer is true.
func (c *Console) question(ctx context.Context) (release func(), ok bool) {
	select {
	case c.questions <- struct{}{}:
		return func() { <-c.questions }, true
	case <-ctx.Done():
		return nil, false
	}
}
