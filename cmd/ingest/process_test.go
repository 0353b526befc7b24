package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kslive/internal/simulator"
	kuaishou "kslive/proto"
)

// setting is a simulated Kuaishou and both engines, for one test.
type setting struct {
	dir       string
	engines   *engines
	simulator *simulator.Simulator
	logger    *slog.Logger
}

func newSetting(t *testing.T, options simulator.Options) *setting {
	t.Helper()
	s := &setting{dir: t.TempDir(), logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	var err error
	s.engines, err = startEngines(context.Background(), engineFlags{DataDir: s.dir}, s.logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.engines.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := prepareTables(t.Context(), s.engines.stores, true, s.logger); err != nil {
		t.Fatal(err)
	}
	options.Listen, options.Logger = "127.0.0.1:0", s.logger
	s.simulator, err = simulator.Start(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.simulator.Close() })
	return s
}

// curl is the URL of ClickHouse with its password, for requests without the driver.
func (s *setting) curl(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(s.engines.clickhouse.DSN())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = ""
	return u.String()
}

// rooms puts n rooms on air and answers their IDs.
func (s *setting) rooms(t *testing.T, n int) []string {
	t.Helper()
	var ids []string
	for i := range n {
		id := simulator.LiveID(1, i)
		if err := s.simulator.AddRoom(id, simulator.RoomOptions{Live: true}); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// audit compares what was sent with what is stored.
func (s *setting) audit(t *testing.T) simulator.Audit {
	t.Helper()
	audit, err := s.simulator.Ledger().Audit(context.Background(), s.engines.pairs, false)
	if err != nil {
		t.Fatal(err)
	}
	return audit
}

// child is ingest as a process of its own.
type child struct {
	*exec.Cmd
	t      *testing.T
	output *strings.Builder
	ended  chan struct{}
	err    error // of Wait; valid when ended is closed
}

// start starts ingest with args. At the end of the test it is killed.
func (s *setting) start(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{Cmd: exec.Command(os.Args[0], args...), t: t, output: new(strings.Builder), ended: make(chan struct{})}
	c.Env = append(os.Environ(), binaryEnv+"=1")
	c.Stderr, c.Stdout = c.output, io.Discard
	c.SysProcAttr = dieWithParent()
	if err := c.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.err = c.Wait()
		close(c.ended)
	}()
	t.Cleanup(func() {
		c.Process.Kill()
		<-c.ended
		if t.Failed() {
			t.Logf("ingest %s said:\n%s", args[0], c.output)
		}
	})
	return c
}

// lease is that of the workers in tests.
const lease = 4 * time.Second

// startRun starts `ingest run` on the setting.
// What a worker has not loaded when its drain timeout ends is in its spool and not
// lost, but would look so: on a busy machine the usual 30 s are too few.
func (s *setting) startRun(t *testing.T, clickhouse string, more ...string) *child {
	t.Helper()
	return s.start(t, append([]string{
		"run", "--data-dir", s.dir, "--postgres", s.engines.Postgres, "--clickhouse", clickhouse,
		"--kuaishou-url", s.simulator.URL(), "--page-interval=-1s", "--http-listen=", "--lease=" + lease.String(), "--log-level=warn", "--drain-timeout=5m",
	}, more...)...)
}

// kill ends the process as a power cut would.
func (c *child) kill() {
	c.t.Helper()
	if err := c.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	<-c.ended
}

func (c *child) signal(s syscall.Signal) {
	c.t.Helper()
	if err := c.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// stop asks the process to end and waits until it has.
func (c *child) stop() {
	c.t.Helper()
	c.signal(syscall.SIGTERM)
	select {
	case <-c.ended:
	case <-time.After(time.Minute):
		c.t.Fatal("ingest did not stop within a minute")
	}
	if c.err != nil {
		c.t.Fatalf("ingest ended with %v:\n%s", c.err, c.output)
	}
}

// spooledFrames reads every frame in the spool from outside. While a worker
// runs, a segment can change its name under the reader's hands; then it looks
// again.
func (s *setting) spooledFrames(t *testing.T) []*kuaishou.Frame {
	t.Helper()
	for {
		frames, err := s.readSpool()
		if err == nil {
			return frames
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

func (s *setting) readSpool() ([]*kuaishou.Frame, error) {
	var frames []*kuaishou.Frame
	read := map[string]bool{} // while a segment is packed there are two files of it
	for _, state := range []string{".done", ".done.zst", ".sealed", ".active"} {
		names, err := filepath.Glob(filepath.Join(s.dir, "spool", "*"+state))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if read[strings.TrimSuffix(name, state)] {
				continue
			}
			read[strings.TrimSuffix(name, state)] = true
			segment, err := readSegment(name)
			if err != nil {
				return nil, err
			}
			frames = append(frames, segment...)
		}
	}
	return frames, nil
}

// eventually waits until done says so.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s in vain: %s", what)
		}
	}
}

// testWriter writes a log into the test's own.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(line []byte) (int, error) {
	scanner := bufio.NewScanner(strings.NewReader(string(line)))
	for scanner.Scan() {
		w.t.Log(scanner.Text())
	}
	return len(line), nil
}
