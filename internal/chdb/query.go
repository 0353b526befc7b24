//go:build (linux || darwin) && !noembed

package chdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	// maxBuffered is the default of max_result_bytes for results that are held in memory; as text they grow to a few times that.
	maxBuffered = "268435456"
	// insertPiece is how much of an insert's data goes to the engine at once.
	insertPiece = 256 << 10
	// killInterval is how often a cancelled query is killed until it has ended: it may not have begun at first.
	killInterval = 50 * time.Millisecond
)

// streamed are the formats whose pieces make up the same bytes as the whole. For any other the engine repeats header and
// footer with each piece.
var streamed = map[string]bool{
	"Native": true, "TabSeparated": true, "TSV": true, "CSV": true, "JSONEachRow": true, "RowBinary": true, "MsgPack": true,
}

// query runs a statement that carries no data.
func (s *server) query(ctx context.Context, q *request, text string, out *response) error {
	c, err := s.lib.open("--path=" + s.path)
	if err != nil {
		return err
	}
	defer c.close()
	parsed, err := c.classify(text, s.database)
	if err != nil {
		return err
	}
	shape := outlineOf(text, s.formats)
	if err := checkStatement(text, parsed, shape); err != nil {
		return err
	}
	format, err := s.format(q, shape)
	if err != nil {
		return err
	}
	streaming := parsed.class == classReadOnly && canStream(q, text, shape, format)
	var more []parameter
	if !streaming && !q.hasSetting("max_result_bytes") {
		more = append(more, parameter{"max_result_bytes", maxBuffered})
	}
	if format == "Native" && q.revision > 0 {
		// The binary layout of JSON is none that a writer of blocks could follow, and drivers read strings.
		more = append(more, parameter{"output_format_native_write_json_as_string", "1"})
	}
	marker, err := s.prepare(c, q, more...)
	if err != nil {
		return err
	}
	defer s.killAtEnd(ctx, q.markerSetting(), marker)()

	sink := &sink{out: out}
	if format == "Native" && q.revision > 0 {
		sink.native = &nativeWriter{w: out, revision: q.revision}
	}
	describe := func(first summary) { out.describe(format, s.timezoneFor(q), first) }
	if streaming {
		err := sendStream(c, q, text, format, sink, describe)
		if !errors.Is(err, errNotStreamed) {
			return err
		}
	}
	r, err := c.query(text, format, q.params)
	if err != nil {
		return err
	}
	defer r.free()
	describe(r.summary())
	if _, err := sink.Write(r.data()); err != nil {
		return err
	}
	return sink.finish()
}

// errNotStreamed says that the engine runs this statement only as a whole.
var errNotStreamed = errors.New("not a streaming statement")

// sendStream sends a result piece by piece. Nothing is sent before the first piece is there, so an early error has a status.
func sendStream(c *connection, q *request, text, format string, sink *sink, describe func(summary)) error {
	rows, err := c.stream(text, format, q.params)
	if e, ok := errors.AsType[*exception](err); ok && e.code == codeBadArguments && strings.Contains(e.text, "treaming query is not supported") {
		return errNotStreamed
	}
	if err != nil {
		return err
	}
	defer rows.close()
	for described := false; ; {
		piece, err := rows.next()
		if errors.Is(err, io.EOF) {
			if !described {
				describe(summary{})
			}
			return sink.finish()
		}
		if err != nil {
			return err
		}
		if !described {
			describe(piece.summary())
			described = true
		}
		_, err = sink.Write(piece.data())
		piece.free()
		if err != nil {
			return err
		}
	}
}

// sink is where a result goes: to the client, by way of native if that is set.
type sink struct {
	out    io.Writer
	native *nativeWriter
}

func (s *sink) Write(b []byte) (int, error) {
	if s.native != nil {
		return s.native.Write(b)
	}
	return s.out.Write(b)
}

func (s *sink) finish() error {
	if s.native != nil {
		return s.native.finish()
	}
	return nil
}

