//go:build (linux || darwin) && !noembed

package chdb

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

func TestKillAndRestart(t *testing.T) {
	t.Parallel()
	e := startEngine(t, Options{Database: "lives", User: "me", Password: "p w"})
	conn := dial(t, e, nil)
	table := newTable(t, conn, "(id UInt64) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 1000")
	insert := func(i uint64) {
		ctx := clickhouse.Context(t.Context(), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": fmt.Sprint("batch ", i)}))
		sendIDs(ctx, t, conn, table, 2*i, 2*i+1)
	}
	for i := range uint64(20) {
		insert(i)
	}
	address := e.URL()
	killed := signalChild(t, e, syscall.SIGKILL)
	eventually(t, "another child is up", func() bool { return e.Restarts() == 1 && e.Pid() != 0 })
	if e.URL() != address {
		t.Errorf("the address has changed from %s to %s", address, e.URL())
	}
	if e.Pid() == killed {
		t.Error("the process ID is that of the killed child")
	}
	conn = dial(t, e, nil)
	for i := range uint64(21) { // all but the last are repeats
		insert(i)
	}
	got := scalar[[]uint64](t, conn, "SELECT [count(), uniqExact(id), min(id), max(id)] FROM "+table)
	if diff := cmp.Diff([]uint64{42, 42, 0, 41}, got); diff != "" {
		t.Errorf("count, distinct, least and greatest id differ (-want +got):\n%s", diff)
	}
}

// signalChild never signals process 0, which would be this whole group.
func signalChild(t *testing.T, e *Engine, signal syscall.Signal) (pid int) {
	t.Helper()
	if pid = e.Pid(); pid <= 0 {
		t.Fatalf("the child's process ID is %d", pid)
	}
	must(t, syscall.Kill(pid, signal))
	return pid
}

func TestTerminatedChildComesBack(t *testing.T) {
	t.Parallel()
	e := startEngine(t, Options{})
	signalChild(t, e, syscall.SIGTERM)
	eventually(t, "another child is up", func() bool { return e.Restarts() == 1 && e.Pid() != 0 })
	must(t, dial(t, e, nil).Ping(t.Context()))
}

// A child must not outlive its parent: it would hold the directory.
func TestParentIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	executable, err := os.Executable()
	must(t, err)
	parent := exec.CommandContext(t.Context(), executable)
	parent.Env = append(os.Environ(), parentEnv+"="+dir)
	parent.Stderr = t.Output()
	out, err := parent.StdoutPipe()
	must(t, err)
	must(t, parent.Start())
	address, readErr := bufio.NewReader(out).ReadString('\n')
	must(t, parent.Process.Kill())
	if err := parent.Wait(); err == nil {
		t.Error("the parent was not killed")
	}
	must(t, readErr)
	eventually(t, "nobody listens", func() bool {
		c, err := net.Dial("tcp", strings.TrimSpace(address))
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	must(t, dial(t, startEngine(t, Options{DataDir: dir}), nil).Ping(t.Context()))
}

func TestDirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := startEngine(t, Options{DataDir: dir})
	conn := dial(t, e, nil)
	table := newTable(t, conn, "(id UInt64) ENGINE = MergeTree ORDER BY id")
	sendIDs(t.Context(), t, conn, table, 1)
	second, err := Start(t.Context(), Options{DataDir: dir})
	if err == nil {
		second.Close()
		t.Fatal("a second engine started in the directory")
	}
	if text := err.Error(); !strings.Contains(text, "data directory in use by another process") || !strings.Contains(text, dir) || strings.Contains(text, "\n") {
		t.Errorf("the error is %q", text)
	}
	sendIDs(t.Context(), t, conn, table, 2)
	if n := scalar[uint64](t, conn, "SELECT sum(id) FROM "+table); n != 3 || e.Restarts() != 0 {
		t.Errorf("the first engine holds %d, want 3, after %d restarts", n, e.Restarts())
	}
}

func TestCloseKeepsData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := Start(t.Context(), Options{DataDir: dir})
	must(t, err)
	conn := dial(t, first, nil)
	must(t, conn.Exec(t.Context(), "CREATE TABLE kept (id UInt64) ENGINE = MergeTree ORDER BY id"))
	sendIDs(t.Context(), t, conn, "kept", 7)
	pid := first.Pid()
	must(t, first.Close())
	must(t, first.Close())
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("the child is still there: %v", err)
	}
	if _, err := http.Get(first.URL() + "/ping"); err == nil {
		t.Error("the address still answers after Close")
	}
	second := startEngine(t, Options{DataDir: dir})
	if id := scalar[uint64](t, dial(t, second, nil), "SELECT id FROM kept"); id != 7 {
		t.Errorf("stored id is %d, want 7", id)
	}
	info, err := os.Stat(filepath.Join(dir, "data"))
	must(t, err)
	if !info.IsDir() {
		t.Error("there is no data directory")
	}
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	e := startEngine(t, Options{MaxMemory: 700 << 20})
	conn := dial(t, e, nil)
	err := readAll(conn.Query(t.Context(), "SELECT length(groupArray(number)) FROM numbers(1000000000)"))
	if err == nil || !strings.Contains(err.Error(), "MEMORY_LIMIT_EXCEEDED") {
		t.Errorf("got %v, want the memory limit", err)
	}
	must(t, conn.Ping(t.Context()))
	if e.Restarts() != 0 {
		t.Error("the engine did not survive its memory limit")
	}
}

