package pgembed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// stopOrphans ends the server that a killed process has left on dir. The kernel has told it to stop already, but it may
// take its time, and a server started by hand was told nothing. The caller holds the lock of dir.
func stopOrphans(ctx context.Context, dir string, logger *slog.Logger) error {
	pidfile := filepath.Join(dir, "cluster", "postmaster.pid")
	for _, step := range []struct {
		all    bool // to every process rather than the server alone, whose children read SIGINT otherwise
		signal syscall.Signal
		wait   time.Duration
	}{{false, syscall.SIGINT, fastStop}, {true, syscall.SIGQUIT, immediateStop}, {true, syscall.SIGKILL, immediateStop}} {
		pids := postgresIn(dir)
		if len(pids) == 0 {
			return removeStale(pidfile)
		}
		logger.Warn("stopping a Postgres that was left running on the data directory", "dir", dir, "pids", pids, "signal", step.signal)
		for _, pid := range pids {
			if !step.all && pid != recordedPid(pidfile) {
				continue
			}
			if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("stopping the Postgres (pid %d) that was left running on %s, stop it by hand: %w", pid, dir, err)
			}
		}
		if err := waitGone(ctx, dir, step.wait); err != nil {
			return fmt.Errorf("waiting for the Postgres that was left running on %s (pids %v): %w", dir, pids, err)
		}
	}
	if pids := postgresIn(dir); len(pids) > 0 {
		return fmt.Errorf("a Postgres left running on %s (pids %v) does not end: stop it by hand", dir, pids)
	}
	return removeStale(pidfile)
}

// waitGone waits until no process of Postgres works in dir, or until the time is over.
func waitGone(ctx context.Context, dir string, atMost time.Duration) error {
	over := time.After(atMost)
	for len(postgresIn(dir)) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return nil
		case <-time.After(20 * time.Millisecond): // they are nobody's children here, so nothing announces their end
		}
	}
	return nil
}

// recordedPid reads the server's process ID from postmaster.pid; 0 when there is none.
func recordedPid(pidfile string) int {
	text, err := os.ReadFile(pidfile)
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	pid, err := strconv.Atoi(string(bytes.TrimSpace(line)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// removeStale removes a postmaster.pid whose process ID has gone to another program since, after a reboot for one:
// Postgres would refuse to start while that program lives. Other stale files Postgres replaces by itself. The caller
// has seen that no Postgres works in the directory.
func removeStale(pidfile string) error {
	pid := recordedPid(pidfile)
	if pid == 0 || !worksElsewhere(pid, filepath.Dir(pidfile)) {
		return nil
	}
	if err := os.Remove(pidfile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing a stale postmaster.pid: %w", err)
	}
	return nil
}
