//go:build (linux || darwin) && !noembed

package chdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// stopTime is how long a child may take to stop before it is killed: its queries, and then
// hundreds of tables on a busy machine.
const stopTime = drainTime + killTime + 20*time.Second

// process is one child.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr *tail
	exited chan struct{} // closed after err is set
	err    error         // of the exit
}

// startProcess runs a child and waits until it serves on listener. Ending ctx gives the start up.
func startProcess(ctx context.Context, config childConfig, listener *net.TCPListener, logger *slog.Logger) (*process, error) {
	executable, err := selfExecutable()
	if err != nil {
		return nil, err
	}
	socket, err := listener.File()
	if err != nil {
		return nil, fmt.Errorf("sharing the listener: %w", err)
	}
	defer socket.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	defer reader.Close()
	defer writer.Close()

	p := &process{stderr: &tail{logger: logger}, exited: make(chan struct{})}
	p.cmd = &exec.Cmd{
		Path:        executable,
		Args:        []string{os.Args[0], "embedded-clickhouse"}, // for ps only
		Dir:         config.DataDir,
		Env:         childEnviron(),
		Stderr:      p.stderr,
		ExtraFiles:  []*os.File{socket, writer},
		SysProcAttr: childAttributes(),
	}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe: %w", err)
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the engine's process: %w", err)
	}
	writer.Close() // the child has its own, so that its end is the end of the pipe
	go func() {    // ends with the child, for which stop and supervise wait
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	abandon := context.AfterFunc(ctx, func() { p.cmd.Process.Kill() })
	defer abandon()

	var report childReport
	err = json.NewEncoder(stdin).Encode(config)
	if readErr := json.NewDecoder(reader).Decode(&report); readErr == nil && report.Error == "" {
		logger.Info("embedded ClickHouse is up", "version", report.Version, "pid", p.pid(), "address", listener.Addr().String())
		return p, err
	}
	stdin.Close()
	<-p.exited
	return nil, p.startFailure(ctx, report)
}

// startFailure says in one line why the child did not come up.
func (p *process) startFailure(ctx context.Context, report childReport) error {
	stderr := p.stderr.String()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case report.Error == errInUse.Error(), strings.Contains(stderr, "Cannot lock file"):
		return errInUse
	case report.Error == errEngineRefused.Error() && stderr != "":
		return fmt.Errorf("%w: %s", errEngineRefused, oneLine(stderr))
	case report.Error != "":
		return errors.New(report.Error)
	}
	return p.failure()
}

// failure describes an exit that nobody asked for. It may be called after exited is closed.
func (p *process) failure() error {
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	if stderr := p.stderr.String(); stderr != "" {
		return fmt.Errorf("the engine's process ended (%s): %s", how, oneLine(stderr))
	}
	return fmt.Errorf("the engine's process ended (%s)", how)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks the child to end, and kills it if it takes too long.
func (p *process) stop() error {
	p.stdin.Close()
	select {
	case <-p.exited:
	case <-time.After(stopTime):
		p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("stopping the embedded ClickHouse: it did not stop within %s and was killed", stopTime)
	}
	if p.err != nil {
		return fmt.Errorf("stopping the embedded ClickHouse: %w", p.failure())
	}
	return nil
}

// childEnviron passes on what a process needs, and none of the application's settings, some of which are secrets.
func childEnviron() []string {
	env := []string{childEnv + "=1", "TZ=UTC"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH", "GODEBUG", "GOMAXPROCS", "GORACE", "GOCOVERDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// maxTail is how much of a child's stderr is kept.
const maxTail = 8 << 10

// tail keeps the end of what a child wrote to stderr and logs its lines.
type tail struct {
	logger *slog.Logger

	mu    sync.Mutex
	bytes []byte
}

func (t *tail) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		t.logger.Debug("embedded ClickHouse says", "line", strings.TrimRight(string(line), "\r\n"))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes = append(t.bytes, b...)
	if excess := len(t.bytes) - maxTail; excess > 0 {
		t.bytes = slices.Delete(t.bytes, 0, excess)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.bytes))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
