//go:build (linux || darwin) && !noembed

package chdb

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answer is what a plain HTTP client sees.
type answer struct {
	status int
	body   string
	header http.Header
}

// ask sends a request to e's address. target is a path with a query; options change the request before it goes.
func ask(t testing.TB, e *Engine, method, target, body string, options ...func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, e.URL()+target, strings.NewReader(body))
	must(t, err)
	r.SetBasicAuth("default", testPassword)
	for _, option := range options {
		option(r)
	}
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	return answer{response.StatusCode, string(text), response.Header}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// escape makes an URL parameter of SQL.
func escape(sql string) string { return url.QueryEscape(sql) }

func TestHTTPForms(t *testing.T) {
	get, post := http.MethodGet, http.MethodPost
	for name, test := range map[string]struct {
		method, target, body string
		options              []func(*http.Request)
		want                 string
	}{
		"ping":               {get, "/ping", "", nil, "Ok.\n"},
		"look":               {get, "/", "", nil, "Ok.\n"},
		"get":                {get, "/?query=" + escape("SELECT 1"), "", nil, "1\n"},
		"semicolon":          {get, "/?query=SELECT+1;", "", nil, "1\n"},
		"body":               {post, "/", "SELECT 1", nil, "1\n"},
		"query and body":     {post, "/?query=" + escape("SELECT 1 +"), "2", nil, "3\n"},
		"comment first":      {post, "/", "-- why\n/* really */ SELECT 1", nil, "1\n"},
		"format clause":      {post, "/", "SELECT 1 AS a FORMAT JSONEachRow", nil, "{\"a\":1}\n"},
		"format any case":    {post, "/", "SELECT 1 AS a format jsoneachrow", nil, "{\"a\":1}\n"},
		"default_format":     {post, "/?default_format=CSV", "SELECT 'a', 1", nil, "\"a\",1\n"},
		"format header":      {post, "/", "SELECT 'a', 1", []func(*http.Request){header("X-ClickHouse-Format", "CSV")}, "\"a\",1\n"},
		"column format":      {post, "/?default_format=CSV", "SELECT 1 AS format ORDER BY format DESC", nil, "1\n"},
		"buffered format":    {post, "/", "SELECT 1 AS a FORMAT CSVWithNames", nil, "\"a\"\n1\n"},
		"names once":         {post, "/?max_block_size=1", "SELECT number AS a FROM numbers(3) FORMAT CSVWithNames", nil, "\"a\"\n0\n1\n2\n"},
		"totals":             {post, "/", "SELECT number % 2 AS k, count() FROM numbers(3) GROUP BY k WITH TOTALS ORDER BY k", nil, "0\t2\n1\t1\n\n0\t3\n"},
		"json array":         {post, "/?output_format_json_array_of_rows=1&max_block_size=1", "SELECT number AS a FROM numbers(2) FORMAT JSONEachRow", nil, "[\n{\"a\":0},\n{\"a\":1}\n]\n"},
		"show":               {post, "/", "SHOW DATABASES LIKE 'kslive'", nil, "kslive\n"},
		"database":           {get, "/?database=system&query=" + escape("SELECT currentDatabase()"), "", nil, "system\n"},
		"database header":    {get, "/?query=" + escape("SELECT currentDatabase()"), "", []func(*http.Request){header("X-ClickHouse-Database", "system")}, "system\n"},
		"default database":   {get, "/?query=" + escape("SELECT currentDatabase()"), "", nil, "kslive\n"},
		"parameter":          {get, "/?param_a=" + escape(`x\ty`) + "&query=" + escape("SELECT {a:String} = 'x\ty'"), "", nil, "1\n"},
		"setting":            {get, "/?max_threads=3&query=" + escape("SELECT getSetting('max_threads')"), "", nil, "3\n"},
		"setting with quote": {get, "/?log_comment=" + escape(`it's \ here`) + "&query=" + escape("SELECT getSetting('log_comment')"), "", nil, `it\'s \\ here` + "\n"},
		"time zone":          {get, "/?query=" + escape("SELECT timezone(), toString(toDateTime(0))"), "", nil, "UTC\t1970-01-01 00:00:00\n"},
		"wait_end_of_query":  {get, "/?wait_end_of_query=1&buffer_size=10&query=" + escape("SELECT 1"), "", nil, "1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ask(t, shared, test.method, test.target, test.body, test.options...)
			if got.status != http.StatusOK || got.body != test.want {
				t.Errorf("got %d %q, want 200 %q", got.status, got.body, test.want)
			}
		})
	}
}

