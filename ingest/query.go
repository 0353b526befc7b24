package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/uuid"

	"kslive/internal/dsn"
)

// ErrReadOnly is in errors of Query for a statement that would change something.
var ErrReadOnly = errors.New("the query would change something")

// cancelTimeout bounds the wait for a server to take note that a query is not
// wanted any more.
const cancelTimeout = 5 * time.Second

// Querier asks ClickHouse questions in SQL over its HTTP interface, in whose
// formats the answers come.
type Querier struct {
	httpInterface
	guessed bool // the port
}

// OpenQuerier prepares to ask the server that clickHouseURL names. Of the URL of the native
// protocol it takes that the HTTP interface is on the usual port of the same
// machine. It does not connect yet.
func OpenQuerier(clickHouseURL string) (*Querier, error) {
	options, _, err := dsn.ClickHouse(clickHouseURL)
	if err != nil {
		return nil, err
	}
	q := &Querier{guessed: options.Protocol != clickhouse.HTTP}
	if q.guessed {
		port := "8123"
		if options.TLS != nil {
			port = "8443"
		}
		host, _, err := net.SplitHostPort(options.Addr[0])
		if err != nil {
			host = options.Addr[0]
		}
		options.Addr = []string{net.JoinHostPort(host, port)}
	}
	q.httpInterface = newHTTPInterface(options)
	return q, nil
}

// Question is what to ask.
type Question struct {
	SQL string
	// Format is the answer's unless the SQL names one.
	Format string
	// Write allows it to change something.
	Write bool
}

// codeReadOnly is the server's error code for what must not be done.
const codeReadOnly = "164"

// Query writes the answer to w as it comes. When ctx ends, the query is ended on
// the server as well. An error holds what the server says of the query, and no
// password.
func (q *Querier) Query(ctx context.Context, question Question, w io.Writer) error {
	settings := url.Values{"output_format_pretty_color": {"0"}, "output_format_pretty_row_numbers": {"0"}}
	if !question.Write {
		settings.Set("readonly", "2") // no writes, but SETTINGS
	}
	err := q.ask(ctx, question, settings, w)
	refused, ok := errors.AsType[*serverError](err)
	switch {
	case !ok || refused.code != codeReadOnly || refused.status == http.StatusOK:
		return err
	case q.mayOnlyRead(ctx):
		return q.ask(ctx, question, nil, w) // and so may set nothing
	case !question.Write:
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	}
	return err
}

// mayOnlyRead says whether the server lets the user change nothing, not even a
// setting.
func (q *Querier) mayOnlyRead(ctx context.Context) bool {
	var said strings.Builder
	err := q.ask(ctx, Question{SQL: "SELECT getSetting('readonly')", Format: "TSV"}, nil, &said)
	return err == nil && strings.TrimSpace(said.String()) == "1"
}

func (q *Querier) ask(ctx context.Context, question Question, settings url.Values, w io.Writer) error {
	id := uuid.NewString()
	parameters := url.Values{"query_id": {id}, "default_format": {question.Format}}
	for name, values := range settings {
		parameters[name] = values
	}
	response, err := q.post(ctx, parameters, question.SQL)
	if err != nil {
		q.cancel(ctx, id)
		if q.guessed && ctx.Err() == nil {
			return fmt.Errorf("asking ClickHouse: %w; its HTTP interface was looked for at %s: name it by --clickhouse-http", err, q.address)
		}
		return fmt.Errorf("asking ClickHouse: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 4000)) // what there is of it
		return newServerError(response.StatusCode, string(said))
	}
	body := newAnswerWriter(w, response.Header.Get("X-ClickHouse-Exception-Tag"))
	_, err = io.Copy(body, response.Body)
	if err := body.close(); err != nil {
		return err
	}
	if err != nil {
		q.cancel(ctx, id)
		return fmt.Errorf("the answer broke off: %w", withoutURL(err))
	}
	return nil
}

// cancel ends a query that is not wanted any more, when ctx is what ended. (A
// server goes on with one when its client is gone, unless it is told otherwise.)
func (q *Querier) cancel(ctx context.Context, id string) {
	if ctx.Err() == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cancelTimeout)
	defer stop()
	response, err := q.post(ctx, nil, "KILL QUERY WHERE query_id = '"+id+"' ASYNC FORMAT Null")
	if err == nil { // otherwise the server is gone, and the query with it
		response.Body.Close()
	}
}

// serverError is what the server says of a query.
type serverError struct {
	status int
	code   string
	text   string
}

func (e *serverError) Error() string {
	if e.code == "" {
		return "ClickHouse says: " + e.text
	}
	return fmt.Sprintf("ClickHouse says: %s (code %s)", e.text, e.code)
}

var (
	exceptionHead = regexp.MustCompile(`^Code: (\d+)\. DB::Exception: `)
	serverVersion = regexp.MustCompile(` ?\(version [^()]*(\([^()]*\))?\)`)
)

// newServerError reads an exception in the server's words.
func newServerError(status int, said string) *serverError {
	e := &serverError{status: status, text: strings.Join(strings.Fields(said), " ")}
	if head := exceptionHead.FindStringSubmatch(e.text); head != nil {
		e.code, e.text = head[1], e.text[len(head[0]):]
	}
	e.text = serverVersion.ReplaceAllString(e.text, "")
	return e
}

// maxException bounds what is kept of an exception in the middle of an answer.
const maxException = 16 << 10

// answerWriter passes an answer on, up to the exception that the server writes into
// it when it fails after it has begun: behind "__exception__" and a tag that it told
// before.
type answerWriter struct {
	w         io.Writer
	marker    []byte // empty: the server tells none
	held      []byte // of what may be the beginning of the marker
	exception []byte // what came after the marker
	found     bool
}

func newAnswerWriter(w io.Writer, tag string) *answerWriter {
	a := &answerWriter{w: w}
	if tag != "" {
		a.marker = []byte("__exception__\r\n" + tag)
	}
	return a
}

func (a *answerWriter) Write(p []byte) (int, error) {
	if a.found {
		a.exception = append(a.exception, p[:min(len(p), maxException-len(a.exception))]...)
		return len(p), nil
	}
	a.held = append(a.held, p...)
	if len(a.marker) == 0 {
		return len(p), a.pass(len(a.held))
	}
	if at := bytes.Index(a.held, a.marker); at >= 0 {
		a.found = true
		rest := a.held[at+len(a.marker):]
		a.exception = append(a.exception, rest[:min(len(rest), maxException)]...)
		return len(p), a.pass(len(bytes.TrimSuffix(a.held[:at], []byte("\r\n"))))
	}
	return len(p), a.pass(max(0, len(a.held)-len(a.marker)-2))
}

// pass passes on so many of the bytes that are held.
func (a *answerWriter) pass(n int) error {
	_, err := a.w.Write(a.held[:n])
	a.held = append(a.held[:0], a.held[n:]...)
	return err
}

// close passes on what is held; the error is the server's exception, if there was
// one.
func (a *answerWriter) close() error {
	if a.found {
		said, _, _ := strings.Cut(string(a.exception), "\r\n__exception__")
		if at := strings.LastIndexByte(said, '\n'); at > 0 {
			said = said[:at] // without its length and the tag
		}
		return newServerError(http.StatusOK, said)
	}
	return a.pass(len(a.held))
}
