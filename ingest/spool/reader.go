package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Archive is what a spool keeps of the segments that are done, for a reader
// beside the process that has the spool. It changes no segment. Those of them
// may be packed and deleted at any time.
type Archive struct {
	dir      string
	id       string
	segments []Archived
	bad      Usage
}

// Archived is one segment of an archive.
type Archived struct {
	Name  string
	Bytes int64 // of the file
	// From and To are about when its first and its last record came. After a
	// clock was set back, From can be too late by as much.
	From, To time.Time
}

// OpenArchive lists the archive of the spool in dir, the oldest segment first.
func OpenArchive(dir string) (*Archive, error) {
	a := &Archive{dir: dir}
	var err error
	if a.id, err = readID(dir); err != nil {
		return nil, fmt.Errorf("opening the archive of spool %s: %w", dir, err)
	}
	files, err := os.ReadDir(dir) // in the order of names
	if err != nil {
		return nil, fmt.Errorf("opening the archive of spool %s: %w", dir, err)
	}
	for _, f := range files {
		name, state, ok := splitFile(f.Name())
		if !ok || state != done && state != packed && state != bad {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // packed or deleted meanwhile; what is packed now is seen by Read
		}
		if err != nil {
			return nil, fmt.Errorf("opening the archive of spool %s: %w", dir, err)
		}
		if state == bad {
			a.bad.add(info.Size())
			continue
		}
		found := Archived{Name: name, Bytes: info.Size(), From: nameTime(name), To: info.ModTime()}
		if found.To.Before(found.From) {
			found.From = found.To // the name ran ahead of the clock
		}
		if last := len(a.segments) - 1; last >= 0 && a.segments[last].Name == name {
			a.segments[last] = found // both its files are there
		} else {
			a.segments = append(a.segments, found)
		}
	}
	return a, nil
}

// ID is the [Spool.ID] of the spool.
func (a *Archive) ID() string { return a.id }

// Segments are those that were there when the archive was opened.
func (a *Archive) Segments() []Archived { return a.segments }

// Bad is what was set aside for a person then, and is not in Segments.
func (a *Archive) Bad() Usage { return a.bad }

// Read reads a segment. The error wraps [os.ErrNotExist] when it is no longer
// kept.
func (a *Archive) Read(name string) (*Contents, error) {
	var c *Contents
	var err error
	// The last look finds what was packed between the first two.
	for _, state := range []string{packed, done, packed} {
		c, err = ReadFile(filepath.Join(a.dir, name+state))
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return c, err
}

// Lock takes a lock file of that name for this process, until it is closed. The
// error wraps [ErrLocked] while another process has it.
func (a *Archive) Lock(name string) (io.Closer, error) {
	lock, err := lockFile(filepath.Join(a.dir, name))
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", filepath.Join(a.dir, name), err)
	}
	return lock, nil
}

// ReadNote reads what WriteNote wrote. The error wraps [os.ErrNotExist] when
// there is no note of that name.
func (a *Archive) ReadNote(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(a.dir, name))
}

// WriteNote keeps data in a file beside the segments, as a whole or not at all.
// The name must be none of the spool's own.
func (a *Archive) WriteNote(name string, data []byte) error {
	return writeDurable(osDisk{}, filepath.Join(a.dir, name), data)
}

// RemoveNote removes a note; it is no error when there is none.
func (a *Archive) RemoveNote(name string) error {
	return removeIfThere(osDisk{}, filepath.Join(a.dir, name))
}
