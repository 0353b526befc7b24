package pgembed

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"
)

// childEnv makes this test binary a process that runs a cluster and nothing else.
const childEnv = "PGEMBED_TEST_CHILD"

// A childOrder is what a child is told in childEnv, a childReport what it writes when Start has returned.
type (
	childOrder  struct{ DataDir, BinDir string }
	childReport struct {
		URL, Err string
		Pid      int
	}
)

func TestMain(m *testing.M) {
	if order := os.Getenv(childEnv); order != "" {
		os.Exit(beChild(order))
	}
	goleak.VerifyTestMain(m)
}

// beChild runs a cluster until its standard input ends.
func beChild(text string) int {
	var order childOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		panic(err)
	}
	out := json.NewEncoder(os.Stdout)
	c, err := Start(context.Background(), Options{DataDir: order.DataDir, BinDir: order.BinDir})
	if err != nil {
		_ = out.Encode(childReport{Err: err.Error()})
		return 1
	}
	_ = out.Encode(childReport{URL: c.URL(), Pid: c.Pid()})
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := c.Close(); err != nil {
		return 1
	}
	return 0
}

// startChild runs the test binary exe as a child with the given credential and waits for its report. end lets it
// close its cluster and returns how it exited.
func startChild(t *testing.T, exe string, cred *syscall.Credential, order childOrder) (cmd *exec.Cmd, report childReport, end func() error) {
	t.Helper()
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(exe)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadBytes('\n')
	if err := json.Unmarshal(line, &report); err != nil {
		_ = cmd.Process.Kill()
		t.Fatalf("the child wrote %q: %v, %v", line, err, cmd.Wait())
	}
	return cmd, report, func() error {
		_ = stdin.Close()
		return cmd.Wait()
	}
}

// eachInstallation runs the test with every Postgres of the machine, and there must be one.
func eachInstallation(t *testing.T, test func(t *testing.T, bin string)) {
	seen := map[string]bool{}
	for _, bin := range candidates() {
		program, err := filepath.EvalSymlinks(filepath.Join(bin, "postgres"))
		if err != nil || seen[program] {
			continue
		}
		seen[program] = true
		major, err := majorOf(t.Context(), bin)
		if err != nil {
			t.Fatal(err)
		}
		name := strconv.Itoa(major)
		if isPackage(bin) {
			name += "-npm"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, bin)
		})
	}
	if len(seen) == 0 {
		t.Fatal("no Postgres on this machine: run `make engines`")
	}
}

func isPackage(bin string) bool {
	_, err := os.Stat(filepath.Join(bin, "../pg-symlinks.json"))
	return err == nil
}

// anyBin is the installation that Find would take.
func anyBin(t *testing.T) string {
	t.Helper()
	bin, err := Find("")
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// openDir returns a new directory that every user can reach, which t.TempDir is not.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgembed-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyPackage copies an npm package of Postgres to dst as a fresh npm ci without install scripts leaves it: no links.
// It returns the copy's bin directory.
func copyPackage(t *testing.T, bin, dst string) string {
	t.Helper()
	src := filepath.Join(bin, "../..")
	err := filepath.WalkDir(src, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(src, path)
		to := filepath.Join(dst, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(to, 0o755)
		case !e.Type().IsRegular() || strings.HasSuffix(path, ".a"):
			return nil
		}
		return copyFile(path, to)
	})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dst, "native/bin")
}

func copyFile(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_WRONLY|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Close()
}

// mustStart starts a cluster that is closed at the end of the test, if the test has not done it.
func mustStart(t *testing.T, o Options) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// mustClose closes a cluster that runs and checks that nothing of it is left.
func mustClose(t *testing.T, c *Cluster, dataDir string) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if pids := postgresIn(dataDir); len(pids) > 0 {
		t.Fatalf("processes %v are left after Close", pids)
	}
}

// query runs one statement and returns the first column of its first row, "" when there is none.
func query(t *testing.T, url, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return strings.Join(values, " ")
}
