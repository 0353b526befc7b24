package spool

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const idFile = "id"

// restore brings the state of the directory into memory. Nothing else uses the
// spool yet, but seal expects mu.
func (s *Spool) restore() error {
	s.mu.Lock()
	unfinished, err := s.list()
	if err == nil {
		err = s.loadID(len(unfinished)+len(s.sealed) > 0)
	}
	for _, seg := range unfinished {
		if err == nil {
			err = s.finish(seg)
		}
	}
	slices.SortFunc(s.sealed, func(a, b *segment) int { return cmp.Compare(a.name, b.name) })
	s.mu.Unlock()
	if err != nil {
		return err
	}
	s.trim(time.Now())
	return nil
}

// list takes over the files of the directory and returns the active segments;
// more than one only if a person put them there.
func (s *Spool) list() (unfinished []*segment, err error) {
	if data, err := os.ReadFile(filepath.Join(s.dir, "last")); err == nil {
		if name := strings.TrimSpace(string(data)); validName(name) {
			s.last = name
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	files, err := os.ReadDir(s.dir) // in the order of names
	if err != nil {
		return nil, err
	}
	now := time.Now()
	for _, f := range files {
		if isUnfinished(f.Name()) {
			if err := removeIfThere(s.disk, filepath.Join(s.dir, f.Name())); err != nil {
				return nil, err
			}
		}
		name, state, ok := splitFile(f.Name())
		if !ok {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return nil, err
		}
		s.last = max(s.last, name)
		seg := &segment{name: name, size: info.Size(), first: nameTime(name), wrote: info.ModTime(), repeated: true}
		// The name may have run ahead of the clock, and the clock have been set back
		// since: whatever it says, the segment was there before this process.
		for _, at := range []time.Time{seg.wrote, now} {
			if at.Before(seg.first) {
				seg.first = at
			}
		}
		switch state {
		case active:
			unfinished = append(unfinished, seg)
		case sealed:
			s.sealed = append(s.sealed, seg)
			s.bytes += seg.size
		case done, packed:
			if err := s.takeArchived(seg, state); err != nil {
				return nil, err
			}
		case bad:
			s.counts.bad.add(seg.size)
		}
	}
	return unfinished, nil
}

// loadID reads the spool's ID, or makes one.
func (s *Spool) loadID(pending bool) (err error) {
	s.id, err = readID(s.dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if pending {
		s.o.Logger.Warn("spool holds segments but no id; with the new id, a segment that was handed on before may be taken for another",
			"dir", s.dir)
	}
	var id [16]byte
	rand.Read(id[:]) // never fails: see its documentation
	s.id = hex.EncodeToString(id[:])
	return writeDurable(s.disk, filepath.Join(s.dir, idFile), []byte(s.id+"\n"))
}

// readID reads the ID of the spool in dir.
func readID(dir string) (string, error) {
	path := filepath.Join(dir, idFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(data))
	if raw, err := hex.DecodeString(id); err != nil || len(raw) != 16 {
		return "", fmt.Errorf("%s does not hold 32 hexadecimal digits: restore it, or remove it to have a new one made", path)
	}
	return id, nil
}

// finish cuts the torn tail of an active segment that an earlier process left,
// and seals it. mu is held.
func (s *Spool) finish(seg *segment) error {
	path := s.path(seg.name, active)
	c, err := ReadFile(path)
	if err != nil && !inFile(err) {
		return err
	}
	if err != nil {
		s.o.Logger.Error("active spool segment cannot be read and is kept as .bad", "file", path, "err", err)
		s.counts.bad.add(seg.size)
		return s.move(seg.name, active, bad)
	}
	if tail := len(c.tail()); tail > 0 {
		s.counts.torn++
		log := s.o.Logger.Info
		if !c.tailIsOneRecord() {
			if err := s.copyAside(seg, c.data); err != nil {
				return err
			}
			s.counts.tornFiles++
			log = s.o.Logger.Error
		}
		log("cutting the torn tail of a spool segment", "segment", seg.name,
			"records_kept", c.Len(), "bytes_cut", tail, "copied_aside", !c.tailIsOneRecord())
	}
	f, err := s.disk.OpenFile(path, os.O_RDWR)
	if err != nil {
		return err
	}
	if err := f.Truncate(c.end); err != nil {
		return errors.Join(err, f.Close())
	}
	seg.size, seg.records = c.end, c.Len()
	s.bytes += seg.size
	s.active = &appender{segment: seg, f: f, mark: c.mark}
	if err := s.seal(); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

// copyAside keeps what is in an active segment as .torn. On a full disk archived
// segments give way to it. mu is held.
func (s *Spool) copyAside(seg *segment, data []byte) error {
	for {
		err := writeDurable(s.disk, s.path(seg.name, torn), data)
		if !isFull(err) || !s.giveWay() {
			return err
		}
	}
}
