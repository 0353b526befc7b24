package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRoundTrip(t *testing.T) {
	s := mustOpen(t, filepath.Join(t.TempDir(), "a", "b"), Options{SegmentBytes: 200})
	var want []string
	for i := range 50 {
		r := strings.Repeat(string(rune('a'+i%26)), i*3)
		want = append(want, r)
		mustAppend(t, s, r)
	}
	if st := s.Stats(); st.Appended != 50 || st.Sealed.Segments < 10 || st.Active.Segments != 1 {
		t.Errorf("Stats = %+v", st)
	}
	if diff := cmp.Diff(want, drain(t, s)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got := s.Stats(); got.Sealed.Bytes != 0 || got.Active.Bytes != 0 || got.OldestUndone != 0 {
		t.Errorf("drained: Stats = %+v", got)
	}
	if got := s.Append(nil); !errors.Is(got, ErrClosed) {
		t.Errorf("Append after Drain = %v, want ErrClosed", got)
	}
}

// Segments are repeatable batches: what a caller keeps stays, and a second look
// is the same as the first, also after a restart.
func TestSegmentIsRepeatable(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustAppend(t, s, "one", "", "three")
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	g := mustNext(t, s)
	var first []string
	var offsets []int64
	for off, r := range g.Records() {
		first, offsets = append(first, string(r)), append(offsets, off)
	}
	if diff := cmp.Diff([]int64{16, 31, 43}, offsets); diff != "" {
		t.Errorf("offsets (-want +got):\n%s", diff)
	}
	name, id := g.Name(), s.ID()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Done(); !errors.Is(err, ErrClosed) {
		t.Errorf("Done after Close = %v, want ErrClosed", err)
	}
	if _, err := s.Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Next after Close = %v, want ErrClosed", err)
	}

	s = mustOpen(t, dir, Options{})
	g = mustNext(t, s)
	if g.Name() != name || s.ID() != id || len(id) != 32 {
		t.Errorf("after restart: name %s, id %s; want %s, %s", g.Name(), s.ID(), name, id)
	}
	if diff := cmp.Diff(first, records(g.Contents)); diff != "" || g.Len() != 3 {
		t.Errorf("Len %d, records after restart (-first +second):\n%s", g.Len(), diff)
	}
	g.Release()
	if g2 := mustNext(t, s); g2.Name() != name {
		t.Errorf("after Release: Next = %s, want %s", g2.Name(), name)
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	_, err := Open(dir, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("second Open = %v, want ErrLocked with the directory", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, Options{})
}

func TestRefusals(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{SegmentBytes: 100, MaxBytes: 300, MaxRecord: 1000})
	if err := s.Append(make([]byte, 273)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a record that never fits: %v, want ErrTooLarge", err)
	}
	if err := s.Append(make([]byte, 272)); err != nil {
		t.Errorf("a record that just fits: %v", err)
	}
	if err := s.Append(nil); !errors.Is(err, ErrFull) {
		t.Errorf("Append to a full spool: %v, want ErrFull", err)
	}
	mustDone(t, mustNext(t, s))
	mustAppend(t, s, "room again")
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"segment":  {SegmentBytes: maxOption + 1},
		"record":   {MaxRecord: -1},
		"interval": {SyncEvery: -1},
		"size":     {SegmentBytes: 100, MaxBytes: 99},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Open(t.TempDir(), o); err == nil {
				t.Error("Open took them")
			}
		})
	}
}

func TestBadID(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "id")
	if err := os.WriteFile(path, []byte("c0ffee\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Open = %v, want an error that names %s", err, path)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, Options{}) // the failed Open has let the lock go
}

// While something is sealed, the active segment grows however old it is.
func TestSealByAgeOnlyWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, t.TempDir(), Options{SegmentBytes: 60, SealAge: time.Second})
		defer s.Close()
		start := time.Now()
		mustAppend(t, s, strings.Repeat("x", 40), "a")
		g := mustNext(t, s)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("a full segment was handed out after %v", waited)
		}
		time.Sleep(5 * time.Second) // the reader is busy
		mustAppend(t, s, "b")
		if st := s.Stats(); st.Active.Segments != 1 || st.OldestUndone != 5*time.Second {
			t.Errorf("busy reader: Stats = %+v, want one active segment", st)
		}
		mustDone(t, g)
		g = mustNext(t, s)
		if diff := cmp.Diff([]string{"a", "b"}, records(g.Contents)); diff != "" {
			t.Errorf("an old segment (-want +got):\n%s", diff)
		}
		mustDone(t, g)

		// A reader that already waits gets a new record after SealAge.
		var wg sync.WaitGroup
		wg.Go(func() {
			begin := time.Now()
			g, err := s.Next(t.Context())
			if err != nil || time.Since(begin) != 3*time.Second {
				t.Errorf("Next = %v, %v after %v; want a segment after 3s", g, err, time.Since(begin))
			}
		})
		time.Sleep(2 * time.Second)
		mustAppend(t, s, "c")
		wg.Wait()
	})
}

