package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kslive/internal/simulator"
)

// The commands that look at databases, as a person uses them on the real ones.
func TestCommandsOnDatabases(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 41})
	t.Run("query", s.testQuery)
	t.Run("query is cancelled", s.testQueryCancelled)
	t.Run("doctor", s.testDoctor)
	t.Run("lives list --watch", s.testWatchList)
}

// command runs a command on the setting in this process.
func (s *setting) command(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, complaints strings.Builder
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &complaints)
	return code, out.String(), complaints.String()
}

func (s *setting) testQuery(t *testing.T) {
	const sql = "SELECT number AS n, concat('a,', toString(number)) AS t FROM numbers(2)"
	for _, c := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{"--format=csv", sql}, "\"n\",\"t\"\n0,\"a,0\"\n1,\"a,1\"\n"},
		{sql, []string{"--format=json"}, "{\"n\":0,\"t\":\"a,0\"}\n{\"n\":1,\"t\":\"a,1\"}\n"},
		{sql + " FORMAT TSV", []string{"-"}, "0\ta,0\n1\ta,1\n"},
		{"", []string{"SELECT getSetting('max_threads') AS n SETTINGS max_threads = 3 FORMAT TSV"}, "3\n"},
	} {
		code, got, complaint := s.command(t, c.stdin, append([]string{"query", "--data-dir", s.dir}, c.args...)...)
		if code != exitOK || got != c.want {
			t.Errorf("%q: exit code %d, %q, want %q; it said %s", c.args, code, got, c.want, complaint)
		}
	}
	if _, table, _ := s.command(t, "", "query", "--data-dir", s.dir, sql); strings.Count(table, "a,1") != 1 || !strings.Contains(table, "│") || strings.Contains(table, "\x1b") {
		t.Errorf("the table is\n%s", table)
	}
	for sql, want := range map[string]string{
		"SELEC 1": "Syntax error",
		"SELECT throwIf(number = 2000000, 'late') FROM numbers(3000000) SETTINGS max_block_size = 1000": "late",
		"CREATE TABLE made (n UInt8) ENGINE = Memory":                                                   "--write allows it",
		"INSERT INTO dead_letters (error) SETTINGS readonly = 0 SELECT 'x'":                             "ingest: ",
		"  ": "the query is empty",
	} {
		code, _, complaint := s.command(t, sql, "query", "--data-dir", s.dir, "--format=csv")
		if code == exitOK || !strings.Contains(complaint, want) || strings.Contains(complaint, "(version") || strings.Count(complaint, "\n") != 1 {
			t.Errorf("%s: exit code %d, it said %s", sql, code, complaint)
		}
	}
	if n := s.count(t, "dead_letters"); n != 0 {
		t.Errorf("%d rows were inserted by a query that may only read", n)
	}
	if code, _, complaint := s.command(t, "", "query", "--data-dir", s.dir, "--write", "CREATE TABLE made (n UInt8) ENGINE = Memory"); code != exitOK {
		t.Errorf("with --write: %s", complaint)
	}
	if s.count(t, "made") != 0 {
		t.Error("the table that was made is not empty")
	}
}

// running is whether a query with a text is running.
func (s *setting) running(t *testing.T, text string) bool {
	return s.count(t, "system.processes WHERE query LIKE '%"+text+"%' AND query NOT LIKE '%system.processes%'") > 0
}

func (s *setting) testQueryCancelled(t *testing.T) {
	query := s.start(t, "query", "--data-dir", s.dir, "SELECT sum(sipHash64(number)) AS forever FROM numbers(1000000000000)")
	eventually(t, "the query runs", func() bool { return s.running(t, "forever") })
	query.Process.Signal(syscall.SIGINT)
	<-query.ended
	if query.err == nil || !strings.Contains(query.output.String(), "stopped") {
		t.Errorf("it ended with %v and said %s", query.err, query.output)
	}
	eventually(t, "the query runs no more", func() bool { return !s.running(t, "forever") })
}

// diagnosed waits until the doctor has these findings on the databases of the
// setting. (A busy machine can make a database look dead for a moment.)
func (s *setting) diagnosed(t *testing.T, code int, states map[string]string, more ...string) (found map[string]finding) {
	t.Helper()
	args := append([]string{"doctor", "--json", "--data-dir", s.dir, "--kuaishou-url", s.simulator.URL(), "--http-listen=" + freeAddress(t)}, more...)
	var said string
	defer func() {
		if t.Failed() {
			t.Logf("%q:\n%s", more, said)
		}
	}()
	eventually(t, fmt.Sprintf("ingest doctor %s finds %v", more, states), func() bool {
		ended, out, complaint := s.command(t, "", args...)
		said, found = out+complaint, make(map[string]finding)
		for line := range strings.Lines(out) {
			var f finding
			if err := json.Unmarshal([]byte(line), &f); err != nil {
				t.Fatal(err)
			}
			if (f.State == stateOK) != (f.Cure == "") {
				t.Errorf("%+v: it is well, or there is a cure", f)
			}
			found[f.Check] = f
		}
		for check, state := range states {
			if found[check].State != state {
				return false
			}
		}
		return ended == code
	})
	return found
}

