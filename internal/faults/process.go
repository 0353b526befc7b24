package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// program is a built ingest and the folder that its output goes to.
type program struct {
	binary string
	dir    string
}

// child is ingest as a process of its own. It belongs to the goroutine that
// started it.
type child struct {
	name  string
	log   string // file with what it says, of all starts under this name
	cmd   *exec.Cmd
	lines *bufio.Reader // its standard output
	ended chan struct{}
	err   error // of Wait; valid when ended is closed
}

// start starts ingest. The caller must kill it or see it end.
func (p program) start(name string, args ...string) (*child, error) {
	c := &child{name: name, log: filepath.Join(p.dir, name+".log"), cmd: exec.Command(p.binary, args...), ended: make(chan struct{})}
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer log.Close() // the child has its own
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer writer.Close() // as above
	c.cmd.Stdout, c.cmd.Stderr, c.cmd.SysProcAttr = writer, log, childAttributes()
	if err := c.cmd.Start(); err != nil {
		reader.Close()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	c.lines = bufio.NewReader(reader)
	go func() { // ends with the process, for which kill and end wait
		c.err = c.cmd.Wait()
		reader.Close()
		close(c.ended)
	}()
	return c, nil
}

// setting reads lines of the child's output until one says key=value. A child
// that does not say it in time is killed.
func (c *child) setting(key string) (string, error) {
	late := time.AfterFunc(startTime, func() { _ = c.cmd.Process.Kill() })
	defer late.Stop()
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			<-c.ended
			return "", fmt.Errorf("%s ended before it said %s; it is in %s", c.name, key, c.log)
		}
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			return strings.TrimSpace(value), nil
		}
	}
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// signal sends a signal to a child that runs.
func (c *child) signal(signal syscall.Signal) error {
	if err := c.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("sending %v to %s: %w", signal, c.name, err)
	}
	return nil
}

// running says whether the process has not ended.
func (c *child) running() bool {
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// kill ends the process as kill -9 does.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // fails when it has ended
	<-c.ended
}

// end asks the process to end and waits until it has, with exit code 0.
func (c *child) end(ctx context.Context) error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", c.name, err)
	}
	return c.wait(ctx)
}

// wait waits until the process has ended by itself, with exit code 0.
func (c *child) wait(ctx context.Context) error {
	late := time.NewTimer(stopTime)
	defer late.Stop()
	select {
	case <-c.ended:
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		_ = c.signal(syscall.SIGQUIT) // so that its log has the goroutines
		<-c.ended
		return fmt.Errorf("%s did not end within %v; where it stood is in %s", c.name, stopTime, c.log)
	}
	if c.err != nil {
		return fmt.Errorf("%s ended with %w; it is in %s", c.name, c.err, c.log)
	}
	return nil
}

// said says whether the process's log holds text.
func (c *child) said(text string) bool {
	log, err := os.Open(c.log)
	if err != nil {
		return false
	}
	defer log.Close()
	said, err := io.ReadAll(log)
	return err == nil && strings.Contains(string(said), text)
}

// descendants are the processes below pid whose command line contains text.
func descendants(ctx context.Context, pid int, text string) ([]int, error) {
	output, err := exec.CommandContext(ctx, "ps", "-A", "-o", "pid=,ppid=,args=").Output()
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	children, commands := make(map[int][]int), make(map[int]string)
	for line := range strings.Lines(string(output)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		child, err := strconv.Atoi(fields[0])
		parent, parentErr := strconv.Atoi(fields[1])
		if err == nil && parentErr == nil {
			children[parent] = append(children[parent], child)
			commands[child] = strings.Join(fields[2:], " ")
		}
	}
	var found []int
	for below := children[pid]; len(below) > 0; below = below[1:] {
		if strings.Contains(commands[below[0]], text) {
			found = append(found, below[0])
		}
		below = append(below, children[below[0]]...)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no process below %d is called %q", pid, text)
	}
	return found, nil
}

// signalAll sends a signal to processes; one that has ended meanwhile is passed over.
func signalAll(pids []int, signal syscall.Signal) error {
	for _, pid := range pids {
		if pid <= 0 { // this whole group, or all there are
			return fmt.Errorf("%d is no process", pid)
		}
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("sending %v to process %d: %w", signal, pid, err)
		}
	}
	return nil
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// until looks again and again until done says so, for at most limit.
func until(ctx context.Context, limit time.Duration, what string, done func() (bool, error)) error {
	for started := time.Now(); ; {
		ok, err := done()
		if ok {
			return nil
		}
		waited := time.Since(started)
		if waited > limit {
			if err != nil {
				return fmt.Errorf("waited %v in vain: %s: %w", limit, what, err)
			}
			return fmt.Errorf("waited %v in vain: %s", limit, what)
		}
		// What is asked again and again takes time from what it waits for.
		if err := pause(ctx, min(max(waited/10, 50*time.Millisecond), time.Second)); err != nil {
			return err
		}
	}
}