// What an insert wrote is on the disk when it is answered, as after a power cut.
func TestInsertIsSynced(t *testing.T) {
	t.Parallel()
	conn := dial(t, startEngine(t, Options{Database: "synced"}), nil)
	table := newTable(t, conn, "(id UInt64) ENGINE = ReplacingMergeTree ORDER BY id")
	must(t, conn.Exec(t.Context(), "SYSTEM STOP MERGES "+table))
	const syncs = "SELECT sum(value) FROM system.events WHERE event = {e:String}"
	for _, event := range []string{"FileSync", "DirectorySync"} {
		before := scalar[uint64](t, conn, syncs, clickhouse.Named("e", event))
		must(t, conn.Exec(t.Context(), "INSERT INTO "+table+" SELECT number FROM numbers(10)"))
		if after := scalar[uint64](t, conn, syncs, clickhouse.Named("e", event)); after == before {
			t.Errorf("an insert was answered without a %s", event)
		}
	}
}

// A set for IN takes a thread for each part that it is read from. Queries that
// together use up the pool of threads hang for ever.
func TestManyThreads(t *testing.T) {
	t.Parallel()
	e := startEngine(t, Options{Database: "threads"})
	conn := dial(t, e, nil)
	table := newTable(t, conn, "(id UInt64) ENGINE = ReplacingMergeTree ORDER BY id")
	must(t, conn.Exec(t.Context(), "SYSTEM STOP MERGES "+table))
	const parts = 300
	must(t, conn.Exec(t.Context(), fmt.Sprintf(
		"INSERT INTO %s SELECT number %% 10 FROM numbers(%d) SETTINGS max_block_size = 1, min_insert_block_size_rows = 1, min_insert_block_size_bytes = 1", table, parts)))
	if n := scalar[uint64](t, conn, "SELECT count() FROM system.parts WHERE active AND table = {t:String}", clickhouse.Named("t", table)); n != parts {
		t.Fatalf("the table has %d parts, not %d", n, parts)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for range 8 {
		group.Go(func() error {
			return conn.Exec(ctx, fmt.Sprintf("SELECT count() FROM %[1]s FINAL WHERE id IN (SELECT id FROM %[1]s FINAL)", table))
		})
	}
	must(t, group.Wait())
}

func TestPasswordIsNotVisible(t *testing.T) {
	if _, err := os.Stat("/proc/self/cmdline"); err != nil {
		t.Skip("this system has no /proc")
	}
	for _, file := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", shared.Pid(), file))
		must(t, err)
		if len(text) == 0 || strings.Contains(string(text), testPassword) {
			t.Errorf("%s of the child is %q", file, text)
		}
	}
}