func TestNextEnds(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{SealAge: time.Hour})
	ends := func(want error, ctx context.Context, end func()) {
		t.Helper()
		got := make(chan error)
		go func() {
			_, err := s.Next(ctx)
			got <- err
		}()
		end()
		if err := <-got; !errors.Is(err, want) {
			t.Errorf("Next = %v, want %v", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ends(context.Canceled, ctx, cancel)
	ends(io.EOF, t.Context(), func() { s.Drain() })
	s = mustOpen(t, t.TempDir(), Options{SealAge: time.Hour})
	mustAppend(t, s, "waits")
	ends(ErrClosed, t.Context(), func() { s.Close() })
}

// Names grow when the clock goes back, and when nothing is left to compare with.
func TestNamesAreNeverReused(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustAppend(t, s, "now")
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	g := mustNext(t, s)
	mustDone(t, g)
	if got := states(t, dir); got != "" {
		t.Fatalf("files after Done: %s, want none", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		s := mustOpen(t, dir, Options{SegmentBytes: 1})
		defer s.Close()
		last := g.Name()
		mustAppend(t, s, "then", "after then", "and after that")
		for range 3 {
			g := mustNext(t, s)
			if g.Name() <= last {
				t.Errorf("name %s does not come after %s", g.Name(), last)
			}
			last = g.Name()
			mustDone(t, g)
		}
	})
}

func TestArchive(t *testing.T) {
	const size = headerSize + recordHeader + 1
	for _, tc := range []struct {
		name  string
		o     Options
		after time.Duration
		want  int
	}{
		{"nothing kept", Options{}, 0, 0},
		{"by size", Options{KeepBytes: 2*size + 1}, 0, 2},
		{"by size, whatever the age", Options{KeepBytes: math.MaxInt64}, 1000 * time.Hour, 5},
		{"young", Options{Keep: time.Hour}, time.Minute, 5},
		{"old", Options{Keep: time.Hour}, 2 * time.Hour, 0},
		{"size binds first", Options{Keep: time.Hour, KeepBytes: size}, time.Minute, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				tc.o.SegmentBytes, tc.o.SyncEvery = 1, 10*time.Minute
				s := mustOpen(t, dir, tc.o)
				defer s.Close()
				mustAppend(t, s, "a", "b", "c", "d", "e")
				for range 5 {
					mustDone(t, mustNext(t, s))
				}
				time.Sleep(tc.after)
				synctest.Wait()
				if got := s.Stats().Done; got.Segments != tc.want || got.Bytes != int64(tc.want)*size {
					t.Errorf("Stats.Done = %+v, want %d segments of %d", got, tc.want, size)
				}
				if got := strings.Count(states(t, dir), done); got != tc.want {
					t.Errorf("%d .done files, want %d", got, tc.want)
				}
			})
		})
	}
}

// The archive is in the order of names, whatever was done first.
func TestArchiveOrder(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{SegmentBytes: 1, KeepBytes: 1 << 20})
	mustAppend(t, s, "a", "b", "c", "d")
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	var want []string
	var held []*Segment
	for range 4 {
		g := mustNext(t, s)
		held, want = append(held, g), append(want, g.Name())
	}
	for _, i := range []int{2, 0, 3, 1} {
		mustDone(t, held[i])
	}
	if diff := cmp.Diff(want, s.Archived()); diff != "" {
		t.Errorf("segments (-want +got):\n%s", diff)
	}
	for _, name := range want {
		if f, ok := s.archive.find(name); !ok || f.name != name {
			t.Errorf("found %q for %s", f.name, name)
		}
	}
}

// A smaller limit takes effect at the next Open.
func TestArchiveAtOpen(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{SegmentBytes: 1, KeepBytes: 1 << 20})
	mustAppend(t, s, "a", "b", "c")
	drain(t, s)
	s.Close()
	if got, want := states(t, dir), ".done .done .done"; got != want {
		t.Fatalf("files %q, want %q", got, want)
	}
	mustOpen(t, dir, Options{KeepBytes: 29})
	c, err := ReadFile(oneFile(t, dir, done))
	if err != nil || len(records(c)) != 1 || records(c)[0] != "c" {
		t.Errorf("kept %v, %v; want c", c, err)
	}
}

func TestManyAppendersAndReaders(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{SegmentBytes: 1000, SyncEvery: time.Millisecond})
	const writers, each = 8, 500
	var wg, readers sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := s.Append(fmt.Appendf(nil, "%d %d", w, i)); err != nil {
					t.Errorf("Append: %v", err)
				}
			}
		})
	}
	var mu sync.Mutex
	seen := map[string]int{}
	for range 3 {
		readers.Go(func() {
			for {
				g, err := s.Next(context.Background())
				if err != nil {
					if !errors.Is(err, io.EOF) {
						t.Errorf("Next: %v", err)
					}
					return
				}
				mu.Lock()
				for _, r := range g.Records() {
					seen[string(r)]++
				}
				mu.Unlock()
				if err := g.Done(); err != nil {
					t.Errorf("Done: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	readers.Wait()
	if st := s.Stats(); st.Failures != 0 {
		t.Errorf("Stats = %+v: sealing and the group fsync got into each other's way", st)
	}
	for w := range writers {
		for i := range each {
			if r := fmt.Sprintf("%d %d", w, i); seen[r] != 1 {
				t.Errorf("record %q was read %d times", r, seen[r])
			}
		}
	}
}