func TestHTTPErrors(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret.csv")
	must(t, os.WriteFile(secret, []byte("1\n"), 0o600))
	ask(t, shared, http.MethodPost, "/", "CREATE TABLE IF NOT EXISTS refused (id UInt64) ENGINE = MergeTree ORDER BY id")
	user := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	get, post := http.MethodGet, http.MethodPost
	for name, test := range map[string]struct {
		method, target, body string
		options              []func(*http.Request)
		status               int
		code                 string
	}{
		"wrong password":       {post, "/", "SELECT 1", []func(*http.Request){user("default", "wrong")}, 403, "516"},
		"wrong user":           {post, "/", "SELECT 1", []func(*http.Request){user("root", testPassword)}, 403, "516"},
		"no password":          {post, "/", "SELECT 1", []func(*http.Request){user("", "")}, 403, "516"},
		"wrong header":         {post, "/", "SELECT 1", []func(*http.Request){header("Authorization", ""), header("X-ClickHouse-Key", "x")}, 403, "516"},
		"syntax":               {post, "/", "SELECT 1 1 1", nil, 400, "62"},
		"empty":                {post, "/", " ", nil, 400, "62"},
		"multi-statement":      {post, "/", "SELECT 1; SELECT 2", nil, 400, "62"},
		"client command":       {post, "/", "exit;", nil, 400, "62"},
		"unknown table":        {post, "/", "SELECT * FROM nothing_here", nil, 404, "60"},
		"unknown database":     {post, "/?database=nothing_here", "SELECT 1", nil, 404, "81"},
		"unknown setting":      {post, "/?nothing_here=1", "SELECT 1", nil, 404, "115"},
		"odd setting":          {post, "/?a'b=1", "SELECT 1", nil, 404, "115"},
		"bad setting value":    {post, "/?max_threads=x", "SELECT 1", nil, 400, "27"},
		"unknown format":       {post, "/?default_format=Nothing_here", "SELECT 1", nil, 404, "73"},
		"bad escape":           {get, "/?query=%zz", "", nil, 400, "36"},
		"session":              {post, "/?session_id=a", "SELECT 1", nil, 501, "48"},
		"external table":       {post, "/", "x", []func(*http.Request){header("Content-Type", "multipart/form-data; boundary=x")}, 501, "48"},
		"brotli":               {post, "/", "x", []func(*http.Request){header("Content-Encoding", "br")}, 501, "48"},
		"not gzip":             {post, "/", "SELECT 1", []func(*http.Request){header("Content-Encoding", "gzip")}, 400, "33"},
		"not frames":           {post, "/?decompress=1", "SELECT 1 AS this_is_no_compressed_frame", nil, 400, "33"},
		"frames unknown":       {post, "/?compress=1&network_compression_method=NONE", "SELECT x", nil, 404, "47"},
		"get writes":           {get, "/?query=" + escape("CREATE TABLE refused_too (id UInt64) ENGINE = Memory"), "", nil, 500, "164"},
		"get drops":            {get, "/?readonly=0&query=" + escape("DROP TABLE refused"), "", nil, 500, "164"},
		"get lifts readonly":   {get, "/?query=" + escape("SELECT 1 SETTINGS readonly = 0"), "", nil, 500, "164"},
		"get inserts":          {get, "/?query=" + escape("INSERT INTO refused VALUES (1)"), "", nil, 500, "164"},
		"bad data":             {post, "/?query=" + escape("INSERT INTO refused FORMAT JSONEachRow"), "no json", nil, 400, "27"},
		"result too large":     {post, "/", "SELECT repeat('x', 1000 + number % 2) FROM numbers(1000000) FORMAT JSON", nil, 500, "396"},
		"outfile":              {post, "/", "SELECT 1 INTO OUTFILE '" + secret + ".out'", nil, 403, "497"},
		"outfile of show":      {post, "/", "SHOW TABLES INTO /**/ outfile '" + secret + ".out'", nil, 403, "497"},
		"outfile of explain":   {post, "/", "EXPLAIN SELECT 1\nINTO\nOUTFILE '" + secret + ".out'", nil, 403, "497"},
		"infile":               {post, "/", "INSERT INTO refused FROM INFILE '" + secret + "' FORMAT CSV", nil, 403, "497"},
		"infile with columns":  {post, "/", "INSERT INTO refused (id) FROM /* */ infile '" + secret + "' SELECT 1", nil, 403, "497"},
		"file function":        {post, "/", "SELECT * FROM file('" + secret + "', CSV, 'id UInt64')", nil, 403, "497"},
		"url function":         {post, "/", "SELECT * FROM url('http://127.0.0.1:1/', CSV, 'id UInt64')", nil, 403, "497"},
		"insert into file":     {post, "/", "INSERT INTO FUNCTION file('" + secret + ".out', CSV, 'id UInt64') VALUES (1)", nil, 403, "497"},
		"file engine":          {post, "/", "CREATE TABLE refused_file (id UInt64) ENGINE = File(CSV, '" + secret + "')", nil, 403, "497"},
		"file as table":        {post, "/?database=default", "SELECT * FROM `" + secret + "`", nil, 403, "497"},
		"shutdown":             {post, "/", "SYSTEM SHUTDOWN", nil, 403, "497"},
		"query too large":      {post, "/", "SELECT 1 " + strings.Repeat(" ", maxQuery), nil, 413, "229"},
		"insert without data":  {post, "/", "INSERT INTO refused (" + strings.Repeat("id, ", maxInsertHead/4), nil, 413, "229"},
		"insert without table": {post, "/", "INSERT", nil, 400, "62"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, shared, test.method, test.target, test.body, test.options...)
			got.body = got.body[:min(len(got.body), 1000)]
			if code := got.header.Get("X-ClickHouse-Exception-Code"); got.status != test.status || code != test.code {
				t.Errorf("got status %d, code %q, %q; want status %d, code %s", got.status, code, got.body, test.status, test.code)
			}
			if !strings.HasPrefix(got.body, "Code: "+test.code+". DB::Exception: ") {
				t.Errorf("body %q is no exception with code %s", got.body, test.code)
			}
			if strings.Contains(got.body, testPassword) {
				t.Errorf("body %q holds the password", got.body)
			}
		})
	}
	if left, err := filepath.Glob(secret + ".*"); err != nil || len(left) > 0 {
		t.Errorf("files were written: %v, %v", left, err)
	}
	if got := ask(t, shared, http.MethodPost, "/", "SELECT count() FROM refused"); got.body != "0\n" {
		t.Errorf("rows of a refused insert: %q", got.body)
	}
}

