package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// everyFault calls test with every way in which the disk can fail.
func everyFault(t *testing.T, test func(t *testing.T, f fault)) {
	for _, op := range []string{"open", "write", "truncate", "sync", "rename", "remove", "syncdir"} {
		for _, done := range []bool{false, true} {
			for _, times := range []int{1, 7} {
				f := fault{op: op, times: times, done: done}
				t.Run(fmt.Sprintf("%s,done=%t,%d times", op, done, times), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { test(t, f) })
				})
			}
		}
	}
}

// Whatever call fails, and whether or not it did what it was asked: a caller
// that repeats what returned an error gets every record out once and in order.
func TestFaults(t *testing.T) { everyFault(t, testFault) }

func testFault(t *testing.T, f fault) {
	d := newFaultyDisk()
	dir := t.TempDir()
	s, err := open(dir, Options{SegmentBytes: 300, SyncEvery: 10 * time.Millisecond}, d)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()

	var want, got []string
	take := func() error {
		g, err := s.Next(context.Background())
		if err != nil {
			return err
		}
		got = append(got, records(g.Contents)...)
		repeat(t, g.Done)
		return nil
	}
	for i := range 120 {
		if i%40 == 20 {
			// A write that fails is what truncation is for.
			d.breakBy(f, fault{op: "write", times: 1})
		}
		r := fmt.Sprintf("record %d", i)
		repeat(t, func() error { return s.Append([]byte(r)) })
		want = append(want, r)
		if i%40 == 39 {
			time.Sleep(time.Second) // group fsyncs meet the fault, too
			repeat(t, take)
		}
	}
	repeat(t, s.Drain)
	for err = take(); !errors.Is(err, io.EOF); err = take() {
		if err != nil {
			time.Sleep(time.Second)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if d.struck[f.op] == 0 {
		t.Error("the fault never struck")
	}
	if st := s.Stats(); st.Active.Bytes != 0 || st.Sealed.Bytes != 0 || s.bytes != 0 {
		t.Errorf("Stats = %+v, %d bytes counted; want an empty spool", st, s.bytes)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	again := mustOpen(t, dir, Options{})
	defer again.Close()
	if left := drain(t, again); len(left) > 0 {
		t.Errorf("records came back after a restart: %q", left)
	}
}

// An Open that failed harms nothing: the next one finds every record.
func TestFaultsAtOpen(t *testing.T) {
	everyFault(t, func(t *testing.T, f fault) {
		dir := t.TempDir()
		data, _ := image(marker{0xf1, 2, 3, 4}, "one", "two")
		write(t, filepath.Join(dir, someName+active), append(data, "more than one torn record"...))
		d := newFaultyDisk()
		d.breakBy(f)
		s, err := open(dir, Options{}, d)
		if err != nil {
			if !errors.Is(err, errFault) {
				t.Fatalf("Open = %v, want the fault", err)
			}
			s = mustOpen(t, dir, Options{})
		}
		defer s.Close()
		if diff := cmp.Diff([]string{"one", "two"}, drain(t, s)); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		oneFile(t, dir, torn)
	})
}

// repeat calls do until it succeeds, as a caller of the spool would.
func repeat(t *testing.T, do func() error) {
	t.Helper()
	var err error
	for range 100 {
		if err = do(); err == nil {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("still fails after 100 attempts: %v", err)
}

// A caller may give up after an error: what was settled as far as the rename is
// not taken for removed, nor handed out again.
func TestSettlingCutShort(t *testing.T) {
	for state, settle := range map[string]func(*Segment) error{
		done: (*Segment).Done,
		bad:  func(g *Segment) error { return g.Bad("odd") },
	} {
		t.Run(state, func(t *testing.T) {
			dir := t.TempDir()
			d := newFaultyDisk()
			var log strings.Builder
			s, err := open(dir, Options{Keep: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))}, d)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			mustAppend(t, s, "handed on")
			if err := s.Drain(); err != nil {
				t.Fatal(err)
			}
			g := mustNext(t, s)
			d.breakBy(fault{op: "syncdir", times: 2})
			if err := settle(g); !errors.Is(err, errFault) {
				t.Fatalf("got %v, want the fault", err)
			}
			g.Release()
			if _, err := s.Next(t.Context()); !errors.Is(err, errFault) {
				t.Errorf("Next = %v, want the fault", err)
			}
			if st := s.Stats(); st.Sealed.Segments != 1 {
				t.Errorf("Stats = %+v: it is forgotten before the disk has it", st)
			}
			if _, err := s.Next(t.Context()); !errors.Is(err, io.EOF) {
				t.Errorf("Next = %v, want the end", err)
			}
			if st := s.Stats(); st.Sealed != (Usage{}) || st.Done.Segments+st.Bad.Segments != 1 || states(t, dir) != state {
				t.Errorf("Stats = %+v, files %q", st, states(t, dir))
			}
			if archived := s.Archived(); (len(archived) == 1) != (state == done) {
				t.Errorf("archived: %q", archived)
			}
			if strings.Contains(log.String(), "by hand") {
				t.Errorf("logged:\n%s", &log)
			}
		})
	}
}

// After a failed fsync the spool does not pretend: appending is refused until a
// new segment is known to be stored, and Sync tells of the old one until its
// records are elsewhere.
func TestFailedSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFaultyDisk()
		s, err := open(t.TempDir(), Options{SyncEvery: time.Second}, d)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		mustAppend(t, s, "in doubt")
		d.breakBy(fault{"sync", 1000, false})
		if err := s.Sync(); !errors.Is(err, errFault) {
			t.Errorf("Sync = %v, want the fault", err)
		}
		for range 5 { // in the failed segment, then when a new one is tried
			if err := s.Append([]byte("refused")); !errors.Is(err, errFault) {
				t.Errorf("Append = %v, want the fault", err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		before := d.struck["sync"]
		for range 100 {
			s.Append([]byte("refused"))
		}
		if tried := d.struck["sync"] - before; tried > 1 {
			t.Errorf("100 appends at one moment asked the sick disk %d times, want once", tried)
		}
		d.breakBy()
		time.Sleep(time.Second)
		mustAppend(t, s, "good")
		if err := s.Sync(); !errors.Is(err, errFault) {
			t.Errorf("Sync = %v, want the fault: the first segment is still in doubt", err)
		}
		g := mustNext(t, s)
		if diff := cmp.Diff([]string{"in doubt"}, records(g.Contents)); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
		mustDone(t, g)
		if err := s.Sync(); err != nil {
			t.Errorf("Sync = %v after the segment in doubt is done", err)
		}
		if st := s.Stats(); st.Failures != 1 {
			t.Errorf("Stats = %+v, want one failure", st)
		}
		if diff := cmp.Diff([]string{"good"}, drain(t, s)); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

// A segment that takes no more records, because it has half a record at its end
// that could not be cut, is still made durable.
func TestFailedTruncate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFaultyDisk()
		s, err := open(t.TempDir(), Options{SyncEvery: time.Second}, d)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		mustAppend(t, s, "kept")
		d.breakBy(fault{op: "write", times: 1}, fault{op: "truncate", times: 1})
		if err := s.Append([]byte("refused")); !errors.Is(err, errFault) {
			t.Errorf("Append = %v, want the fault", err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if err := s.Sync(); err != nil {
			t.Errorf("Sync: %v", err)
		}
		after, err := Open(d.crash(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer after.Close()
		if diff := cmp.Diff([]string{"kept"}, drain(t, after)); diff != "" {
			t.Errorf("records (-want +got):\n%s", diff)
		}
	})
}

// What is done stays done after a loss of power.
func TestDoneIsDurable(t *testing.T) {
	d := newFaultyDisk()
	s, err := open(t.TempDir(), Options{KeepBytes: 1 << 20}, d)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	mustAppend(t, s, "handed on")
	drain(t, s)
	dir := d.crash(t)
	after := mustOpen(t, dir, Options{KeepBytes: 1 << 20})
	if got := drain(t, after); len(got) > 0 {
		t.Errorf("handed out again: %q", got)
	}
	oneFile(t, dir, done)
}

// What was appended SyncEvery ago, or before a Sync, survives a loss of power.
func TestPowerLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFaultyDisk()
		s, err := open(t.TempDir(), Options{SegmentBytes: 200, SyncEvery: time.Second}, d)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var all []string
		add := func(n int) {
			for range n {
				r := fmt.Sprintf("record %d", len(all))
				mustAppend(t, s, r)
				all = append(all, r)
			}
		}
		for round := range 20 {
			add(1 + round)
			if round%2 == 0 {
				if err := s.Sync(); err != nil {
					t.Fatal(err)
				}
			} else {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			safe := len(all)
			add(round % 3)
			after, err := Open(d.crash(t), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if after.ID() != s.ID() {
				t.Errorf("ID %s, was %s", after.ID(), s.ID())
			}
			got := drain(t, after)
			after.Close()
			if len(got) < safe || !slices.Equal(got, all[:len(got)]) {
				t.Fatalf("round %d: %d records after the loss of power, %d were safe", round, len(got), safe)
			}
		}
	})
}

// What the disk does not delete stays in the list, so that an erasure finds it,
// and does not keep younger ones from being deleted.
func TestUndeletable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFaultyDisk()
		var log strings.Builder
		o := Options{SegmentBytes: 1, SyncEvery: time.Second, Keep: time.Hour, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		s, err := open(t.TempDir(), o, d)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		mustAppend(t, s, "a", "b", "c")
		drain(t, s)
		d.breakBy(fault{op: "remove", times: 9})
		oldest := s.Archived()[0]
		s.trim(time.Now().Add(2 * time.Hour))
		if got := len(s.Archived()); got != 3 || s.Stats().Done.Segments != 3 {
			t.Errorf("%d of 3 are listed", got)
		}
		d.breakBy(fault{op: "remove", times: 1})
		s.trim(time.Now().Add(2 * time.Hour))
		if got := s.Archived(); !slices.Equal(got, []string{oldest}) {
			t.Errorf("%q are listed, want %s", got, oldest)
		}
		s.trim(time.Now().Add(2 * time.Hour))
		if got := states(t, s.dir); got != "" {
			t.Errorf("left: %q", got)
		}
		if got := strings.Count(log.String(), "cannot be deleted"); got != 3 {
			t.Errorf("logged %d times, want once a segment:\n%s", got, &log)
		}
	})
}

// fullDisk has no room for another segment while two are archived.
type fullDisk struct {
	osDisk
	dir string
}

func (d fullDisk) OpenFile(path string, flag int) (file, error) {
	if found, err := filepath.Glob(filepath.Join(d.dir, "*"+done)); err != nil || len(found) >= 2 && flag&os.O_CREATE != 0 {
		return nil, errors.Join(err, &os.PathError{Op: "open", Path: path, Err: syscall.ENOSPC})
	}
	return d.osDisk.OpenFile(path, flag)
}

// A disk that is full of archived segments does not stay so.
func TestFullDiskTakesFromTheArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		s, err := open(dir, Options{SegmentBytes: 100, SyncEvery: time.Second, Keep: time.Hour}, fullDisk{dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for _, record := range []string{"first", "second"} {
			mustAppend(t, s, record)
			mustDone(t, mustNext(t, s))
		}
		if err := s.Append([]byte("third")); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("Append = %v, want a full disk", err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		mustAppend(t, s, "third")
		if archive := s.Stats().Done; archive.Segments != 1 {
			t.Errorf("%d segments are archived, want the newer one only", archive.Segments)
		}
	})
}

// A disk that is full of archived segments does not keep a spool from being opened,
// also where a torn tail is to be copied.
func TestFullDiskAtOpen(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{SegmentBytes: 1, Keep: time.Hour})
	mustAppend(t, s, "first", "second", "third")
	drain(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, _ := image(marker{0xf1, 2, 3, 4}, "one", "two")
	write(t, filepath.Join(dir, nextName(time.Now(), s.last)+active), append(data, "more than one torn record"...))
	again, err := open(dir, Options{Keep: time.Hour}, fullDisk{dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if archive := again.Stats().Done; archive.Segments != 1 {
		t.Errorf("%d segments are archived, want the newest only", archive.Segments)
	}
	oneFile(t, dir, torn)
	if diff := cmp.Diff([]string{"one", "two"}, drain(t, again)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
