package spool

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the test binary play a process of its own: see child_test.go.
func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		if err := runChild(role, os.Args[1:]); err != nil {
			slog.Error("child", "err", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// mustOpen opens a spool that is closed at the end of the test.
func mustOpen(t testing.TB, dir string, o Options) *Spool {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustAppend(t testing.TB, s *Spool, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := s.Append([]byte(r)); err != nil {
			t.Fatalf("Append(%.20q): %v", r, err)
		}
	}
}

func mustNext(t testing.TB, s *Spool) *Segment {
	t.Helper()
	g, err := s.Next(t.Context())
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return g
}

func mustDone(t testing.TB, g *Segment) {
	t.Helper()
	if err := g.Done(); err != nil {
		t.Fatalf("Done: %v", err)
	}
}

func records(c *Contents) []string {
	var rs []string
	for _, r := range c.Records() {
		rs = append(rs, string(r))
	}
	return rs
}

// drain takes everything out of a spool.
func drain(t testing.TB, s *Spool) []string {
	t.Helper()
	if err := s.Drain(); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	var rs []string
	for {
		g, err := s.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return rs
		}
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		rs = append(rs, records(g.Contents)...)
		mustDone(t, g)
	}
}

// states lists the segment files of a directory by state, as in ".sealed .done".
func states(t testing.TB, dir string) string {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var ss []string
	for _, f := range files {
		if _, state, ok := splitFile(f.Name()); ok {
			ss = append(ss, state)
		}
	}
	return strings.Join(ss, " ")
}

// oneFile is the path of the only segment file of a state.
func oneFile(t testing.TB, dir, state string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+state))
	if err != nil || len(files) != 1 {
		t.Fatalf("files *%s: %v, %v; want one", state, files, err)
	}
	return files[0]
}
