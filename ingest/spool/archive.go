package spool

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"time"
)

// archive is the list of .done segments, the oldest first.
type archive struct {
	mu    sync.Mutex
	files []archived
	bytes int64
}

type archived struct {
	name  string
	size  int64
	wrote time.Time
}

func (a *archive) add(f archived) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.files = append(a.files, f)
	a.bytes += f.size
}

// pop takes the oldest segment off the list if the limits of o say that it must
// go.
func (a *archive) pop(o *Options, now time.Time) (archived, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.files) == 0 {
		return archived{}, false
	}
	f := a.files[0]
	none := o.ArchiveBytes == 0 && o.ArchiveAge == 0
	large := o.ArchiveBytes > 0 && a.bytes > o.ArchiveBytes
	old := o.ArchiveAge > 0 && now.Sub(f.wrote) > o.ArchiveAge
	if !none && !large && !old {
		return archived{}, false
	}
	a.files = a.files[1:]
	a.bytes -= f.size
	return f, true
}

func (a *archive) usage() Usage {
	a.mu.Lock()
	defer a.mu.Unlock()
	return Usage{Segments: len(a.files), Bytes: a.bytes}
}

// trim deletes what the archive may no longer hold. What cannot be deleted is
// logged and tried again by the next Open.
func (s *Spool) trim(now time.Time) {
	for {
		f, ok := s.archive.pop(&s.o, now)
		if !ok {
			return
		}
		if err := s.delete(f.name); err != nil {
			s.o.Logger.Warn("deleting an archived spool segment", "file", s.path(f.name, done), "err", err)
		}
	}
}

// delete removes a .done segment. The newest name of all is noted first, or a
// clock that has gone back could give it out again.
func (s *Spool) delete(name string) error {
	s.mu.Lock()
	newest := name == s.last
	s.mu.Unlock()
	if newest {
		if err := writeDurable(s.disk, filepath.Join(s.dir, "last"), []byte(name+"\n")); err != nil {
			return err
		}
	}
	if err := s.disk.Remove(s.path(name, done)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