func TestStartErrors(t *testing.T) {
	noLibrary := filepath.Join(t.TempDir(), "libchdb.so")
	must(t, os.WriteFile(noLibrary, []byte("not a library"), 0o600))
	otherLibrary := "/lib/x86_64-linux-gnu/libm.so.6"
	for name, test := range map[string]struct {
		options Options
		want    string
	}{
		"no directory":     {Options{}, "no data directory"},
		"missing library":  {Options{DataDir: t.TempDir(), Library: "/nowhere/libchdb.so"}, "/nowhere/libchdb.so, which is not a file"},
		"broken library":   {Options{DataDir: t.TempDir(), Library: noLibrary}, "loading libchdb"},
		"other library":    {Options{DataDir: t.TempDir(), Library: otherLibrary}, "too old or not libchdb"},
		"remote address":   {Options{DataDir: t.TempDir(), Listen: "0.0.0.0:0"}, "can be reached from other machines"},
		"every address":    {Options{DataDir: t.TempDir(), Listen: ":0"}, "can be reached from other machines"},
		"remote, no guard": {Options{DataDir: t.TempDir(), Listen: "0.0.0.0:0", AllowRemote: true}, "set a password"},
		"no port":          {Options{DataDir: t.TempDir(), Listen: "127.0.0.1"}, "is not host:port"},
		"port in use":      {Options{DataDir: t.TempDir(), Listen: shared.address()}, "address already in use"},
		"database":         {Options{DataDir: t.TempDir(), Database: "default"}, "cannot be the database"},
		"memory":           {Options{DataDir: t.TempDir(), MaxMemory: -1}, "makes no sense"},
		"file for a dir":   {Options{DataDir: filepath.Join(noLibrary, "x")}, "creating the data directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "other library" && !isFile(otherLibrary) {
				t.Skip(otherLibrary, "is not there")
			}
			e, err := Start(t.Context(), test.options)
			if err == nil {
				e.Close()
				t.Fatal("Start succeeded")
			}
			if text := err.Error(); !strings.Contains(text, test.want) || strings.Contains(text, "\n") {
				t.Errorf("got %q, want one line with %q", text, test.want)
			}
		})
	}
}

func TestStartIsCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if e, err := Start(ctx, Options{DataDir: t.TempDir()}); err == nil {
		e.Close()
		t.Fatal("Start succeeded within a millisecond")
	} else if !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
		t.Errorf("got %v, want the deadline", err)
	}
}

func TestFindLibrary(t *testing.T) {
	dir := t.TempDir()
	pinned := filepath.Join(dir, "deploy/engines/node_modules/@chdb", "lib-"+platformName()+"-gnu", libraryFile)
	must(t, os.MkdirAll(filepath.Dir(pinned), 0o755))
	must(t, os.WriteFile(pinned, nil, 0o600))
	below := filepath.Join(dir, "cmd/ingest")
	must(t, os.MkdirAll(below, 0o755))
	t.Setenv(LibraryEnv, "")
	t.Chdir(below)
	if got, err := FindLibrary(""); err != nil || !sameFile(t, got, pinned) {
		t.Errorf("from below: got %q, %v; want %q", got, err, pinned)
	}
	named := filepath.Join(dir, "mine.so")
	must(t, os.WriteFile(named, nil, 0o600))
	t.Setenv(LibraryEnv, named)
	if got, err := FindLibrary(""); err != nil || got != named {
		t.Errorf("from the environment: got %q, %v; want %q", got, err, named)
	}
	if got, err := FindLibrary(pinned); err != nil || got != pinned {
		t.Errorf("explicit: got %q, %v; want %q", got, err, pinned)
	}
	t.Setenv(LibraryEnv, dir)
	if _, err := FindLibrary(""); err == nil || !strings.Contains(err.Error(), LibraryEnv) {
		t.Errorf("a directory in the environment: got %v, want an error that names %s", err, LibraryEnv)
	}
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}