func TestHTTPAuthentication(t *testing.T) {
	none := func(r *http.Request) { r.Header.Del("Authorization") }
	credentials := url.Values{"user": {"default"}, "password": {testPassword}}
	for name, got := range map[string]answer{
		"URL":     ask(t, shared, http.MethodPost, "/?"+credentials.Encode(), "SELECT 1", none),
		"headers": ask(t, shared, http.MethodPost, "/", "SELECT 1", none, header("X-ClickHouse-User", "default"), header("X-ClickHouse-Key", testPassword)),
	} {
		if got.status != http.StatusOK || got.body != "1\n" {
			t.Errorf("%s: got %d %q", name, got.status, got.body)
		}
	}
	if got := ask(t, shared, http.MethodGet, "/ping", "", none); got.body != "Ok.\n" {
		t.Errorf("ping without a password: %d %q", got.status, got.body)
	}
	if got := ask(t, shared, http.MethodPost, "/", "DROP DATABASE kslive", header("Origin", "http://example.com")); got.status != http.StatusForbidden {
		t.Errorf("a foreign page's request was answered with %d %q", got.status, got.body)
	}
}

func TestHTTPHeaders(t *testing.T) {
	got := ask(t, shared, http.MethodPost, "/?query_id=mine&session_timezone=Asia/Shanghai", "SELECT 1 AS a FORMAT JSON")
	for name, want := range map[string]string{
		"X-ClickHouse-Query-Id":            "mine",
		"X-ClickHouse-Format":              "JSON",
		"X-ClickHouse-Timezone":            "Asia/Shanghai",
		"X-ClickHouse-Server-Display-Name": "kslive",
		"X-ClickHouse-Exception-Code":      "",
		"Content-Type":                     "application/json; charset=UTF-8",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	ask(t, shared, http.MethodPost, "/", "CREATE TABLE summed (id UInt64) ENGINE = MergeTree ORDER BY id")
	got = ask(t, shared, http.MethodPost, "/?query="+escape("INSERT INTO summed FORMAT CSV"), "1\n2\n3\n")
	if summary := got.header.Get("X-ClickHouse-Summary"); !strings.Contains(summary, `"written_rows":"3"`) {
		t.Errorf("summary of an insert is %q", summary)
	}
	if length := got.header.Get("Content-Length"); length != "0" {
		t.Errorf("Content-Length of an insert is %q, want 0", length)
	}
}

func TestHTTPInserts(t *testing.T) {
	run := func(target, body string, options ...func(*http.Request)) {
		t.Helper()
		if got := ask(t, shared, http.MethodPost, target, body, options...); got.status != http.StatusOK {
			t.Fatalf("%s %q: %d %s", target, body, got.status, got.body)
		}
	}
	run("/", "CREATE TABLE `values` (id UInt64, s String DEFAULT '-') ENGINE = MergeTree ORDER BY id")
	run("/", "INSERT INTO values VALUES (1, 'a;b''c'), (2, 'FORMAT CSV');")
	run("/", "INSERT INTO kslive.values (id) VALUES (3)")
	run("/?query="+escape("INSERT INTO values VALUES"), "(4, 'd')")
	run("/?query="+escape("INSERT INTO values (id, s) FORMAT TabSeparated"), "5\te\n6\tf\n")
	run("/", "INSERT INTO values SETTINGS async_insert = 0 FORMAT JSONEachRow\n{\"id\": 7}\n\n{\"id\": 8}")
	run("/?param_t=values", "INSERT INTO {t:Identifier} SELECT 9, 'FORMAT'")
	run("/", "insert /* into */ into table values format CSV 10,x")
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	fmt.Fprint(w, "INSERT INTO values FORMAT CSV\r\n11,zip\r\n")
	must(t, w.Close())
	run("/", zipped.String(), header("Content-Encoding", "gzip"))
	run("/?query="+escape("INSERT INTO values FORMAT CSV"), "")

	got := ask(t, shared, http.MethodPost, "/", "SELECT * FROM values ORDER BY id FORMAT CSV")
	want := `1,"a;b'c"
2,"FORMAT CSV"
3,"-"
4,"d"
5,"e"
6,"f"
7,"-"
8,"-"
9,"FORMAT"
10,"x"
11,"zip"
`
	if diff := cmp.Diff(want, got.body); diff != "" {
		t.Errorf("rows differ (-want +got):\n%s", diff)
	}
}

func TestHTTPCompressedAnswer(t *testing.T) {
	const query = "SELECT number FROM numbers(100000)"
	plain := ask(t, shared, http.MethodPost, "/", query)
	zipped := ask(t, shared, http.MethodPost, "/", query, header("Accept-Encoding", "br, gzip"))
	if encoding := zipped.header.Get("Content-Encoding"); encoding != "gzip" {
		t.Fatalf("Content-Encoding is %q, want gzip", encoding)
	}
	r, err := gzip.NewReader(strings.NewReader(zipped.body))
	must(t, err)
	text, err := io.ReadAll(r)
	must(t, err)
	if string(text) != plain.body {
		t.Errorf("%d bytes unzipped, %d bytes sent plain", len(text), len(plain.body))
	}
	if off := ask(t, shared, http.MethodPost, "/?enable_http_compression=0", query, header("Accept-Encoding", "gzip")); off.body != plain.body {
		t.Error("the answer is compressed though the client switched that off")
	}
}

func TestHTTPLateException(t *testing.T) {
	got := ask(t, shared, http.MethodPost, "/?max_block_size=1000", "SELECT throwIf(number = 500000) FROM numbers(1000000)")
	tag := got.header.Get("X-ClickHouse-Exception-Tag")
	if len(tag) != 16 || got.status != http.StatusOK {
		t.Fatalf("status %d, tag %q", got.status, tag)
	}
	if !strings.Contains(got.body, "\r\n__exception__\r\n"+tag+"\r\nCode: 395. DB::Exception: ") || !strings.HasSuffix(got.body, tag+"\r\n__exception__\r\n") {
		t.Errorf("the body ends with %q", got.body[max(0, len(got.body)-500):])
	}
}

func TestHTTPTooManyQueries(t *testing.T) {
	t.Parallel()
	e := startEngine(t, Options{})
	none := func(r *http.Request) { r.Header.Del("Authorization") }
	// Requests without an end hold their places, without any work for the engine.
	var held []net.Conn
	eventually(t, "all places are taken", func() bool {
		c, err := net.Dial("tcp", e.address())
		must(t, err)
		held = append(held, c)
		fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nSELECT")
		got := ask(t, e, http.MethodPost, "/", "SELECT 1", none)
		return got.status == http.StatusServiceUnavailable && got.header.Get("X-ClickHouse-Exception-Code") == "202"
	})
	if len(held) < maxQueries {
		t.Errorf("no place was free after %d requests, want %d", len(held), maxQueries)
	}
	for _, c := range held {
		must(t, c.Close())
	}
	eventually(t, "places are free", func() bool { return ask(t, e, http.MethodPost, "/", "SELECT 1", none).status == http.StatusOK })
}

func TestHTTPClientGone(t *testing.T) {
	conn := dial(t, shared, nil)
	c, err := net.Dial("tcp", shared.address())
	must(t, err)
	const query = "SELECT count() AS client_gone FROM system.numbers WHERE NOT ignore(rand())"
	credentials := url.Values{"password": {testPassword}, "query": {query}}
	fmt.Fprintf(c, "GET /?%s HTTP/1.1\r\nHost: x\r\n\r\n", credentials.Encode())
	must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
	eventually(t, "the query runs", func() bool { return running(t, conn, query) == 1 })
	must(t, c.Close())
	eventually(t, "the query has ended", func() bool { return running(t, conn, query) == 0 })
}

// A client that stalls must neither hold its place for ever nor hang the server.
func TestHTTPStalledClient(t *testing.T) {
	t.Parallel()
	s := &server{user: "default", slots: make(chan struct{}, 1), idle: 50 * time.Millisecond}
	web := httptest.NewServer(s.httpServer(t.Context()).Handler)
	defer web.Close()
	for _, body := range []string{"SELECT", "INSERT INTO t"} {
		c, err := net.Dial("tcp", web.Listener.Addr().String())
		must(t, err)
		must(t, c.SetDeadline(time.Now().Add(10*time.Second)))
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n%s", body)
		text, err := io.ReadAll(c)
		if err != nil || !strings.Contains(string(text), "X-Clickhouse-Exception-Code: 33\r\n") {
			t.Errorf("%q: got %q, %v; want an exception and the connection closed", body, text, err)
		}
		must(t, c.Close())
	}

	local, remote := net.Pipe()
	defer remote.Close()
	defer local.Close()
	stalled := clientWriter{local, http.NewResponseController(pipeWriter{httptest.NewRecorder(), local}), s.idle}
	if _, err := stalled.Write(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("writing to a client that does not read: %v, want the deadline", err)
	}
}

// pipeWriter gives a connection's write deadline to an http.ResponseController.
type pipeWriter struct {
	http.ResponseWriter
	c net.Conn
}

func (p pipeWriter) SetWriteDeadline(at time.Time) error { return p.c.SetWriteDeadline(at) }

// An INSERT whose body breaks off stores nothing: what came may be the half of it.
func TestInsertBrokenOff(t *testing.T) {
	t.Parallel()
	conn := dial(t, shared, nil)
	table := newTable(t, conn, "(x UInt64) ENGINE = MergeTree ORDER BY x")
	socket, err := net.Dial("tcp", strings.TrimPrefix(shared.URL(), "http://"))
	must(t, err)
	defer socket.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, shared.URL()+"/?query="+escape("INSERT INTO "+table+" FORMAT JSONEachRow"), nil)
	must(t, err)
	r.SetBasicAuth("default", testPassword)
	body := strings.Repeat("{\"x\": 1}\n", 1000)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(2*len(body))
	if err := r.Write(socket); err == nil {
		t.Fatal("the whole body was there")
	}
	must(t, socket.(*net.TCPConn).CloseWrite())
	response, err := http.ReadResponse(bufio.NewReader(socket), r)
	must(t, err)
	defer response.Body.Close()
	if code := response.Header.Get("X-ClickHouse-Exception-Code"); response.StatusCode != http.StatusBadRequest || code != "33" {
		t.Errorf("%s, code %s", response.Status, code)
	}
	if n := scalar[uint64](t, conn, "SELECT count() FROM "+table); n != 0 {
		t.Errorf("%d rows are stored", n)
	}
}
