package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"kslive/internal/process"
)

// fillSpool keeps ClickHouse away until rooms are closed.
func fillSpool(ctx context.Context, s *stage) error {
	s.clickhouseProxy.close()
	if err := s.connected(ctx, 0); err != nil {
		return err
	}
	s.injected++
	s.silences = append(s.silences, time.Now())
	err := process.Until(ctx, 10*time.Second, time.Second, "live_status says that the spool is full", func() (bool, error) {
		n, err := s.lookUp(ctx, "SELECT count(*)::text FROM live_status WHERE reason LIKE '%spool is full%'")
		return n != "" && n != "0", err
	})
	if err := errors.Join(err, s.clickhouseProxy.open()); err != nil {
		return err
	}
	if err := s.connected(ctx, len(s.kuaishou.rooms)); err != nil {
		return err
	}
	return s.recover(ctx)
}

// fillDisk puts a file system of 1 MiB under the spool and keeps ClickHouse away.
func fillDisk(ctx context.Context, s *stage) error {
	w := s.workers[0]
	if err := w.end(ctx); err != nil {
		return err
	}
	if _, err := s.received.read(w.spool); err != nil {
		return err
	}
	if output, err := exec.CommandContext(ctx, "mount", "-t", "tmpfs", "-o", "size=1m", "none", w.spool).CombinedOutput(); err != nil {
		s.notes = append(s.notes, "not done, for this user may not mount: "+strings.TrimSpace(string(output)))
		s.injected++ // a stop, at least
		return errors.Join(w.start(), s.recover(ctx))
	}
	s.mounted = append(s.mounted, w.spool)
	if err := errors.Join(w.start(), s.connected(ctx, len(s.kuaishou.rooms))); err != nil {
		return err
	}
	s.clickhouseProxy.close()
	err := s.connected(ctx, 0)
	s.injected++
	s.expect(w.child.Said("no space left on device"), "the log does not say that the disk is full")
	s.silences = append(s.silences, time.Now())
	if err := errors.Join(err, s.clickhouseProxy.open()); err != nil {
		return err
	}
	if err := s.connected(ctx, len(s.kuaishou.rooms)); err != nil {
		return err
	}
	return s.recover(ctx)
}

// immutable is how a folder is made read-only for root, too.
func immutable(folder string, on bool) error {
	if os.Geteuid() != 0 {
		mode := os.FileMode(0o700)
		if on {
			mode = 0o500
		}
		return os.Chmod(folder, mode)
	}
	flag := "-i"
	if on {
		flag = "+i"
	}
	if output, err := exec.Command("chattr", flag, folder).CombinedOutput(); err != nil {
		return fmt.Errorf("making %s read-only: %w: %s", folder, err, output)
	}
	return nil
}

func readOnly(ctx context.Context, s *stage) error {
	w := s.workers[0]
	if err := immutable(w.spool, true); err != nil {
		return err
	}
	s.immutable = append(s.immutable, w.spool)
	s.injected++
	err := s.connected(ctx, 0)
	s.silences = append(s.silences, time.Now())
	if err := errors.Join(err, immutable(w.spool, false)); err != nil {
		return err
	}
	if err := s.connected(ctx, len(s.kuaishou.rooms)); err != nil {
		return err
	}
	return s.recover(ctx)
}

func startReadOnly(ctx context.Context, s *stage) error {
	w := s.workers[0]
	if err := w.kill(); err != nil {
		return err
	}
	if err := immutable(w.spool, true); err != nil {
		return err
	}
	s.immutable = append(s.immutable, w.spool)
	s.injected++
	err := w.start()
	if err == nil {
		err = s.refusedToStart(ctx, w.child, "spool")
	}
	if err := errors.Join(err, immutable(w.spool, false)); err != nil {
		return err
	}
	if err := w.start(); err != nil {
		return err
	}
	return s.recover(ctx)
}

// refusedToStart expects a worker to end by itself with exit code 1 and words.
func (s *stage) refusedToStart(ctx context.Context, c *process.Process, words string) error {
	refusing, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := c.Wait(refusing); err == nil || c.Running() {
		s.expect(false, "%s did not refuse to start", c.Name())
		c.Kill()
		return ctx.Err()
	}
	s.expect(c.ExitCode() == 1, "%s ended with code %d, not 1", c.Name(), c.ExitCode())
	s.expect(c.Said(words), "%s does not say %q when it refuses to start; see %s", c.Name(), words, c.Log())
	return nil
}

// restoreFiles undoes what would keep the files from being removed.
func (s *stage) restoreFiles() error {
	var errs []error
	for _, folder := range s.immutable {
		errs = append(errs, immutable(folder, false))
	}
	for _, folder := range s.mounted {
		errs = append(errs, exec.Command("umount", folder).Run())
	}
	return errors.Join(errs...)
}
