package pgembed

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

const (
	tailLines = 12
	tailWidth = 1000 // bytes kept of one line
)

// A tail takes what a program writes: it keeps the last lines for an error message and passes each on to the log.
// The zero value is ready and logs nothing.
type tail struct {
	logger *slog.Logger

	mu    sync.Mutex // covers what follows
	part  []byte     // a line that has no end yet, cut at tailWidth
	lines []string
}

// Write never fails, as a program must not be stopped by its log.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	for {
		line, rest, ended := bytes.Cut(p, []byte{'\n'})
		t.part = append(t.part, line[:min(len(line), tailWidth-len(t.part))]...)
		if !ended {
			return n, nil
		}
		t.add(string(t.part))
		t.part, p = t.part[:0], rest
	}
}

func (t *tail) add(line string) {
	if t.logger != nil {
		t.logger.LogAttrs(context.Background(), slog.LevelDebug, "postgres", slog.String("line", line))
	}
	if t.lines = append(t.lines, line); len(t.lines) > tailLines {
		t.lines = t.lines[1:]
	}
}

// contains says whether one of the last lines has s in it.
func (t *tail) contains(s string) bool { return strings.Contains(t.suffix(), s) }

// suffix is the last lines as the end of an error message; "" when there are none.
func (t *tail) suffix() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(strings.Join(t.lines, "\n") + "\n" + string(t.part))
	if text == "" {
		return ""
	}
	return ":\n" + text
}
