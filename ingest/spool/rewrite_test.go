package spool

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withoutTens drops every tenth record of many and changes the one after it.
func withoutTens(record []byte) ([]byte, error) {
	switch {
	case bytes.Contains(record, []byte("0 ")):
		return nil, nil
	case bytes.Contains(record, []byte("1 ")):
		return bytes.ReplaceAll(record, []byte("record"), []byte("changed")), nil
	}
	return record, nil
}

func edited(rs []string) (kept []string, changed int) {
	for _, r := range rs {
		after, _ := withoutTens([]byte(r))
		if string(after) != r {
			changed++
		}
		if after != nil {
			kept = append(kept, string(after))
		}
	}
	return kept, changed
}

// What is rewritten holds what was kept, in a file of the same state and age,
// and the spool counts its new size.
func TestRewrite(t *testing.T) {
	for name, rs := range map[string][]string{"packed": many("a"), "small": many("a")[:40]} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				s := archiveOne(t, dir, Options{}, rs)
				defer s.Close()
				synctest.Wait()
				state, archived := states(t, dir), s.Archived()
				path := oneFile(t, dir, state)
				f, _ := s.archive.find(archived[0])
				time.Sleep(time.Minute)
				want, wantChanged := edited(rs)
				changed, err := s.Rewrite(archived[0], withoutTens)
				if err != nil || changed != wantChanged || len(archived) != 1 {
					t.Fatalf("%d changed of %q, want %d: %v", changed, archived, wantChanged, err)
				}
				c, err := ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if gaps, _ := c.Damage(); gaps > 0 || !cmp.Equal(want, records(c)) || states(t, dir) != state {
					t.Errorf("files %q, %d damaged places (-want +got):\n%s", states(t, dir), gaps, cmp.Diff(want, records(c)))
				}
				after, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				if !after.ModTime().Equal(f.wrote) || s.Stats().Done != (Usage{1, after.Size()}) {
					t.Errorf("the file is of %v, was of %v; %+v for %d bytes", after.ModTime(), f.wrote, s.Stats().Done, after.Size())
				}
				if again, err := s.Rewrite(archived[0], func(r []byte) ([]byte, error) { return r, nil }); again != 0 || err != nil {
					t.Errorf("%d changed where nothing is to be: %v", again, err)
				}
				if none, err := s.Rewrite("20200101T000000.000000000Z", withoutTens); none != 0 || err != nil {
					t.Errorf("%d changed in a segment that is not there: %v", none, err)
				}
			})
		})
	}
}

// Whatever the disk refuses, the file is the one before or the one after, and a
// repeat ends with the one after, also behind a crash.
func TestFaultsWhileRewriting(t *testing.T) {
	everyFault(t, func(t *testing.T, f fault) {
		if f.op == "truncate" {
			f.op = "write" // rewriting truncates nothing
		}
		d := newFaultyDisk()
		s, err := open(t.TempDir(), Options{Keep: time.Hour}, d)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		rs := many("a")
		want, _ := edited(rs)
		mustAppend(t, s, rs...)
		if err := s.Drain(); err != nil {
			t.Fatal(err)
		}
		mustDone(t, mustNext(t, s))
		synctest.Wait()
		name := s.Archived()[0]
		d.breakBy(f)
		for try := range 20 {
			if _, err = s.Rewrite(name, withoutTens); err == nil {
				break
			}
			c, readErr := ReadFile(s.path(name, packed))
			if readErr != nil {
				t.Fatal(readErr)
			}
			if got := records(c); !cmp.Equal(got, rs) && !cmp.Equal(got, want) {
				t.Fatalf("after try %d: %d records, neither those before nor those after", try, len(got))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		d.breakBy()
		after := mustOpen(t, d.crash(t), Options{Keep: time.Hour})
		defer after.Close()
		synctest.Wait()
		readOnce(t, after.dir, want)
		if left, _ := filepath.Glob(filepath.Join(after.dir, "*"+unfinished)); len(left) > 0 {
			t.Errorf("left: %q", strings.Join(left, " "))
		}
	})
}

func TestSetAside(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	defer s.Close()
	for _, file := range []string{"20260101T000000.000000000Z.bad", "20260101T000001.000000000Z.torn", "20260101T000002.000000000Z.done", "notes.bad"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.SetAside(); n != 2 || err != nil {
		t.Errorf("%d are set aside, want 2: %v", n, err)
	}
}
