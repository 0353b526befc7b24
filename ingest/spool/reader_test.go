package spool

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The archive is read beside the process that has the spool, in whichever file a
// segment is at the moment.
func TestOpenArchive(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenArchive(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no spool: %v", err)
	}
	s := archiveOne(t, dir, Options{}, []string{"one"})
	data, _ := image(newMarker(), many("a")...)
	first, second, third := "20000101T000000.000000000Z", "20000102T000000.000000000Z", "20000103T000000.000000000Z"
	write(t, filepath.Join(dir, first+done), data)
	write(t, filepath.Join(dir, second+done), data)
	write(t, filepath.Join(dir, second+packed), data) // while it is packed
	write(t, filepath.Join(dir, third+sealed), data)
	write(t, filepath.Join(dir, third+bad), data)
	a, err := OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, segment := range a.Segments() {
		names = append(names, segment.Name)
		if segment.Bytes == 0 || segment.From.After(segment.To) {
			t.Errorf("%+v", segment)
		}
	}
	own := strings.TrimSuffix(filepath.Base(oneFile(t, dir, names[2]+done)), done)
	if diff := cmp.Diff([]string{first, second, own}, names); diff != "" || a.ID() != s.ID() || a.Bad() != (Usage{1, int64(len(data))}) {
		t.Errorf("id %s, bad %+v, segments (-want +got):\n%s", a.ID(), a.Bad(), diff)
	}
	if err := os.Rename(filepath.Join(dir, first+done), filepath.Join(dir, first+packed)); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if c, err := a.Read(name); err != nil || c.Name() != name || c.Len() == 0 {
			t.Errorf("reading %s: %v, %v", name, c, err)
		}
	}
	if err := s.delete(first); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Read(first); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading what is gone: %v", err)
	}
}

// Notes and locks stand beside the segments and are none.
func TestArchiveNotes(t *testing.T) {
	dir := t.TempDir()
	archiveOne(t, dir, Options{}, []string{"one"})
	a, err := OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := a.Lock("mine.lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Lock("mine.lock"); !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	lock.Close()
	if lock, err = a.Lock("mine.lock"); err != nil {
		t.Errorf("locking again: %v", err)
	}
	defer lock.Close()
	if _, err := a.ReadNote("note"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no note: %v", err)
	}
	for _, text := range []string{"a", "b"} {
		if err := a.WriteNote("note", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := a.ReadNote("note"); err != nil || string(got) != text {
			t.Errorf("note %q, %v", got, err)
		}
	}
	for range 2 {
		if err := a.RemoveNote("note"); err != nil {
			t.Error(err)
		}
	}
	if got := states(t, dir); got != done {
		t.Errorf("files %q", got)
	}
}
