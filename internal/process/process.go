// Package process runs ingest as processes of their own, for the programs that
// break it and that measure it. Linux and other Unixes.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// startTime is how long a process may take to say what it says at its start,
// stopTime how long to end when it is asked to.
const (
	startTime = 2 * time.Minute
	stopTime  = 10 * time.Minute
)

// errEnded says that a process has ended that should have gone on.
var errEnded = errors.New("has ended")

// Program is a built ingest and how its processes are started.
type Program struct {
	Binary      string
	Dir         string   // of their logs
	Environment []string // what theirs has beside ours, as "KEY=value"
}

// Build builds ingest into dir. It is to be called from the project's folder.
func Build(ctx context.Context, dir string) (Program, error) {
	p := Program{Binary: filepath.Join(dir, "ingest"), Dir: dir}
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", p.Binary, "./cmd/ingest").CombinedOutput(); err != nil {
		return Program{}, fmt.Errorf("building ingest: %w: %s", err, output)
	}
	return p, nil
}

// Process is a process of ingest. It belongs to the goroutine that started it,
// which must kill it or see it end.
type Process struct {
	name   string
	log    string // file with what it says, of all starts under this name
	output string // file with its standard output
	cmd    *exec.Cmd
	ended  chan struct{}
	err    error // of Wait; valid when ended is closed
}

// Start starts ingest with args. Name is that of its log.
func (p Program) Start(name string, args ...string) (*Process, error) {
	file := filepath.Join(p.Dir, name)
	c := &Process{name: name, log: file + ".log", output: file + ".out", cmd: exec.Command(p.Binary, args...), ended: make(chan struct{})}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer log.Close() // the process has its own
	output, err := os.OpenFile(c.output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer output.Close() // as above
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.SysProcAttr = output, log, attributes()
	c.cmd.Env = append(os.Environ(), p.Environment...)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() { // ends with the process, for which Kill, End and Wait wait
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// Setting waits until the process has said key=value in a line of its standard
// output, which it must within two minutes.
func (c *Process) Setting(ctx context.Context, key string) (value string, err error) {
	err = Until(ctx, startTime, time.Second, c.name+" says "+key, func() (bool, error) {
		ended := c.Alive() // asked first: what it said before it ended counts
		output, err := os.ReadFile(c.output)
		for line := range strings.Lines(string(output)) {
			said, ok := strings.CutPrefix(line, key+"=")
			if ok && strings.HasSuffix(said, "\n") {
				value = strings.TrimSpace(said)
				return true, nil
			}
		}
		return false, errors.Join(err, ended)
	})
	return value, err
}

// Name is what the process was started as.
func (c *Process) Name() string { return c.name }

// PID is the process's ID.
func (c *Process) PID() int { return c.cmd.Process.Pid }

// Log is the file with what the process says.
func (c *Process) Log() string { return c.log }

// Signal sends a signal to a process that runs.
func (c *Process) Signal(signal syscall.Signal) error {
	if err := c.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("sending %v to %s: %w", signal, c.name, err)
	}
	return nil
}

// Running says whether the process has not ended.
func (c *Process) Running() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// ExitCode is the code that the process ended with; -1 while it runs, and when a
// signal ended it.
func (c *Process) ExitCode() int {
	if c.Running() {
		return -1
	}
	return c.cmd.ProcessState.ExitCode()
}

// Alive is an errEnded when the process has ended.
func (c *Process) Alive() error {
	if c.Running() {
		return nil
	}
	return fmt.Errorf("%s %w; it is in %s: %s", c.name, errEnded, c.log, c.lastWords())
}

// Kill ends the process as kill -9 does.
func (c *Process) Kill() {
	_ = c.cmd.Process.Kill() // fails when it has ended
	<-c.ended
}

// End asks the process to end and waits until it has, with exit code 0.
func (c *Process) End(ctx context.Context) error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", c.name, err)
	}
	return c.Wait(ctx)
}

// Wait waits until the process has ended by itself, with exit code 0.
func (c *Process) Wait(ctx context.Context) error {
	late := time.NewTimer(stopTime)
	defer late.Stop()
	select {
	case <-c.ended:
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		_ = c.Signal(syscall.SIGQUIT) // so that its log has the goroutines
		<-c.ended
		return fmt.Errorf("%s did not end within %v; where it stood is in %s", c.name, stopTime, c.log)
	}
	if c.err != nil {
		return fmt.Errorf("%s ended with %w; it is in %s: %s", c.name, c.err, c.log, c.lastWords())
	}
	return nil
}

// Said says whether the process's log holds text.
func (c *Process) Said(text string) bool {
	log, err := os.Open(c.log)
	if err != nil {
		return false
	}
	defer log.Close()
	said, err := io.ReadAll(log)
	return err == nil && strings.Contains(string(said), text)
}

// lastWords is the end of the process's log.
func (c *Process) lastWords() string {
	said, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(said[max(0, len(said)-500):]))
}
