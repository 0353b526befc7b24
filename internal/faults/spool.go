package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kslive/internal/process"
)

// spoolScenarios break the files of the spool, most of them while the worker is
// dead and ClickHouse away, so that the files are all there is.
func spoolScenarios() []*scenario {
	return []*scenario{
		{name: "spool-torn", breaks: "the last record of the active segment is torn", short: true, disk: true, inject: wrecked(tear)},
		{name: "spool-flipped", breaks: "bits are flipped in the middle of segments", short: true, disk: true, inject: wrecked(flip)},
		{name: "spool-power-cut", breaks: "the active segment ends at the last fsync, or holds zeros or rubbish after it", disk: true, inject: wrecked(cutPower)},
		{name: "spool-clock", breaks: "the clock is set back an hour: segments have names from the future", disk: true, inject: wrecked(fromTheFuture)},
		{name: "spool-removed", breaks: "a segment is removed by hand while the worker runs", disk: true, inject: removeSegment},
		{
			name: "spool-max", breaks: "the spool reaches --spool-max while ClickHouse is away: rooms are closed, and opened again", short: true, sockets: true,
			flags: []string{"--spool-max=300000"}, inject: fillSpool,
		},
		{name: "spool-disk-full", breaks: "the disk under the spool is full (a small tmpfs)", sockets: true, inject: fillDisk},
		{name: "spool-read-only", breaks: "the spool's folder turns read-only under the worker", sockets: true, inject: readOnly},
		{name: "spool-read-only-start", breaks: "the worker is started on a spool that is read-only", sockets: true, inject: startReadOnly},
	}
}

// wrecked kills the worker while much waits in its spool, wrecks that, and
// starts it again. What then is left in the spool counts as received.
func wrecked(wreck func(s *stage, spool string) error) func(context.Context, *stage) error {
	return func(ctx context.Context, s *stage) error {
		w := s.workers[0]
		for range s.times(1, 4) {
			s.clickhouseProxy.close()
			if err := s.backlog(ctx, w); err != nil {
				return err
			}
			w.child.Kill()
			s.silences = append(s.silences, time.Now())
			if err := wreck(s, w.spool); err != nil {
				return fmt.Errorf("wrecking the spool: %w", err)
			}
			if _, err := s.received.read(w.spool); err != nil {
				return err
			}
			if err := errors.Join(s.clickhouseProxy.open(), w.start()); err != nil {
				return err
			}
			if err := s.recover(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// backlog waits until some segments wait in the spool, and an active one has records.
func (s *stage) backlog(ctx context.Context, w *worker) error {
	return process.Until(ctx, patience, time.Second, "segments wait in the spool", func() (bool, error) {
		sealed, err := segments(w.spool, ".sealed")
		if err != nil || len(sealed) < 4 {
			return false, err
		}
		_, size, err := activeSegment(w.spool)
		return size > 2000, err
	})
}

// activeSegment is the file that is appended to; size is 0 when there is none.
func activeSegment(spool string) (path string, size int64, err error) {
	found, err := segments(spool, ".active")
	if err != nil || len(found) == 0 {
		return "", 0, err
	}
	info, err := os.Stat(found[len(found)-1])
	if errors.Is(err, os.ErrNotExist) {
		return "", 0, nil // sealed meanwhile
	}
	if err != nil {
		return "", 0, err
	}
	return found[len(found)-1], info.Size(), nil
}

// kept compares how many frames a file holds before and after something is
// done to it: at most so many may be lost.
func (s *stage) kept(path string, atMost int, damage func() error) error {
	before, err := readFrames(path)
	if err != nil {
		return err
	}
	if err := damage(); err != nil {
		return err
	}
	after, err := readFrames(path)
	s.expect(len(before)-len(after) <= atMost, "damage to %s cost %d frames, not %d", filepath.Base(path), len(before)-len(after), atMost)
	s.injected++
	return err
}

func tear(s *stage, spool string) error {
	path, size, err := activeSegment(spool)
	if err != nil {
		return err
	}
	return s.kept(path, 1, func() error { return os.Truncate(path, size-1-s.random.Int64N(40)) })
}

// flip leaves the oldest segment alone: a part of it may be in ClickHouse.
func flip(s *stage, spool string) error {
	sealed, err := segments(spool, ".sealed")
	if err != nil {
		return err
	}
	for _, path := range sealed[1:] {
		if err := s.kept(path, 1, func() error { return s.flipBit(path) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) flipBit(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	data[s.random.IntN(len(data))] ^= 1 << s.random.IntN(8)
	return os.WriteFile(path, data, 0o600)
}

// cutPower leaves of the active segment what must have been synced: what was
// there 200 ms before the end.
func cutPower(s *stage, spool string) error {
	path, size, err := activeSegment(spool)
	if err != nil {
		return err
	}
	synced, err := s.syncedFrames(path)
	if err != nil {
		return err
	}
	s.injected++
	if err := os.Truncate(path, synced); err != nil || s.random.IntN(3) == 0 {
		return err
	}
	// The file system knew the length and not yet the bytes.
	if s.random.IntN(2) == 0 {
		return os.Truncate(path, size)
	}
	rubbish := make([]byte, size-synced)
	for i := range rubbish {
		rubbish[i] = byte(s.random.Uint32())
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = file.Write(rubbish)
	return errors.Join(err, file.Close())
}

// syncedFrames is the length of the file up to the last frame that was received
// more than the fsync interval, with some room, before the file's last.
func (s *stage) syncedFrames(path string) (int64, error) {
	frames, offsets, err := framesAt(path)
	if err != nil || len(frames) == 0 {
		return 0, err
	}
	last := frames[len(frames)-1].ReceivedAt
	for i, frame := range frames {
		if last-frame.ReceivedAt < 250 {
			return offsets[i], nil
		}
	}
	return offsets[len(offsets)-1], nil
}

// fromTheFuture gives all segments but the oldest names an hour later.
func fromTheFuture(s *stage, spool string) error {
	const layout = "20060102T150405.000000000Z"
	for _, state := range []string{".sealed", ".active"} {
		found, err := segments(spool, state)
		if err != nil {
			return err
		}
		if state == ".sealed" {
			found = found[1:]
		}
		for _, path := range slices.Backward(found) {
			at, err := time.Parse(layout, strings.TrimSuffix(filepath.Base(path), state))
			if err != nil {
				return err
			}
			if err := os.Rename(path, filepath.Join(spool, at.Add(time.Hour).Format(layout)+state)); err != nil {
				return err
			}
		}
	}
	s.injected++
	return nil
}

// removeSegment removes one that waits while the worker runs.
func removeSegment(ctx context.Context, s *stage) error {
	w := s.workers[0]
	for range s.times(1, 4) {
		s.clickhouseProxy.close()
		if err := s.backlog(ctx, w); err != nil {
			return err
		}
		sealed, err := segments(w.spool, ".sealed")
		if err != nil {
			return err
		}
		if err := os.Remove(sealed[1+s.random.IntN(len(sealed)-1)]); err != nil {
			return err
		}
		s.injected++
		if err := s.clickhouseProxy.open(); err != nil {
			return err
		}
		if err := s.recover(ctx); err != nil {
			return err
		}
	}
	s.expect(w.child.Said("removed by hand"), "the log does not say that a segment was removed by hand")
	return nil
}
