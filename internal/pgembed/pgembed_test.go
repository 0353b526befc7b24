package pgembed

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestRestartKeepsData(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, bin string) {
		dir := filepath.Join(t.TempDir(), "a dir&b=c+d%", "pg")
		c := mustStart(t, Options{DataDir: dir, BinDir: bin, Database: `odd "name"`})
		first := c.URL()
		query(t, first, "CREATE TABLE t AS SELECT '快手'::text AS v")
		if got := query(t, first, "SELECT current_database() || ' ' || current_setting('server_encoding') || ' ' || current_setting('fsync')"); got != `odd "name" UTF8 on` {
			t.Errorf("database, encoding and fsync are %q", got)
		}
		mustClose(t, c, dir)
		if err := c.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}

		c = mustStart(t, Options{DataDir: dir, BinDir: bin, Database: `odd "name"`})
		if c.URL() != first {
			t.Errorf("the restarted server is at %s, was at %s", c.URL(), first)
		}
		if got := query(t, c.URL(), "SELECT v FROM t"); got != "快手" {
			t.Errorf("the row reads %q", got)
		}
		mustClose(t, c, dir)
	})
}

func TestServerKilled(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, bin string) {
		dir := t.TempDir()
		c := mustStart(t, Options{DataDir: dir, BinDir: bin})
		query(t, c.URL(), "CREATE TABLE t AS SELECT 'kept'::text AS v")
		if err := syscall.Kill(c.Pid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-c.Done()
		if err := c.Close(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("Close after the server was killed: %v", err)
		}
		c = mustStart(t, Options{DataDir: dir, BinDir: bin})
		if got := query(t, c.URL(), "SELECT v FROM t"); got != "kept" {
			t.Errorf("the row reads %q", got)
		}
		mustClose(t, c, dir)
	})
}

// A server that does not stop in order is ended all the same, and has what was committed.
func TestServerHangs(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, bin string) {
		dir := t.TempDir()
		c := mustStart(t, Options{DataDir: dir, BinDir: bin})
		query(t, c.URL(), "CREATE TABLE t AS SELECT 'kept'::text AS v")
		if err := syscall.Kill(c.Pid(), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		c = mustStart(t, Options{DataDir: dir, BinDir: bin})
		if got := query(t, c.URL(), "SELECT v FROM t"); got != "kept" {
			t.Errorf("the row reads %q", got)
		}
		mustClose(t, c, dir)
	})
}

func TestParentKilled(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, bin string) {
		dir := t.TempDir()
		cmd, report, _ := startChild(t, "/proc/self/exe", nil, childOrder{DataDir: dir, BinDir: bin})
		if report.Err != "" {
			t.Fatal(report.Err)
		}
		query(t, report.URL, "CREATE TABLE t AS SELECT 'kept'::text AS v")
		if _, err := Start(t.Context(), Options{DataDir: dir, BinDir: bin}); err == nil ||
			!strings.Contains(err.Error(), "in use by another process (pid "+strconv.Itoa(cmd.Process.Pid)+")") {
			t.Errorf("Start beside another process: %v", err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // says killed

		c := mustStart(t, Options{DataDir: dir, BinDir: bin})
		if got := query(t, c.URL(), "SELECT v FROM t"); got != "kept" {
			t.Errorf("the row reads %q", got)
		}
		if slices.Contains(postgresIn(dir), report.Pid) {
			t.Errorf("the first server, pid %d, still runs", report.Pid)
		}
		mustClose(t, c, dir)
	})
}

func TestServerDiesWithParent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd, report, _ := startChild(t, "/proc/self/exe", nil, childOrder{DataDir: dir, BinDir: anyBin(t)})
	if report.Err != "" {
		t.Fatal(report.Err)
	}
	if group, err := syscall.Getpgid(report.Pid); group != report.Pid || err != nil {
		t.Errorf("the server is in process group %d, %v: Ctrl-C in the terminal would reach it", group, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says killed
	if err := waitGone(t.Context(), dir, fastStop); err != nil || len(postgresIn(dir)) > 0 {
		t.Errorf("processes %v outlive their parent: %v", postgresIn(dir), err)
	}
}

// A server that nobody has told to stop, with a client in the middle of a statement.
func TestOrphanIsStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	orphan := mustStart(t, Options{DataDir: dir, BinDir: anyBin(t)})
	conn, err := pgx.Connect(t.Context(), orphan.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "BEGIN; CREATE TABLE t()"); err != nil {
		t.Fatal(err)
	}
	if err := orphan.lock.Close(); err != nil {
		t.Fatal(err)
	}
	c := mustStart(t, Options{DataDir: dir, BinDir: anyBin(t)})
	select {
	case <-orphan.Done():
	default:
		t.Error("there are two servers on one directory")
	}
	if got := query(t, c.URL(), "SELECT count(*)::text FROM pg_class WHERE relname = 't'"); got != "0" {
		t.Errorf("%s tables of a transaction that was not committed", got)
	}
	mustClose(t, c, dir)
}

func TestTwoStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := mustStart(t, Options{DataDir: dir, BinDir: anyBin(t)})
	_, err := Start(t.Context(), Options{DataDir: dir, BinDir: anyBin(t)})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("the second Start: %v", err)
	}
	query(t, c.URL(), "SELECT 'still here'")
	mustClose(t, c, dir)
}

func TestPassword(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := mustStart(t, Options{DataDir: dir, BinDir: anyBin(t)})
	passfile := filepath.Join(dir, "pgpass")
	info, err := os.Stat(passfile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the password's file is %v, %v", info, err)
	}
	password, err := makePassfile(passfile)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(c.URL(), password) {
		t.Error("the URL holds the password")
	}
	for name, test := range map[string]struct{ password, code string }{
		"right": {password, ""},
		"wrong": {password + "x", "28P01"}, // invalid_password
		"none":  {"", "28P01"},
	} {
		u, err := url.Parse(c.URL())
		if err != nil {
			t.Fatal(err)
		}
		u.User, u.RawQuery = url.UserPassword(superuser, test.password), "sslmode=disable&passfile=/dev/null"
		conn, err := pgx.Connect(t.Context(), u.String())
		if err == nil {
			_ = conn.Close(t.Context())
		}
		code := ""
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
			code = pgErr.Code
		}
		if (err == nil) != (test.code == "") || code != test.code {
			t.Errorf("%s password: %v, want code %q", name, err, test.code)
		}
	}
	for _, sql := range []string{"SHOW listen_addresses", "SHOW unix_socket_directories", "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules"} {
		if got := query(t, c.URL(), sql); got != "127.0.0.1" && got != "" && got != "scram-sha-256" {
			t.Errorf("%s: %q", sql, got)
		}
	}
	mustClose(t, c, dir)

	if err := os.Remove(passfile); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "password of the cluster is gone") {
		t.Errorf("Start without the password: %v", err)
	}
}

func TestOtherMajor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cluster := filepath.Join(dir, "cluster")
	if err := os.Mkdir(cluster, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "it has no PG_VERSION") {
		t.Errorf("Start on an empty directory named cluster: %v", err)
	}
	for version, want := range map[string]string{
		"11\n":  "data directory " + cluster + " was made by Postgres 11, found only ",
		"9.6\n": cluster + " is not a Postgres cluster, move it away",
	} {
		if err := os.WriteFile(filepath.Join(cluster, "PG_VERSION"), []byte(version), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Start(t.Context(), Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Start on a cluster of version %q: %v", version, err)
		}
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	dir := t.TempDir()

	_, err = Start(t.Context(), Options{DataDir: dir, BinDir: anyBin(t), Port: port})
	if want := "port " + strconv.Itoa(port) + " of 127.0.0.1 is taken"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Start on a port that is taken: %v", err)
	}
	if err := keepPort(dir, port); err != nil {
		t.Fatal(err)
	}
	c := mustStart(t, Options{DataDir: dir, BinDir: anyBin(t)})
	if got := query(t, c.URL(), "SHOW port"); got == strconv.Itoa(port) {
		t.Errorf("the server is on port %s, which is another's", got)
	}
	mustClose(t, c, dir)
}

func TestServerErrorIsShown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := mustStart(t, Options{DataDir: dir, BinDir: anyBin(t)})
	mustClose(t, c, dir)
	conf := filepath.Join(dir, "cluster", "postgresql.conf")
	if err := os.WriteFile(conf, []byte("no_such_setting = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("Start with a bad postgresql.conf: %v", err)
	}
}

func TestInterruptedStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(ctx, Options{DataDir: dir, BinDir: anyBin(t)}); err == nil {
		t.Fatal("Start with a cancelled context has started")
	}
	// What a killed process leaves in the middle of initdb.
	left := filepath.Join(dir, "initdb-1234")
	if err := os.MkdirAll(filepath.Join(left, "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left+".password", []byte("x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustStart(t, Options{DataDir: dir, BinDir: anyBin(t)})
	mustClose(t, c, dir)
	if entries, err := filepath.Glob(filepath.Join(dir, "*initdb-*")); err != nil || len(entries) > 0 {
		t.Errorf("%v is left, %v", entries, err)
	}
}

// The process ID in postmaster.pid belongs to another program of the same user.
func TestStalePostmasterPid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := mustStart(t, Options{DataDir: dir, BinDir: anyBin(t)})
	pidfile := filepath.Join(dir, "cluster", "postmaster.pid")
	text, err := os.ReadFile(pidfile)
	if err != nil {
		t.Fatal(err)
	}
	mustClose(t, c, dir)

	who, err := runAs(filepath.Dir(pidfile))
	if err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "100")
	other.SysProcAttr = &syscall.SysProcAttr{Credential: who.credential}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	}()
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(pidfile, []byte(strconv.Itoa(other.Process.Pid)+"\n"+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	c = mustStart(t, Options{DataDir: dir, BinDir: anyBin(t)})
	mustClose(t, c, dir)
	if _, err := os.Stat(pidfile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("postmaster.pid after Close: %v", err)
	}
}
