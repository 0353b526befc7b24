package spool

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// keepBuffer is the size up to which the write buffer is kept between records.
const keepBuffer = 1 << 20

// appender is the active segment. mu of its Spool covers it.
type appender struct {
	*segment
	f       file
	mark    marker
	synced  int64 // bytes known to be on stable storage
	entered bool  // the name is on stable storage, too
	err     error // not nil: takes no more records, waits for retire
}

// Append adds a record. When it returns nil the record survives the death of
// this process, and a loss of power after at most Options.SyncEvery; when it
// returns an error the record is not in the spool. Errors are ErrFull,
// ErrTooLarge, ErrClosed (all may be wrapped) and those of the disk, which may
// pass: room is made, or, after a failed fsync, a new segment has proved itself.
func (s *Spool) Append(record []byte) error {
	if len(record) > s.o.MaxRecord {
		return fmt.Errorf("appending to spool: %w: %d bytes, at most %d are taken", ErrTooLarge, len(record), s.o.MaxRecord)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return ErrClosed
	}
	n := int64(recordHeader + len(record))
	if err := s.makeRoom(n); err != nil {
		return err
	}
	a := s.active
	s.buf = appendRecord(s.buf[:0], a.mark, record)
	if _, err := a.f.WriteAt(s.buf, a.size); err != nil {
		s.noteFull(err)
		// What may have been written must not stand before the next record.
		if cut := a.f.Truncate(a.size); cut != nil {
			s.fail(a, errors.Join(err, cut))
		}
		return fmt.Errorf("appending to spool segment %s: %w", a.name, err)
	}
	if cap(s.buf) > keepBuffer {
		s.buf = nil
	}
	a.size += n
	a.records++
	s.bytes += n
	s.counts.appended++
	s.counts.appendedBytes += int64(len(record))
	if a.records == 1 {
		a.first = time.Now()
		s.broadcast() // a reader that waits in Next starts counting SealAge
	}
	return nil
}

// makeRoom returns when the active segment can take n more bytes. mu is held.
func (s *Spool) makeRoom(n int64) error {
	a := s.active
	if a != nil && a.err != nil {
		return fmt.Errorf("appending to spool segment %s: %w", a.name, a.err)
	}
	fresh := a == nil || (a.records > 0 && a.size+n > s.o.SegmentBytes)
	need := n
	if fresh {
		need += headerSize
	}
	if s.o.MaxBytes > 0 && s.bytes+need > s.o.MaxBytes {
		return ErrFull
	}
	if !fresh {
		return nil
	}
	if a != nil {
		if err := s.seal(); err != nil {
			return err
		}
	}
	return s.begin()
}

// begin makes a new active segment. After a failure it does not ask the disk
// again before SyncEvery has passed. mu is held.
func (s *Spool) begin() error {
	now := time.Now()
	if s.refused != nil && now.Before(s.retryAt) {
		return s.refused
	}
	name := nextName(now, s.last)
	s.last = name
	a, err := s.create(name)
	if err != nil {
		s.refused = fmt.Errorf("beginning spool segment %s: %w", name, err)
		s.retryAt = now.Add(s.o.SyncEvery)
		s.noteFull(err)
		return s.refused
	}
	s.refused, s.suspect = nil, false
	s.active = a
	s.bytes += a.size
	return nil
}

// create writes the header of a new segment. When the segment before it
// failed, this one is used only if the disk says that it can store it.
func (s *Spool) create(name string) (*appender, error) {
	path := s.path(name, active)
	f, err := s.disk.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return nil, err
	}
	a := &appender{segment: &segment{name: name, size: headerSize}, f: f, mark: newMarker()}
	_, err = f.WriteAt(appendHeader(nil, a.mark), 0)
	if err == nil && s.suspect {
		err = errors.Join(f.Sync(), s.disk.SyncDir(s.dir))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), s.disk.Remove(path))
	}
	return a, nil
}

// flush makes the active segment durable. The lock is not held meanwhile, so
// that appending goes on.
func (s *Spool) flush() error {
	s.mu.Lock()
	a := s.active
	if a == nil || a.err != nil || a.synced == a.size {
		defer s.mu.Unlock()
		if a != nil && a.err != nil {
			return fmt.Errorf("syncing spool segment %s: %w", a.name, a.err)
		}
		return nil
	}
	size, entered := a.size, a.entered
	s.mu.Unlock()

	err := a.f.Sync()
	if err == nil && !entered {
		err = s.disk.SyncDir(s.dir)
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		a.synced, a.entered = max(a.synced, size), true
		return nil
	case errors.Is(err, os.ErrClosed) && a.unsynced == nil:
		return nil // sealed or closed meanwhile, which made it durable first
	}
	a.unsynced = err
	s.fail(a, err)
	return fmt.Errorf("syncing spool segment %s: %w", a.name, err)
}

// noteFull notes that the disk is full, so that the archive makes room. mu is held.
func (s *Spool) noteFull(err error) {
	if isFull(err) {
		s.cramped = true
	}
}

func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// fail takes a out of use. mu is held.
func (s *Spool) fail(a *appender, err error) {
	s.suspect = true
	s.noteFull(err)
	s.counts.failures++
	if s.active == a {
		a.err = err
	}
	s.o.Logger.Error("spool segment cannot be written and is sealed as it is; check the disk",
		"segment", a.name, "bytes", a.size, "bytes_synced", a.synced, "err", err)
}

// seal ends the active segment: durable first, then handed to readers. A
// segment without a record is deleted. mu is held, active is not nil.
func (s *Spool) seal() error {
	a := s.active
	if a.err == nil && a.synced < a.size && a.records > 0 {
		if err := a.f.Sync(); err != nil {
			a.unsynced = err
			s.fail(a, err)
		} else {
			a.synced = a.size
		}
	}
	if a.err == nil {
		if err := s.handOver(); err != nil {
			s.fail(a, err)
		}
	}
	if a.err != nil {
		return fmt.Errorf("sealing spool segment %s: %w", a.name, a.err)
	}
	return nil
}

// retire seals a segment that failed. Its records are still readable, as far
// as anyone knows, and safe as soon as a reader has handed them on.
func (s *Spool) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.active
	if a == nil || a.err == nil {
		return
	}
	if a.unsynced == nil && a.synced < a.size { // it failed at something else
		a.unsynced = a.f.Sync()
		a.synced = a.size
	}
	if err := s.handOver(); err != nil {
		a.err = err // the one that matters now
	}
}

// handOver makes the active segment a sealed one. It may be repeated after an
// error. mu is held.
func (s *Spool) handOver() error {
	a := s.active
	if a.records == 0 {
		path := s.path(a.name, active)
		if err := s.disk.Remove(path); err != nil && exists(path) {
			return err
		}
		s.bytes -= a.size
	} else {
		if err := s.move(a.name, active, sealed); err != nil {
			return err
		}
		if a.wrote.IsZero() {
			a.wrote = time.Now()
		}
		s.sealed = append(s.sealed, a.segment)
	}
	s.active = nil
	s.broadcast()
	if err := a.f.Close(); err != nil {
		s.o.Logger.Warn("closing spool segment", "segment", a.name, "err", err)
	}
	return nil
}
