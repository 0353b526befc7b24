package spool

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

var errFault = errors.New("injected fault")

// fault makes calls of one kind fail.
type fault struct {
	op    string // open, write, truncate, sync, rename, remove or syncdir
	times int    // how many calls
	done  bool   // the call is carried out all the same
}

// faultyDisk is the real disk with two additions: it can be told to fail, and
// it knows what a loss of power would leave.
type faultyDisk struct {
	osDisk
	mu     sync.Mutex
	faults []fault
	struck map[string]int // failed calls by op
	files  map[string]*inode
	stored map[string]*inode // files by the names that are on stable storage
}

type inode struct {
	content []byte
	stored  []byte // the content at the last fsync
}

func newFaultyDisk() *faultyDisk {
	return &faultyDisk{struck: map[string]int{}, files: map[string]*inode{}}
}

// breakBy replaces the faults there are.
func (d *faultyDisk) breakBy(faults ...fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = slices.Clone(faults)
}

// strike says whether the next call is to fail, and whether it is to be carried
// out.
func (d *faultyDisk) strike(op string) (fails, done bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range d.faults {
		if f := &d.faults[i]; f.op == op && f.times > 0 {
			f.times--
			d.struck[op]++
			return true, f.done
		}
	}
	return false, true
}

// do makes a call, then notes what it did.
func (d *faultyDisk) do(op string, call func() error, note func()) error {
	fails, done := d.strike(op)
	if done {
		if err := call(); err != nil {
			return err
		}
		d.mu.Lock()
		note()
		d.mu.Unlock()
	}
	if fails {
		return errFault
	}
	return nil
}

func (d *faultyDisk) OpenFile(path string, flag int) (file, error) {
	f := &faultyFile{d: d, inode: &inode{}}
	if flag&os.O_TRUNC == 0 {
		f.inode.content, _ = os.ReadFile(path) // what an earlier process left
	}
	err := d.do("open", func() (err error) {
		f.file, err = d.osDisk.OpenFile(path, flag)
		return err
	}, func() { d.files[path] = f.inode })
	if err != nil {
		if f.file != nil {
			f.Close()
		}
		return nil, err
	}
	return f, nil
}

func (d *faultyDisk) Rename(from, to string) error {
	return d.do("rename", func() error { return d.osDisk.Rename(from, to) }, func() {
		d.files[to] = d.files[from]
		delete(d.files, from)
	})
}

func (d *faultyDisk) Remove(path string) error {
	return d.do("remove", func() error { return d.osDisk.Remove(path) }, func() { delete(d.files, path) })
}

func (d *faultyDisk) SyncDir(dir string) error {
	return d.do("syncdir", func() error { return d.osDisk.SyncDir(dir) }, func() { d.stored = maps.Clone(d.files) })
}

// crash writes what a loss of power would leave into a new directory.
func (d *faultyDisk) crash(t *testing.T) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := t.TempDir()
	for path, f := range d.stored {
		write(t, filepath.Join(dir, filepath.Base(path)), f.stored)
	}
	return dir
}

type faultyFile struct {
	file
	d     *faultyDisk
	inode *inode
}

// WriteAt writes one half when it is to fail without being carried out.
func (f *faultyFile) WriteAt(p []byte, off int64) (n int, err error) {
	fails, done := f.d.strike("write")
	if !done {
		p = p[:len(p)/2]
	}
	n, err = f.file.WriteAt(p, off)
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	f.inode.content = append(f.inode.content[:off:off], p[:n]...)
	if fails {
		err = errFault
	}
	return n, err
}

func (f *faultyFile) Truncate(size int64) error {
	return f.d.do("truncate", func() error { return f.file.Truncate(size) }, func() {
		f.inode.content = f.inode.content[:size:size]
	})
}

func (f *faultyFile) Sync() error {
	f.d.mu.Lock()
	content := f.inode.content // what is written from now on may come too late
	f.d.mu.Unlock()
	return f.d.do("sync", f.file.Sync, func() { f.inode.stored = content })
}
