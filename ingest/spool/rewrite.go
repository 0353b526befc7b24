package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
)

// Archived are the names of the segments that are done and kept, the oldest
// first. Any may be deleted at any time.
func (s *Spool) Archived() []string { return s.archive.names() }

// Rewrite replaces records of an archived segment, for good: the bytes of the
// file that were there before are in no file any more. edit answers what to
// keep of a record, nil for nothing, and the record itself for all; it must not
// write to it. Rewrite answers how many records are not what they were; when
// there are none, or the segment is no longer kept, it writes nothing.
//
// A crash leaves the file as it was, or as it is to be. A reader that has the
// segment in memory keeps what it read.
func (s *Spool) Rewrite(name string, edit func(record []byte) ([]byte, error)) (changed int, err error) {
	s.archive.writing.Lock()
	defer s.archive.writing.Unlock()
	if s.archive.unsynced { // a rename of before may be undone by a loss of power
		if err := s.disk.SyncDir(s.dir); err != nil {
			return 0, fmt.Errorf("rewriting spool segment %s: %w", name, err)
		}
		s.archive.unsynced = false
	}
	f, kept := s.archive.find(name)
	if !kept {
		return 0, nil
	}
	state := done
	if f.packed {
		state = packed
	}
	contents, err := ReadFile(s.path(name, state))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil // deleted since
	}
	if err != nil {
		return 0, err
	}
	data, changed, err := contents.edited(edit)
	if err != nil || changed == 0 {
		return 0, err
	}
	size, err := s.replace(s.path(name, state), f.wrote, func(to io.Writer) error {
		if f.packed {
			return s.encode(to, int64(len(data)), func(to io.Writer) error { return s.copy(to, bytes.NewReader(data)) })
		}
		_, err := to.Write(data)
		return err
	})
	if err == nil && f.packed {
		err = removeIfThere(s.disk, s.path(name, done)) // left when a packing could not remove it
	}
	if err == nil && !s.archive.resize(name, size, f.packed) {
		err = removeIfThere(s.disk, s.path(name, state)) // trim came first
	}
	if err != nil {
		s.archive.unsynced = true
		return 0, fmt.Errorf("rewriting spool segment %s: %w", name, err)
	}
	return changed, nil
}

// edited is the file that Rewrite writes. What is damaged is left out of it, and
// does not count as a change.
func (c *Contents) edited(edit func([]byte) ([]byte, error)) (data []byte, changed int, err error) {
	data = appendHeader(make([]byte, 0, len(c.data)), c.mark)
	for _, record := range c.Records() {
		kept, err := edit(record)
		if err != nil {
			return nil, 0, err
		}
		if !bytes.Equal(kept, record) {
			changed++
		}
		if kept != nil {
			data = appendRecord(data, c.mark, kept)
		}
	}
	return data, changed, nil
}

// SetAside is how many files are kept for a person, .bad and .torn: nothing
// rewrites or deletes them.
func (s *Spool) SetAside() (int, error) {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return 0, fmt.Errorf("looking for files that were set aside: %w", err)
	}
	count := 0
	for _, file := range files {
		if _, state, ok := splitFile(file.Name()); ok && (state == bad || state == torn) {
			count++
		}
	}
	return count, nil
}
