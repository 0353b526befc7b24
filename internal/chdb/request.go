//go:build (linux || darwin) && !noembed

package chdb

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// request is what a client asked for, apart from the body.
type request struct {
	query    string // from the URL
	database string
	format   string // when the query has no FORMAT clause
	queryID  string
	user     string
	password string
	settings []parameter // in the order given
	params   []parameter
	readonly bool

	revision   int    // client_protocol_version
	decompress bool   // the body is in ClickHouse's compressed frames
	compress   string // method of the frames of the answer: "LZ4", "ZSTD"...; "" for none
	encodings  string // Accept-Encoding, if the client may be answered so
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// parseRequest reads the URL and the headers of r.
func parseRequest(r *http.Request) (*request, error) {
	header := r.Header
	q := &request{
		database: header.Get("X-ClickHouse-Database"),
		format:   "TabSeparated",
		user:     header.Get("X-ClickHouse-User"),
		password: header.Get("X-ClickHouse-Key"),
		readonly: r.Method == http.MethodGet,
	}
	if user, password, ok := r.BasicAuth(); ok {
		q.user, q.password = user, password
	}
	values, err := splitQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	compress, method, encode := false, "LZ4", true // as the engine's defaults are
	for _, v := range values {
		switch {
		case strings.HasPrefix(v.name, "param_"):
			q.params = append(q.params, parameter{strings.TrimPrefix(v.name, "param_"), v.value})
			continue
		case v.name == "compress":
			compress = isTrue(v.value)
		case v.name == "decompress":
			q.decompress = isTrue(v.value)
		case v.name == "client_protocol_version":
			if q.revision, err = strconv.Atoi(v.value); err != nil {
				return nil, newException(codeBadArguments, "BAD_ARGUMENTS", "client_protocol_version is not a number")
			}
		case v.name == "session_id":
			return nil, newException(codeNotImplemented, "NOT_IMPLEMENTED",
				"the embedded engine has no sessions: leave session_id out and send settings with each request")
		default:
			if !q.take(v) {
				q.settings = append(q.settings, v)
			}
		}
		switch v.name {
		case "network_compression_method":
			method = strings.ToUpper(v.value)
		case "enable_http_compression":
			encode = isTrue(v.value)
		}
	}
	if compress {
		q.compress = method
	}
	if encode {
		q.encodings = header.Get("Accept-Encoding")
	}
	if format := header.Get("X-ClickHouse-Format"); format != "" {
		q.format = format
	}
	if q.queryID == "" {
		q.queryID = uuid.NewString()
	}
	return q, q.checkSettings()
}

// take stores a URL parameter that is not a setting, and reports whether it was one.
func (q *request) take(v parameter) bool {
	switch v.name {
	case "query":
		q.query = v.value
	case "database":
		q.database = v.value
	case "default_format":
		q.format = v.value
	case "query_id":
		q.queryID = strings.Map(printable, v.value)
	case "user":
		q.user = v.value
	case "password":
		q.password = v.value
	case "quota_key", "session_timeout", "session_check", "stacktrace", "buffer_size", "wait_end_of_query",
		"role", "close_session", "http_write_exception_in_output_format":
		// A server's affairs. Answers that can fail late carry the exception in the body, as with a server.
	default:
		return false
	}
	return true
}

func (q *request) checkSettings() error {
	for _, s := range q.settings {
		if !settingName.MatchString(s.name) {
			return newException(115, "UNKNOWN_SETTING", "Setting %q is neither a parameter of the HTTP interface nor a setting", s.name)
		}
	}
	return nil
}

// hasSetting reports whether the URL sets name.
func (q *request) hasSetting(name string) bool {
	return slices.ContainsFunc(q.settings, func(s parameter) bool { return s.name == name })
}

// markerSetting is the setting by which the running query is found to kill it. The engine gives queries an id of its own.
func (q *request) markerSetting() string {
	if q.hasSetting("log_comment") {
		return "query_cache_tag"
	}
	return "log_comment"
}

// setStatement is the SET for the request's settings followed by more. The engine converts the strings.
func (q *request) setStatement(more ...parameter) string {
	var b strings.Builder
	b.WriteString("SET ")
	for i, s := range append(slices.Clone(q.settings), more...) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(s.name + " = " + quote(s.value, '\''))
	}
	return b.String()
}

// quote writes s as a literal in single quotes, or as a name in backticks.
func quote(s string, with byte) string {
	w := string(with)
	return w + strings.NewReplacer(`\`, `\\`, w, `\`+w).Replace(s) + w
}

// splitQuery splits a URL's query at & only: net/url drops every parameter with a semicolon, and SQL often ends in one.
func splitQuery(raw string) ([]parameter, error) {
	var out []parameter
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		name, value, _ := strings.Cut(piece, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, newException(codeBadArguments, "BAD_ARGUMENTS", "the URL has a malformed %%-escape")
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, newException(codeBadArguments, "BAD_ARGUMENTS", "the URL parameter %q has a malformed %%-escape", name)
		}
		out = append(out, parameter{name, value})
	}
	return out, nil
}

func isTrue(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

// printable drops what may not stand in a header.
func printable(r rune) rune {
	if r < ' ' || r > '~' {
		return -1
	}
	return r
}

// bodyReader reads a request's body and gives up on a client that has stalled.
type bodyReader struct {
	r       *http.Request
	control *http.ResponseController
	idle    time.Duration
}

func (b bodyReader) Read(p []byte) (int, error) {
	// A connection that takes no deadlines is not one of net/http's; then the client is trusted.
	_ = b.control.SetReadDeadline(time.Now().Add(b.idle))
	n, err := b.r.Body.Read(p)
	if errors.Is(err, io.EOF) {
		// From here on the server itself reads, to see whether the client is still there. A timeout would cancel the request.
		// Before the end the deadline stays, so that what net/http discards of the body cannot take for ever.
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
