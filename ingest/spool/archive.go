package spool

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
)

// archive is the list of segments that are done, packed or not, in the order of
// their names, the oldest first.
type archive struct {
	arrived chan struct{} // holds one when a segment waits for being packed
	writing sync.Mutex    // held while a file of it is written anew; taken before mu
	// unsynced is set when Rewrite failed: the file may be new under a name that
	// is not durable. writing covers it.
	unsynced bool
	encoder  *zstd.Encoder // nil until the first is compressed; writing covers it,
	copying  []byte        // and these: what is copied with, the record that is
	record   []byte        // being made slim, and what came of it
	slim     []byte

	mu    sync.Mutex
	files []archived
	bytes int64
	loose []archived // those of them that wait for being packed
}

type archived struct {
	name   string
	size   int64 // of the file as it is
	wrote  time.Time
	packed bool
	stuck  bool // could not be deleted, which was logged
}

// index is where the segment of that name stands or would stand. mu is held.
func (a *archive) index(name string) (i int, found bool) {
	return slices.BinarySearchFunc(a.files, name, func(f archived, name string) int { return cmp.Compare(f.name, name) })
}

// insert puts a segment into its place. mu is held.
func (a *archive) insert(f archived) {
	i, _ := a.index(f.name)
	a.files = slices.Insert(a.files, i, f)
	a.bytes += f.size
}

func (a *archive) add(f archived) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.insert(f)
	if f.packed || f.size < packFrom {
		return
	}
	a.loose = append(a.loose, f)
	select {
	case a.arrived <- struct{}{}:
	default:
	}
}

// unpacked takes the oldest segment that waits for being packed off that list.
func (a *archive) unpacked() (archived, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.loose) == 0 {
		return archived{}, false
	}
	f := a.loose[0]
	a.loose = a.loose[1:]
	return f, true
}

// resize notes that the file of a segment has been written anew. It answers
// false when the archive has let go of it meanwhile.
func (a *archive) resize(name string, size int64, packed bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, found := a.index(name)
	if found {
		f := &a.files[i]
		a.bytes += size - f.size
		f.size, f.packed = size, packed
	}
	return found
}

// find is the segment of that name; ok is false when it is no longer kept.
func (a *archive) find(name string) (f archived, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i, found := a.index(name); found {
		return a.files[i], true
	}
	return archived{}, false
}

// names are those of all segments, the oldest first.
func (a *archive) names() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	names := make([]string, 0, len(a.files))
	for _, f := range a.files {
		names = append(names, f.name)
	}
	return names
}

// last is the name of the newest segment, "" when there is none.
func (a *archive) last() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.files) == 0 {
		return ""
	}
	return a.files[len(a.files)-1].name
}

// pop takes the oldest segment off the list if the limits of o say that it must
// go, or in any case.
func (a *archive) pop(o *Options, now time.Time, anyway bool) (archived, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.files) == 0 {
		return archived{}, false
	}
	f := a.files[0]
	none := o.KeepBytes == 0 && o.Keep == 0
	large := o.KeepBytes > 0 && a.bytes > o.KeepBytes
	old := o.Keep > 0 && now.Sub(f.wrote) > o.Keep
	if !none && !large && !old && !anyway {
		return archived{}, false
	}
	a.files = a.files[1:]
	a.bytes -= f.size
	return f, true
}

// putBack notes that segments which pop took off the list could not be deleted.
func (a *archive) putBack(files []archived) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range files {
		f.stuck = true
		a.insert(f)
	}
}

func (a *archive) usage() Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Usage{Segments: len(a.files), Bytes: a.bytes}
}

// trim deletes what the archive may no longer hold, and its oldest segment when
// the disk was full since the last time: new frames are worth more than old ones
// that are stored elsewhere. What cannot be deleted is logged, stays in the list and
// is tried again.
func (s *Spool) trim(now time.Time) {
	s.mu.Lock()
	cramped := s.cramped
	s.cramped = false
	s.mu.Unlock()
	var left []archived
	defer func() { s.archive.putBack(left) }()
	for {
		f, ok := s.archive.pop(&s.o, now, cramped)
		if !ok {
			return
		}
		if err := s.delete(f.name); err != nil {
			if !f.stuck {
				s.o.Logger.Warn("an archived spool segment cannot be deleted; it is tried again", "segment", f.name, "err", err)
			}
			left = append(left, f)
			continue
		}
		if cramped {
			s.toldFull(f)
			cramped = false
		}
	}
}

// giveWay deletes the oldest archived segment because the disk is full. It answers
// false when there is none, or the disk does not even do that. mu is held, and
// nothing else uses the spool yet.
func (s *Spool) giveWay() bool {
	f, ok := s.archive.pop(&s.o, time.Now(), true)
	if !ok {
		return false
	}
	if err := s.remove(f.name, f.name == s.last); err != nil {
		s.o.Logger.Warn("an archived spool segment cannot be deleted", "segment", f.name, "err", err)
		s.archive.putBack([]archived{f})
		return false
	}
	s.toldFull(f)
	return true
}

func (s *Spool) toldFull(f archived) {
	s.o.Logger.Warn("the disk is full: an archived spool segment was deleted before its time", "segment", f.name, "bytes", f.size)
}

// delete removes an archived segment.
func (s *Spool) delete(name string) error {
	s.mu.Lock()
	newest := name == s.last
	s.mu.Unlock()
	return s.remove(name, newest)
}

// remove removes the files of an archived segment. The newest name of all is noted
// first, or a clock that has gone back could give it out again.
func (s *Spool) remove(name string, newest bool) error {
	if newest {
		if err := writeDurable(s.disk, filepath.Join(s.dir, "last"), []byte(name+"\n")); err != nil {
			return err
		}
	}
	return errors.Join(removeIfThere(s.disk, s.path(name, done)), removeIfThere(s.disk, s.path(name, packed)))
}
