package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

var (
	// ErrLocked is returned by Open when another process has the directory.
	ErrLocked = errors.New("in use by another process")
	// ErrFull is returned by Append when the record would pass
	// Options.MaxBytes. Nothing is dropped; Done makes room.
	ErrFull = errors.New("spool is full")
	// ErrTooLarge is returned by Append for a record that can never be taken.
	ErrTooLarge = errors.New("record is too large")
	// ErrClosed is returned after Close, and by Append also after Drain.
	ErrClosed = errors.New("spool is closed")
)

// Spool is a directory of segments, open for appending and reading. Its methods
// are safe for use by many goroutines.
type Spool struct {
	// Set by Open.
	dir  string
	id   string
	o    Options
	disk disk
	lock *os.File

	stop    chan struct{}  // closed by Close; ends what runs beside the callers:
	running sync.WaitGroup // the loop and the packing
	close   func() error   // runs once

	archive archive // has its own lock, never taken together with mu

	// mu covers everything below. It is held across writes to the active
	// segment and while one is sealed, not across the group fsync and not
	// while a segment is read or settled.
	mu       sync.Mutex
	active   *appender // nil until the next record
	sealed   []*segment
	held     sync.WaitGroup // segments being settled; Add under mu while not closed
	last     string         // the newest name there ever was
	bytes    int64          // of active and sealed segments
	draining bool
	closed   bool
	suspect  bool      // the last segment failed: the next proves itself before use
	cramped  bool      // the disk was full: the archive is to make room
	refused  error     // why the last attempt to begin a segment failed,
	retryAt  time.Time // and when to try again
	buf      []byte    // one record on its way to the file
	changed  chan struct{}
	counts   counts
}

// segment is one that is not done yet.
type segment struct {
	name     string
	size     int64
	records  int       // only known while active
	first    time.Time // when its first record came
	wrote    time.Time // when its last record came, at the latest
	unsynced error     // the fsync that failed, if one did
	taken    bool      // by a caller of Next
	repeated bool      // may have been in the hands of a caller before

	// Whoever has taken it uses these.
	failures int       // attempts to read it, as far as they tell of its file
	failed   time.Time // when it was last counted
	damaged  bool      // seen, counted and logged
}

// Open opens the spool in dir, which is made if it does not exist, and brings
// what an earlier process left behind into order: an active segment loses its
// torn tail and is sealed. It returns ErrLocked, wrapped, while another process
// has the directory. The caller must call Close.
func Open(dir string, o Options) (*Spool, error) { return open(dir, o, osDisk{}) }

func open(dir string, o Options, d disk) (*Spool, error) {
	s, err := prepare(dir, o, d)
	if err != nil {
		return nil, fmt.Errorf("opening spool %s: %w", dir, err)
	}
	s.running.Go(s.loop)
	s.running.Go(s.packing)
	return s, nil
}

// prepare does all of Open but start what runs beside the callers.
func prepare(dir string, o Options, d disk) (_ *Spool, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	if err := makeDir(d, dir); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	s := &Spool{
		dir: dir, o: o, disk: d, lock: lock,
		stop: make(chan struct{}), changed: make(chan struct{}),
		archive: archive{arrived: make(chan struct{}, 1)},
	}
	s.close = sync.OnceValue(s.closeOnce)
	if err := s.restore(); err != nil {
		lock.Close()
		return nil, err
	}
	return s, nil
}

// ID is 32 hexadecimal digits, random, made when the directory was created and
// never changed. Together with a segment's name it is unique everywhere.
func (s *Spool) ID() string { return s.id }

// loop keeps the promise of SyncEvery. Close waits for it.
func (s *Spool) loop() {
	t := time.NewTicker(s.o.SyncEvery)
	defer t.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-t.C:
			s.tick()
		}
	}
}

// tick is one step of the loop. What goes wrong in it is logged by fail, and
// seen by the next Append and Sync.
func (s *Spool) tick() {
	s.retire()
	s.flush()
	s.trim(time.Now())
}

// Sync returns when everything appended so far is on stable storage. Once an
// fsync has failed, it returns that error until the segment concerned is done.
func (s *Spool) Sync() error {
	if err := s.flush(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.sealed {
		if seg.unsynced != nil {
			return fmt.Errorf("syncing spool segment %s: %w", seg.name, seg.unsynced)
		}
	}
	return nil
}

// Drain stops taking: the active segment is sealed, Append returns ErrClosed
// from now on, and Next hands out what is left and then returns io.EOF. After
// an error the segment concerned is sealed by a later Next.
func (s *Spool) Drain() error {
	s.flush() // outside the lock; an error is seen again in seal
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.draining = true
	s.broadcast()
	if s.active == nil {
		return nil
	}
	return s.seal()
}

// Close makes everything appended durable and gives the directory up. Segments
// that are not done stay for the next Open. Segments in the hands of a caller
// can still be read, but no longer be settled.
func (s *Spool) Close() error { return s.close() }

func (s *Spool) closeOnce() error {
	s.mu.Lock()
	s.closed, s.draining = true, true
	s.broadcast()
	s.mu.Unlock()

	close(s.stop)
	s.running.Wait()
	s.held.Wait()
	err := s.flush()

	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.active; a != nil {
		s.active = nil
		err = errors.Join(err, a.f.Close())
	}
	return errors.Join(err, s.lock.Close())
}

// broadcast wakes every caller of Next. mu is held.
func (s *Spool) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Spool) path(name, state string) string { return filepath.Join(s.dir, name+state) }

// move changes the state of a segment, durably. It may be repeated after an
// error.
func (s *Spool) move(name, from, to string) error {
	src, dst := s.path(name, from), s.path(name, to)
	if err := s.disk.Rename(src, dst); err != nil && (exists(src) || !exists(dst)) {
		return err
	}
	return s.disk.SyncDir(s.dir)
}
