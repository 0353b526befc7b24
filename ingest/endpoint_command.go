package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

const (
	maxCommands      = 4       // of the operator's program that run at the same time
	maxCommandOutput = 1 << 20 // bytes read of what it prints; an answer has hundreds
)

// endpointCommand is the operator's program that says how rooms are entered.
type endpointCommand struct {
	path    string
	args    []string
	timeout time.Duration
	turns   chan struct{}
}

// newEndpointCommand returns nil when no program is named.
func newEndpointCommand(command []string, timeout time.Duration) (*endpointCommand, error) {
	if len(command) == 0 {
		return nil, nil
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, fmt.Errorf("the endpoint command %q cannot be run: %w", quotable(command[0]), errors.Unwrap(err))
	}
	return &endpointCommand{path: path, args: command[1:], timeout: timeout, turns: make(chan struct{}, maxCommands)}, nil
}

// commanded asks the operator's program if there is one and it is its turn in
// the chain. The error is that of ctx.
func (c *Client) commanded(ctx context.Context, liveID string, turn bool) (Resolution, error) {
	if c.command == nil || !turn {
		return Resolution{}, nil
	}
	found := c.command.ask(ctx, liveID)
	found.Via = ViaEndpoint
	if found.State == StateUnreachable && ctx.Err() == nil {
		c.logger.Warn("the endpoint command has brought no answer", "live_id", liveID, "reason", found.Reason)
	}
	return c.delayed(found, 0), ctx.Err()
}

// commandStates are what the program may print as its state. It speaks of the
// room or of what Kuaishou told it.
var commandStates = map[State]bool{
	StateOffline: true, StateNotFound: true, StateBanned: true, StatePassword: true,
	StateRateLimited: true, StateCaptcha: true, StateLoginRequired: true, StateUnreachable: true,
}

// ask runs the program, without a shell, and reads what it prints. Its output
// holds a token and is shown to nobody.
func (e *endpointCommand) ask(ctx context.Context, liveID string) Resolution {
	failed := func(format string, args ...any) Resolution {
		return Resolution{State: StateUnreachable, Reason: "the endpoint command " + quotable(fmt.Sprintf(format, args...))}
	}
	select {
	case e.turns <- struct{}{}:
		defer func() { <-e.turns }()
	case <-ctx.Done():
		return failed("was not run")
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	output, complaints := &boundedBuffer{limit: maxCommandOutput}, &lastLine{}
	program := exec.CommandContext(ctx, e.path, append(append([]string(nil), e.args...), liveID)...)
	program.Stdout, program.Stderr = output, complaints
	program.WaitDelay = time.Second // for what it has started and left behind
	err := program.Run()
	switch exit, _ := errors.AsType[*exec.ExitError](err); {
	case ctx.Err() != nil:
		return failed("did not answer within %v", e.timeout)
	case output.full:
		return failed("printed more than %d MiB", maxCommandOutput>>20)
	case exit != nil && complaints.String() != "":
		return failed("ended with %v: %s", exit.ProcessState, complaints)
	case exit != nil:
		return failed("ended with %v", exit.ProcessState)
	case err != nil:
		return failed("cannot be run: %v", err)
	}
	return readCommand(output.data, failed)
}

// readCommand reads {"liveStreamId","token","websocketUrls"} or
// {"state":"offline","reason":…}.
func readCommand(output []byte, failed func(string, ...any) Resolution) Resolution {
	var verdict struct {
		State  State  `json:"state"`
		Reason string `json:"reason"`
		Author string `json:"author"`
		Title  string `json:"title"`
	}
	// The errors of encoding/json can quote what they read, and that may be the token.
	if json.Unmarshal(output, &verdict) != nil {
		return failed("printed something that is not a JSON object")
	}
	found := Resolution{Author: verdict.Author, Title: verdict.Title}
	if verdict.State != "" && verdict.State != StateLive {
		if !commandStates[verdict.State] {
			return failed("printed the state %q, which it may not", quotable(string(verdict.State)))
		}
		found.State, found.Reason = verdict.State, joinReason(verdict.State.Sentence(), verdict.Reason)
		return found
	}
	if err := json.Unmarshal(output, &found.Endpoint); err != nil {
		return failed("printed an %v", err)
	}
	if err := found.Endpoint.Validate(); err != nil {
		return failed("printed an %v", err)
	}
	found.State = StateLive
	return found
}

// boundedBuffer keeps what is written up to a limit, and then fails, which ends
// the program that writes.
type boundedBuffer struct {
	data  []byte
	limit int
	full  bool
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	if len(b.data)+len(p) > b.limit {
		b.full = true
		return 0, io.ErrShortWrite
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

// lastLine keeps the last line of what is written that is not empty, its end
// when it is long.
type lastLine struct{ tail []byte }

func (l *lastLine) Write(p []byte) (int, error) {
	const kept = 4 << 10
	l.tail = append(l.tail, p[max(0, len(p)-kept):]...)
	l.tail = append(l.tail[:0], l.tail[max(0, len(l.tail)-kept):]...)
	return len(p), nil
}

func (l *lastLine) String() string {
	text := strings.TrimSpace(string(l.tail))
	return quotable(text[strings.LastIndexByte(text, '\n')+1:])
}
