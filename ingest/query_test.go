package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// server is a ClickHouse that answers with what it is told to. The real one cannot
// be asked to fail at will.
func server(t *testing.T, answer http.HandlerFunc) *Querier {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	q, err := OpenQuerier(strings.Replace(s.URL, "http://", "http://user:secret@", 1) + "/kslive")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

// What the server says when it is too late for a status is an error, and no part of
// the answer, wherever it is cut in two.
func TestQueryFailsLate(t *testing.T) {
	const tag = "abcdefghijklmnop"
	const said = "Code: 395. DB::Exception: late: while executing. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (version 26.7.2.1 (official build))"
	whole := fmt.Sprintf("1\n2\n\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", tag, said, len(said)+1, tag)
	for cut := range len(whole) {
		var got strings.Builder
		w := newAnswerWriter(&got, tag)
		for _, piece := range []string{whole[:cut], whole[cut:]} {
			if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		err := w.close()
		const want = "ClickHouse says: late: while executing. (FUNCTION_THROW_IF_VALUE_IS_NON_ZERO) (code 395)"
		if err == nil || err.Error() != want || got.String() != "1\n2\n" {
			t.Fatalf("cut at %d: %q and %v", cut, got.String(), err)
		}
	}
}

// A query whose asker is gone is ended on the server.
func TestQueryIsKilled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	killed := make(chan string, 1)
	running := make(chan string, 1)
	q := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if id, ok := strings.CutPrefix(string(body), "KILL QUERY WHERE query_id = '"); ok {
			killed <- strings.TrimSuffix(id, "' ASYNC FORMAT Null")
			return
		}
		if r.Header.Get("X-ClickHouse-Key") != "secret" || r.URL.Query().Get("database") != "kslive" || r.URL.Query().Get("readonly") != "2" {
			t.Errorf("it asks %s with %v", r.URL, r.Header)
		}
		running <- r.URL.Query().Get("query_id")
		cancel()
		<-r.Context().Done()
	})
	if err := q.Query(ctx, Question{SQL: "SELECT 1"}, io.Discard); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if id := <-running; id == "" || <-killed != id {
		t.Errorf("it was not %q that was killed", id)
	}
}

// A user who may set nothing can ask all the same, and nobody gets rid of readonly
// by asking again.
func TestQueryOfReader(t *testing.T) {
	for _, level := range []string{"1", "0"} {
		var asked []string
		q := server(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			switch {
			case strings.Contains(string(body), "getSetting"):
				fmt.Fprintln(w, level)
			case r.URL.Query().Has("readonly"):
				w.WriteHeader(http.StatusInternalServerError)
				fmt.Fprint(w, "Code: 164. DB::Exception: Cannot modify 'readonly' setting in readonly mode. (READONLY) (version 26.7)")
			default:
				asked = append(asked, string(body))
			}
		})
		err := q.Query(t.Context(), Question{SQL: "INSERT"}, io.Discard)
		if level == "1" && (err != nil || len(asked) != 1) || level == "0" && (!errors.Is(err, ErrReadOnly) || len(asked) != 0) {
			t.Errorf("readonly = %s: %v, and it asked %q", level, err, asked)
		}
	}
}

func TestQuerierGuesses(t *testing.T) {
	for dsn, want := range map[string]string{
		"clickhouse://u:p@h:9000/d":             "http://h:8123/",
		"clickhouse://u:p@h:9440/d?secure=true": "https://h:8443/",
		"clickhouse://u:p@[::1]:9000/d":         "http://[::1]:8123/",
		"http://u:p@h:18123/d":                  "http://h:18123/",
	} {
		q, err := OpenQuerier(dsn)
		if err != nil || q.url != want {
			t.Errorf("%s: %v, %v, want %s", dsn, q, err, want)
		}
	}
	if _, err := OpenQuerier("http://u:hunter2@h:port/d"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}