func (s *setting) testDoctor(t *testing.T) {
	cookies := filepath.Join(t.TempDir(), "cookie.txt")
	write := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(cookies, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(cookies, at, at); err != nil {
			t.Fatal(err)
		}
	}
	const login = "userId=5; kuaishou.live.web_st=" + secretCookie
	write(login, 0)
	s.diagnosed(t, exitOK, map[string]string{
		"settings": stateOK, "data folder": stateOK, "disk": stateOK, "http": stateOK, "engines": stateOK, "Postgres tables": stateOK,
		"Postgres": stateOK, "rooms": stateWarn, "ClickHouse tables": stateOK, "ClickHouse": stateOK, "open files": stateOK,
		"account": stateOK, "Kuaishou": stateOK, "clock": stateOK,
	}, "--cookie-file="+cookies, "--max-rooms=10", "--segment-bytes=1000000", "--spool-max=1000000", "--keep-bytes=1000000")

	write("userId=5", 0)
	s.diagnosed(t, exitOK, map[string]string{"account": stateWarn}, "--cookie-file="+cookies)
	write(login, 30*24*time.Hour)
	found := s.diagnosed(t, exitOK, map[string]string{"account": stateWarn}, "--cookie-file="+cookies)
	if !strings.Contains(found["account"].Found, "30 days ago") {
		t.Errorf("old cookies: %+v", found["account"])
	}

	nobody := "http://" + freeAddress(t)
	s.diagnosed(t, exitFailed, map[string]string{"Kuaishou": stateFail, "http": stateFail, "cookies": stateWarn},
		"--kuaishou-url="+nobody, "--http-listen="+strings.TrimPrefix(s.simulator.URL(), "http://"))
	s.diagnosed(t, exitFailed, map[string]string{"Postgres": stateFail, "ClickHouse": stateOK},
		"--postgres=postgres://u:"+secretPassword+"@"+freeAddress(t)+"/d", "--clickhouse="+s.engines.ClickHouse)
	// Where nothing is yet, the engines are started to see whether they do.
	s.diagnosed(t, exitFailed, map[string]string{"data folder": stateFail, "engines": stateOK, "open files": stateWarn},
		"--max-rooms=4611686018427387", "--data-dir=/proc/nowhere")

	// For a person it is a line a check, and neither cookies nor passwords are in it.
	code, out, complaint := s.command(t, "", "doctor", "--data-dir", s.dir, "--kuaishou-url", nobody, "--cookie-file", cookies,
		"--postgres=postgres://u:"+secretPassword+"@"+freeAddress(t)+"/d", "--clickhouse="+s.engines.ClickHouse)
	if code != exitFailed || !strings.Contains(out, "\nfail  Postgres ") || !strings.Contains(complaint, "checks fail") {
		t.Errorf("exit code %d:\n%s%s", code, out, complaint)
	}
	for _, secret := range []string{secretCookie, secretPassword} {
		if strings.Contains(out+complaint, secret) {
			t.Errorf("a secret shows in\n%s%s", out, complaint)
		}
	}
}

// Elsewhere than on a terminal the watched list tells what changes.
func (s *setting) testWatchList(t *testing.T) {
	execute(t, s, "INSERT INTO lives (live_id) VALUES ('3xabcdefgh23456')")
	watch := exec.Command(os.Args[0], "lives", "--data-dir", s.dir, "list", "--watch", "--json", "--every=100ms")
	watch.Env = append(os.Environ(), binaryEnv+"=1")
	watch.SysProcAttr = dieWithParent()
	out, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints bytes.Buffer
	watch.Stderr = &complaints
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	lines := json.NewDecoder(out)
	next := func() (row listedLive) {
		t.Helper()
		if err := lines.Decode(&row); err != nil {
			t.Fatalf("%v: %s", err, &complaints)
		}
		return row
	}
	if row := next(); row.LiveID != "3xabcdefgh23456" {
		t.Errorf("the first line is about %s", row.LiveID)
	}
	execute(t, s, "INSERT INTO lives (live_id) VALUES ('3xabcdefgh99999')")
	if row := next(); row.LiveID != "3xabcdefgh99999" {
		t.Errorf("a room was added, and the next line is about %s", row.LiveID)
	}
	execute(t, s, "UPDATE lives SET enabled = false WHERE live_id = '3xabcdefgh23456'")
	if row := next(); row.LiveID != "3xabcdefgh23456" || row.State != "disabled" {
		t.Errorf("a room was disabled, and the next line is %+v", row.LiveStatus)
	}
	watch.Process.Signal(syscall.SIGINT)
	if err := watch.Wait(); err != nil {
		t.Errorf("it ended with %v: %s", err, &complaints)
	}
	code, shown, _ := s.command(t, "", "lives", "--data-dir", s.dir, "list", "--state=disabled")
	if code != exitOK || !strings.Contains(shown, "3xabcdefgh23456") || strings.Contains(shown, "3xabcdefgh99999") {
		t.Errorf("those that are disabled:\n%s", shown)
	}
}