// insert feeds a request's data to the engine as it comes.
func (s *server) insert(ctx context.Context, q *request, st statement, out *response) error {
	if q.readonly {
		return newException(codeReadonly, "READONLY", "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. You should use method POST for modifying queries")
	}
	c, err := s.lib.open("--path=" + s.path)
	if err != nil {
		return err
	}
	defer c.close()
	marker, err := s.prepare(c, q)
	if err != nil {
		return err
	}
	defer s.killAtEnd(ctx, q.markerSetting(), marker)()
	ins, err := c.insert(st.text, st.format, q.params)
	if err != nil {
		return err
	}
	defer ins.close()
	piece := make([]byte, insertPiece)
	for {
		n, err := fill(piece, st.data)
		if _, err := ins.Write(piece[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the data of an INSERT: %w", err)
		}
	}
	written, err := ins.commit()
	if err != nil {
		return err
	}
	out.describe(st.format, s.timezoneFor(q), written)
	out.w.Header().Del("Content-Type") // there is no content
	return nil
}

// fill reads until the piece is full or there is an error. (io.ReadFull has one error
// for data that has ended and for a body that broke off.)
func fill(piece []byte, from io.Reader) (n int, err error) {
	for n < len(piece) && err == nil {
		var more int
		more, err = from.Read(piece[n:])
		n += more
	}
	return n, err
}

// prepare gives a fresh connection the request's database and settings, and returns the mark that its statement will have.
func (s *server) prepare(c *connection, q *request, more ...parameter) (marker string, err error) {
	database := q.database
	if database == "" {
		database = s.database
	}
	if err := c.exec("USE " + quote(database, '`')); err != nil {
		return "", err
	}
	marker = uuid.NewString()
	more = append(more, parameter{"implicit_select", "0"}, parameter{q.markerSetting(), marker})
	if q.readonly {
		more = append(more, parameter{"readonly", "2"}) // as a server does for GET
	}
	return marker, c.exec(q.setStatement(more...))
}

// killAtEnd kills the statement that has marker in setting when ctx ends. The caller calls stop when the statement has
// ended, to wait for the goroutine.
func (s *server) killAtEnd(ctx context.Context, setting, marker string) (stop func()) {
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		tick := time.NewTicker(killInterval)
		defer tick.Stop()
		for {
			s.kill(setting, marker)
			select {
			case <-ended:
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		close(ended)
		<-stopped
	}
}

// kill is tried again by its caller, so an error needs no other answer.
func (s *server) kill(setting, marker string) {
	c, err := s.lib.open("--path=" + s.path)
	if err != nil {
		return
	}
	defer c.close()
	_ = c.exec("KILL QUERY WHERE Settings[" + quote(setting, '\'') + "] = " + quote(marker, '\'') + " ASYNC")
}

// checkStatement refuses what a server refuses and the library would do: several statements at once, the commands of the
// interactive client, and files.
func checkStatement(text string, parsed analysis, shape outline) error {
	command := strings.ToLower(strings.Trim(text, " \t\r\n;"))
	switch {
	case command == "":
		return newException(codeSyntaxError, "SYNTAX_ERROR", "Empty query")
	case command == "exit", command == "quit", command == "logout", command == "q", command == ":q", command[0] == '\\':
		return newException(codeSyntaxError, "SYNTAX_ERROR", "Syntax error: %q is a command of the interactive client", command)
	case parsed.statements > 1:
		return newException(codeSyntaxError, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")
	case shape.outfile, parsed.class == classControl && strings.Contains(command, "outfile"):
		return newException(codeAccessDenied, "ACCESS_DENIED", "INTO OUTFILE is not allowed: read the result from the answer")
	case shape.reach != "":
		return newException(codeAccessDenied, "ACCESS_DENIED", "%s is not allowed: the embedded engine reaches nothing outside of its folder; use a ClickHouse server of your own (--clickhouse) for that", shape.reach)
	}
	return nil
}

// format is the one that the result will be in.
func (s *server) format(q *request, shape outline) (string, error) {
	if shape.format != "" {
		return shape.format, nil
	}
	format, ok := s.formats[strings.ToLower(q.format)]
	if !ok {
		return "", newException(codeUnknownFormat, "UNKNOWN_FORMAT", "Unknown format %s", q.format)
	}
	return format, nil
}

// canStream reports whether the pieces of a result put together are the result.
func canStream(q *request, text string, shape outline, format string) bool {
	switch shape.first {
	case "SELECT", "WITH", "FROM", "(":
	default:
		return false
	}
	const wrapped = "output_format_json_array_of_rows"
	return streamed[format] && !shape.totals && !q.hasSetting("extremes") &&
		!q.hasSetting(wrapped) && !strings.Contains(strings.ToLower(text), wrapped)
}

func (s *server) timezoneFor(q *request) string {
	for _, setting := range q.settings {
		if setting.name == "session_timezone" && setting.value != "" {
			return strings.Map(printable, setting.value)
		}
	}
	return s.timezone
}
