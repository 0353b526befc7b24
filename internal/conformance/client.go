package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// client is the process that is examined.
type client struct {
	command *exec.Cmd
	exited  chan struct{} // closed when it is gone
	tail    tail
}

// startClient starts the command with {url} and {live_id} filled in, and in no
// shell.
func startClient(command []string, url, liveID string) (*client, error) {
	fill := strings.NewReplacer("{url}", url, "{live_id}", liveID)
	args := make([]string, len(command))
	for i, arg := range command {
		args[i] = fill.Replace(arg)
	}
	c := &client{command: exec.Command(args[0], args[1:]...), exited: make(chan struct{})}
	c.command.Stdout, c.command.Stderr = io.Discard, &c.tail
	c.command.SysProcAttr = groupOfItsOwn()
	// What a child of the child has open must not be waited for.
	c.command.WaitDelay = time.Second
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the client: %w", err)
	}
	go func() { // stop waits for it
		defer close(c.exited)
		_ = c.command.Wait() // how it ends is not judged: only what is on the wire
	}()
	return c, nil
}

// gone is whether the client has exited.
func (c *client) gone() bool {
	select {
	case <-c.exited:
		return true
	default:
		return false
	}
}

// leave asks the client to stop, as a person does with Ctrl-C or a service
// manager with SIGTERM.
func (c *client) leave() error { return terminate(c.command.Process) }

// stop ends the client, if need be by force.
func (c *client) stop(ctx context.Context) {
	if !c.gone() {
		_ = terminate(c.command.Process)
	}
	select {
	case <-c.exited:
		return
	case <-time.After(slack):
	case <-ctx.Done():
	}
	_ = kill(c.command.Process)
	<-c.exited
}

// lastWords is the end of what the client wrote to stderr, for who has to find
// out why it failed.
func (c *client) lastWords() string {
	if words := c.tail.String(); words != "" {
		return "; the client's last words: " + words
	}
	return ""
}

// tail keeps the last lines of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailBytes = 600

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if more := len(t.kept) - tailBytes; more > 0 {
		t.kept = append(t.kept[:0], t.kept[more:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.Join(bytes.Fields(bytes.ToValidUTF8(t.kept, nil)), []byte(" ")))
}
