package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// clickhouseProxy stands between a worker and the HTTP interface of ClickHouse
// and plays tricks to order. It is safe for concurrent use.
type clickhouseProxy struct {
	engine    string // host and port
	address   string // its own
	transport *http.Transport

	mu      sync.Mutex
	server  *http.Server
	trick   trick         // nil: everything passes
	healed  chan struct{} // closed when the trick is over
	played  int           // exchanges that a trick spoiled
	serving sync.WaitGroup
}

// trick spoils an exchange, or answers false to let it pass.
type trick func(x *exchange) (spoiled bool)

// exchange is one request of a worker.
type exchange struct {
	w      http.ResponseWriter
	r      *http.Request
	insert string          // the table that it inserts into; empty: it is no insert
	healed <-chan struct{} // closed when the trick is over
	proxy  *clickhouseProxy
}

func newClickhouseProxy(engine string) (*clickhouseProxy, error) {
	p := &clickhouseProxy{engine: engine, address: "127.0.0.1:0", transport: &http.Transport{DisableCompression: true}, healed: make(chan struct{})}
	return p, p.open()
}

// open listens, again on the same port.
func (p *clickhouseProxy) open() error {
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("opening the proxy of ClickHouse: %w", err)
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	p.mu.Lock()
	p.address, p.server = listener.Addr().String(), server
	p.mu.Unlock()
	p.serving.Go(func() { _ = server.Serve(listener) }) // says only that it was closed
	return nil
}

// close breaks every connection and has new ones refused.
func (p *clickhouseProxy) close() {
	p.mu.Lock()
	server := p.server
	p.mu.Unlock()
	_ = server.Close() // of sockets: nothing is left to do
	p.serving.Wait()
	p.transport.CloseIdleConnections()
}

// play spoils exchanges from now on; nil ends that.
func (p *clickhouseProxy) play(t trick) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.healed)
	p.trick, p.healed = t, make(chan struct{})
}

// spoiled is how many exchanges were.
func (p *clickhouseProxy) spoiled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.played
}

var insertInto = regexp.MustCompile(`^INSERT INTO (\w+)`)

func (p *clickhouseProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	x := &exchange{w: w, r: r, healed: p.healed, proxy: p}
	t := p.trick
	p.mu.Unlock()
	if found := insertInto.FindStringSubmatch(r.URL.Query().Get("query")); found != nil {
		x.insert = found[1]
	}
	if t == nil || !p.spoil(t, x) {
		x.pass()
	}
}

// spoil plays a trick and counts it, also when it hangs up.
func (p *clickhouseProxy) spoil(t trick, x *exchange) (spoiled bool) {
	spoiled = true
	defer func() {
		if spoiled {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.played++
		}
	}()
	spoiled = t(x)
	return spoiled
}

// pass asks the engine and hands on its answer.
func (x *exchange) pass() {
	response, err := x.ask(x.r.Context(), x.r.Body, x.r.ContentLength)
	if err != nil {
		x.hangUp()
	}
	defer response.Body.Close()
	maps.Copy(x.w.Header(), response.Header)
	x.w.WriteHeader(response.StatusCode)
	if _, err := io.Copy(x.w, response.Body); err != nil {
		x.hangUp()
	}
}

// ask asks the engine.
func (x *exchange) ask(ctx context.Context, body io.Reader, length int64) (*http.Response, error) {
	u := url.URL{Scheme: "http", Host: x.proxy.engine, Path: x.r.URL.Path, RawQuery: x.r.URL.RawQuery}
	request, err := http.NewRequestWithContext(ctx, x.r.Method, u.String(), body)
	if err != nil {
		return nil, err
	}
	request.Header, request.ContentLength = x.r.Header.Clone(), length
	return x.proxy.transport.RoundTrip(request)
}

// hangUp drops the worker's connection. It does not return.
func (x *exchange) hangUp() { panic(http.ErrAbortHandler) }

// done lets the engine do what was asked, whatever becomes of the worker
// meanwhile, and keeps the answer back. It hangs up when the engine fails.
func (x *exchange) done() {
	response, err := x.ask(context.WithoutCancel(x.r.Context()), x.r.Body, x.r.ContentLength)
	if err != nil {
		x.hangUp()
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		x.hangUp()
	}
}

// say answers an exception, as ClickHouse says it.
func (x *exchange) say(code int, name string) {
	_, _ = io.Copy(io.Discard, x.r.Body) // the worker may be gone
	x.w.Header().Set("X-ClickHouse-Exception-Code", strconv.Itoa(code))
	x.w.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	x.w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(x.w, "Code: %d. DB::Exception: said by the proxy. (%s)\n", code, name)
}

// The tricks.

// hang takes a request and never answers.
func hang(x *exchange) bool {
	_, _ = io.Copy(io.Discard, x.r.Body) // without it the end of the worker is not noticed
	select {
	case <-x.healed:
	case <-x.r.Context().Done():
	}
	x.hangUp()
	return true
}

// slow holds every request up.
func slow(by time.Duration) trick {
	return func(x *exchange) bool {
		timer := time.NewTimer(by)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-x.healed:
		}
		x.pass()
		return true
	}
}

// loseAnswer has an insert done and then drops the connection: done but said no.
func loseAnswer(x *exchange) bool {
	if x.insert == "" {
		return false
	}
	x.done()
	x.hangUp()
	return true
}

// answerLate has an insert done and answers nothing until the worker has given up.
func answerLate(x *exchange) bool {
	if x.insert == "" {
		return false
	}
	x.done()
	return hang(x)
}

// cutInsert sends half of an insert to the engine, does something and breaks
// both connections.
func cutInsert(between func()) trick {
	return func(x *exchange) bool {
		if x.insert == "" {
			return false
		}
		rows, err := io.ReadAll(x.r.Body)
		if err != nil {
			x.hangUp()
		}
		half := io.MultiReader(bytes.NewReader(rows[:len(rows)/2]), broken{between})
		if response, err := x.ask(x.r.Context(), half, x.r.ContentLength); err == nil {
			response.Body.Close()
		}
		x.hangUp()
		return true
	}
}

// broken is the rest of a body that does not come.
type broken struct{ first func() }

func (b broken) Read([]byte) (int, error) {
	if b.first != nil {
		b.first()
	}
	return 0, errors.New("cut by the proxy")
}

// with adds settings to what is asked, so that the engine itself fails.
func with(settings string) trick {
	return func(x *exchange) bool {
		if x.insert == "" {
			return false
		}
		x.r.URL.RawQuery += "&" + settings
		x.pass()
		return true
	}
}

// outcome is what becomes of a request that is answered with an exception.
type outcome int

const (
	notDone    outcome = iota // an insert is not done
	done                      // an insert is done all the same
	everything                // nothing at all is done
)

// say answers with an exception of the proxy's own.
func say(code int, name string, o outcome) trick {
	return func(x *exchange) bool {
		if x.insert == "" && o != everything {
			return false
		}
		if o == done {
			x.done()
		}
		x.say(code, name)
		return true
	}
}
