package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"
)

// readAttempts is how often Next fails on one segment, at least readPause after
// each other, before it sets the segment aside, so that a bad sector does not hold
// up all that follows.
const (
	readAttempts = 3
	readPause    = 10 * time.Second
)

// Segment is a sealed segment in the hands of one caller, who ends with exactly
// one of Done, Bad and Release. Nothing else ends it but Close: it is handed
// out again after the next Open.
type Segment struct {
	*Contents
	s   *Spool
	seg *segment
}

// Next hands out the oldest sealed segment that nobody holds, and waits for one
// until ctx ends. While it waits it seals the active segment as soon as that
// has the age Options.SealAge. It returns io.EOF when, after Drain, nothing is
// left to hand out, and ErrClosed after Close. Other errors come from the disk;
// the caller may try again. A segment whose file stays unreadable becomes .bad, one
// that was removed by hand is passed over, and both are logged.
func (s *Spool) Next(ctx context.Context) (*Segment, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		seg, wait, changed, err := s.take()
		if err != nil {
			return nil, err
		}
		if seg != nil {
			if g, err := s.load(seg); g != nil || err != nil {
				return g, err
			}
			continue
		}
		var old <-chan time.Time
		if wait > 0 {
			old = time.After(wait)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-old:
			s.flush() // outside the lock, so that appending waits less for seal
		}
	}
}

// take returns the oldest free segment. When there is none, it returns how long
// it takes until the active one is old enough, 0 for none, and a channel that
// is closed when looking again may help.
func (s *Spool) take() (seg *segment, wait time.Duration, changed <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, 0, nil, ErrClosed
	}
	if a := s.active; s.free() == nil && a != nil && (a.records > 0 || s.draining) {
		wait = s.o.SealAge - time.Since(a.first)
		if wait <= 0 || s.draining {
			if err := s.seal(); err != nil {
				return nil, 0, nil, err
			}
		}
	}
	if seg := s.free(); seg != nil {
		seg.taken = true
		return seg, 0, nil, nil
	}
	if s.draining {
		return nil, 0, nil, io.EOF
	}
	return nil, wait, s.changed, nil
}

// free is the oldest sealed segment that nobody holds, or nil. mu is held.
func (s *Spool) free() *segment {
	for _, seg := range s.sealed {
		if !seg.taken {
			return seg
		}
	}
	return nil
}

// load reads a segment just taken. It returns nothing when the segment is no
// longer to be had.
func (s *Spool) load(seg *segment) (*Segment, error) {
	c, err := ReadFile(s.path(seg.name, sealed))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, s.gone(seg)
	case err != nil:
		return nil, s.unreadable(seg, err)
	}
	g := &Segment{Contents: c, s: s, seg: seg}
	if gaps, lost := c.Damage(); gaps > 0 && !seg.damaged {
		seg.damaged = true
		s.mu.Lock()
		s.counts.corrupt += int64(gaps)
		s.counts.corruptBytes += lost
		s.mu.Unlock()
		s.o.Logger.Error("spool segment is damaged, the rest of it is handed on and the file will be kept as .bad",
			"segment", seg.name, "records", c.Len(), "damaged_places", gaps, "damaged_bytes", lost)
	}
	return g, nil
}

// gone takes a segment whose file is no longer there out of the queue. When a
// settling failed after it had renamed the file, it is finished first.
func (s *Spool) gone(seg *segment) (err error) {
	g := &Segment{Contents: &Contents{name: seg.name}, s: s, seg: seg}
	switch {
	case exists(s.path(seg.name, done)):
		err = g.settle(done)
	case exists(s.path(seg.name, bad)):
		err = g.Bad("as logged before")
	default:
		s.o.Logger.Warn("spool segment was removed by hand, its records are not handed on",
			"segment", seg.name, "bytes", seg.size)
		s.forget(seg)
	}
	if err != nil {
		g.Release()
	}
	return err
}

// unreadable gives a segment back after a failed read, or sets it aside.
func (s *Spool) unreadable(seg *segment, err error) error {
	g := &Segment{Contents: &Contents{name: seg.name}, s: s, seg: seg}
	if inFile(err) && time.Since(seg.failed) >= readPause {
		seg.failures++
		seg.failed = time.Now()
	}
	if seg.failures < readAttempts {
		g.Release()
		return err
	}
	if bad := g.Bad(err.Error()); bad != nil {
		g.Release()
		return errors.Join(err, bad)
	}
	return nil
}

// inFile says whether a file cannot be read because of what it holds or of the
// disk below it. All else may pass, say that too many files are open, and tells
// nothing of the file.
func inFile(err error) bool {
	var errno syscall.Errno
	return !errors.As(err, &errno) || errno == syscall.EIO
}

// Repeated says whether the segment may have been handed out before, by this
// process or an earlier one: it was released, or was there at Open.
func (g *Segment) Repeated() bool { return g.seg.repeated }

// Done gives the copy up after its records have been handed on: it is archived
// for replay, or deleted, as Options say. A segment with damage is kept as .bad
// instead. After an error, Done may be called again.
func (g *Segment) Done() error {
	if g.seg.damaged {
		return g.settle(bad)
	}
	return g.settle(done)
}

// Bad takes the segment out of the queue and keeps it for a person as .bad,
// without a limit. After an error, Bad may be called again.
func (g *Segment) Bad(reason string) error {
	if err := g.settle(bad); err != nil {
		return err
	}
	g.s.o.Logger.Error("spool segment set aside; rename it to .sealed and restart to have it read again",
		"file", g.s.path(g.Name(), bad), "reason", reason)
	return nil
}

// Release gives the segment back undone: a later Next hands it out again.
func (g *Segment) Release() {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	g.seg.taken, g.seg.repeated = false, true
	g.s.broadcast()
}

func (g *Segment) settle(state string) error {
	s, seg := g.s, g.seg
	if err := s.hold(seg); err != nil {
		return fmt.Errorf("settling spool segment %s: %w", seg.name, err)
	}
	defer s.held.Done()
	if err := s.move(seg.name, sealed, state); err != nil {
		if exists(s.path(seg.name, sealed)) || exists(s.path(seg.name, state)) {
			return fmt.Errorf("settling spool segment %s: %w", seg.name, err)
		}
		s.o.Logger.Warn("spool segment was removed by hand after it had been read", "segment", seg.name)
		s.forget(seg)
		return nil
	}
	if state == done {
		// First there, then not here: Rewrite must find what is not waiting any more.
		s.archive.add(archived{name: seg.name, size: seg.size, wrote: seg.wrote})
		s.forget(seg)
		s.trim(time.Now())
		return nil
	}
	s.forget(seg)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.bad.add(seg.size)
	return nil
}

// hold keeps Close waiting while a segment changes its state.
func (s *Spool) hold(seg *segment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case !seg.taken:
		return errors.New("it is not held: settled or released before")
	}
	s.held.Add(1)
	return nil
}

// forget takes a segment out of the queue.
func (s *Spool) forget(seg *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.taken = false
	if i := slices.Index(s.sealed, seg); i >= 0 {
		s.sealed = slices.Delete(s.sealed, i, i+1)
		s.bytes -= seg.size
	}
}
