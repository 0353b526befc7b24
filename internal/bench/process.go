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

// stopTime is how long a process may take to end when it is asked to.
const stopTime = 5 * time.Minute

// process is ingest in a process of its own. It belongs to the goroutine that
// started it, which must end or kill it.
type process struct {
	name  string
	log   string // file with what it says
	cmd   *exec.Cmd
	lines *bufio.Reader // its standard output
	ended chan struct{}
	err   error // of Wait; valid when ended is closed
}

// build builds ingest into the benchmark's folder.
func (b *bench) build(ctx context.Context) (binary string, err error) {
	binary = filepath.Join(b.dir, "ingest")
	if output, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/ingest").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building ingest: %w: %s", err, output)
	}
	return binary, nil
}

// startProcess starts a command of ingest with more variables in its environment.
func startProcess(binary, name string, environment []string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(filepath.Dir(binary), name+".log"), cmd: exec.Command(binary, args...), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer log.Close() // the process has its own
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	defer writer.Close() // as above
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = writer, log, processAttributes()
	p.cmd.Env = append(os.Environ(), environment...)
	if err := p.cmd.Start(); err != nil {
		reader.Close()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p.lines = bufio.NewReader(reader)
	go func() { // ends with the process, for which kill and end wait
		p.err = p.cmd.Wait()
		reader.Close()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// setting is what the process says as key=value in the first lines of its
// output. Then nobody reads its output any more.
func (p *process) setting(key string) (string, error) {
	for {
		line, err := p.lines.ReadString('\n')
		if err != nil {
			<-p.ended
			return "", fmt.Errorf("%s ended before it said %s: %s", p.name, key, p.lastWords())
		}
		if value, ok := strings.CutPrefix(line, key+"="); ok {
			go io.Copy(io.Discard, p.lines) // ends with the process
			return strings.TrimSpace(value), nil
		}
	}
}

// lastWords is the end of the process's log.
func (p *process) lastWords() string {
	said, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(said[max(0, len(said)-1000):]))
}

// kill ends the process at once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails when it has ended
	<-p.ended
}

// end asks the process to end and waits until it has.
func (p *process) end() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	select {
	case <-p.ended:
	case <-time.After(stopTime):
		p.kill()
		return fmt.Errorf("%s did not end within %v and was killed: %s", p.name, stopTime, p.lastWords())
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", p.name, p.err, p.lastWords())
	}
	return nil
}

// alive is an error when the process has ended by itself.
func (p *process) alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%s has ended: %s", p.name, p.lastWords())
	default:
		return nil
	}
}

// memory is a process's resident memory in bytes. Linux only.
func memoryOf(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of process %d (Linux only): %w", pid, err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no memory", pid)
}

// familyCPU is the CPU time so far of a process, of its children, and of those
// children that have ended: Postgres has one for each connection.
func familyCPU(pid int) (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, fmt.Errorf("listing processes: %w", err)
	}
	var ticks int64
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything else
		fields := strings.Fields(rest)
		const parent, utime, stime, cutime, cstime = 1, 11, 12, 13, 14 // counted from the state
		if len(fields) <= cstime {
			return 0, fmt.Errorf("%s cannot be read", file)
		}
		which := fields[utime : stime+1]
		switch {
		case file == fmt.Sprintf("/proc/%d/stat", pid):
			which = fields[utime : cstime+1]
		case fields[parent] != strconv.Itoa(pid):
			continue
		}
		for _, field := range which {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s cannot be read: %w", file, err)
			}
			ticks += n
		}
	}
	const tick = 10 * time.Millisecond // as for processCPU
	return time.Duration(ticks) * tick, nil
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

// until looks every so often until done says so, for at most limit.
func until(ctx context.Context, limit, every time.Duration, what string, done func() (bool, error)) error {
	for deadline := time.Now().Add(limit); ; {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v in vain: %s", limit, what)
		}
		if err := pause(ctx, every); err != nil {
			return err
		}
	}
}
