package console

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// keptLines is how many warnings and errors a Log keeps.
const keptLines = 50

// Log is a slog.Handler that passes on what is logged, and keeps the last
// warnings and errors for people to see. It is safe for concurrent use.
type Log struct {
	next slog.Handler
	with string // attributes that every line has
	kept *keptLog
}

type keptLog struct {
	mu    sync.Mutex
	lines []LogLine // the latest last; guarded by mu
}

// LogLine is a warning or an error that was logged.
type LogLine struct {
	At      time.Time
	Level   slog.Level
	Message string
	Details string // the attributes
}

// NewLog makes a Log before another handler.
func NewLog(next slog.Handler) *Log { return &Log{next: next, kept: new(keptLog)} }

// Lines are the last warnings and errors, the latest first.
func (l *Log) Lines() []LogLine {
	l.kept.mu.Lock()
	defer l.kept.mu.Unlock()
	lines := make([]LogLine, 0, len(l.kept.lines))
	for i := len(l.kept.lines) - 1; i >= 0; i-- {
		lines = append(lines, l.kept.lines[i])
	}
	return lines
}

// Enabled is part of slog.Handler.
func (l *Log) Enabled(ctx context.Context, level slog.Level) bool { return l.next.Enabled(ctx, level) }

// Handle is part of slog.Handler.
func (l *Log) Handle(ctx context.Context, record slog.Record) error {
	if record.Level >= slog.LevelWarn {
		details := []string{l.with}
		record.Attrs(func(a slog.Attr) bool {
			details = append(details, written(a))
			return true
		})
		l.kept.add(LogLine{record.Time, record.Level, clean(record.Message, 300), clean(strings.TrimSpace(strings.Join(details, " ")), 500)})
	}
	return l.next.Handle(ctx, record)
}

func written(a slog.Attr) string { return fmt.Sprintf("%s=%v", a.Key, a.Value.Resolve()) }

// WithAttrs is part of slog.Handler.
func (l *Log) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := []string{l.with}
	for _, a := range attrs {
		with = append(with, written(a))
	}
	return &Log{next: l.next.WithAttrs(attrs), with: strings.TrimSpace(strings.Join(with, " ")), kept: l.kept}
}

// WithGroup is part of slog.Handler.
func (l *Log) WithGroup(name string) slog.Handler {
	return &Log{next: l.next.WithGroup(name), with: l.with, kept: l.kept}
}

func (k *keptLog) add(line LogLine) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.lines) == keptLines {
		k.lines = k.lines[:copy(k.lines, k.lines[1:])]
	}
	k.lines = append(k.lines, line)
}
