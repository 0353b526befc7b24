package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const someName = "20260102T030405.678901234Z"

// image is a segment file in memory, with the offsets of its records.
func image(m marker, payloads ...string) (data []byte, offsets []int) {
	data = appendHeader(nil, m)
	for _, p := range payloads {
		offsets = append(offsets, len(data))
		data = appendRecord(data, m, []byte(p))
	}
	return data, offsets
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRestoreActive(t *testing.T) {
	m := marker{0xf1, 2, 3, 4}
	whole, offs := image(m, "one", "two", "three")
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	all := []string{"one", "two", "three"}
	long := binary.LittleEndian.AppendUint32(m[:], 1000)
	for _, tc := range []struct {
		name  string
		data  []byte
		want  []string
		torn  int64
		aside bool
	}{
		{name: "whole", data: whole, want: all},
		{name: "empty file", data: nil},
		{name: "part of a header", data: whole[:10]},
		{name: "header only", data: whole[:headerSize]},
		{name: "one byte of a record", data: whole[:offs[2]+1], want: all[:2], torn: 1},
		{name: "part of a record's header", data: whole[:offs[2]+9], want: all[:2], torn: 1},
		{name: "part of a payload", data: whole[:len(whole)-1], want: all[:2], torn: 1},
		{name: "part of the only record", data: whole[:offs[1]-1], torn: 1},
		{name: "garbage of a record's length", data: join(whole[:len(whole)-2], []byte("??")), want: all[:2], torn: 1},
		{name: "zeros", data: join(whole, make([]byte, 4096)), want: all, torn: 1, aside: true},
		{name: "only zeros", data: make([]byte, 4096), torn: 1, aside: true},
		{name: "foreign bytes", data: join(whole, []byte("x")), want: all, torn: 1, aside: true},
		{name: "two broken records", data: join(whole[:offs[1]+12], []byte("tWothree"), long, []byte("....x")), want: all[:1], torn: 1, aside: true},
		{name: "a broken length that swallows a torn record", data: join(whole[:offs[1]], long, whole[offs[2]:len(whole)-1]), want: all[:1], torn: 1, aside: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, someName+active), tc.data)
			s := mustOpen(t, dir, Options{})
			st := s.Stats()
			if st.TornTails != tc.torn || st.TornFiles != map[bool]int64{true: 1}[tc.aside] {
				t.Errorf("Stats = %+v, want %d torn, copied aside %t", st, tc.torn, tc.aside)
			}
			if tc.aside {
				if got, err := os.ReadFile(oneFile(t, dir, torn)); err != nil || !bytes.Equal(got, tc.data) {
					t.Errorf("the copy is not what was there: %q, %v", got, err)
				}
			}
			if diff := cmp.Diff(tc.want, drain(t, s)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if got := s.Stats(); got.Corrupt != 0 || got.Bad.Segments != 0 {
				t.Errorf("Stats = %+v, want no damage in what was sealed", got)
			}
		})
	}
}

// The oldest comes first, whatever state it was left in.
func TestRestoreOrder(t *testing.T) {
	dir := t.TempDir()
	for year, state := range map[string]string{"2024": sealed, "2025": active, "2026": sealed} {
		data, _ := image(marker{1, 2, 3, 4}, year)
		write(t, filepath.Join(dir, year+someName[4:]+state), data)
	}
	s := mustOpen(t, dir, Options{})
	if diff := cmp.Diff([]string{"2024", "2025", "2026"}, drain(t, s)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// A record in the middle that does not check is left to the reader: records
// after it are still good.
func TestRestoreKeepsWhatFollowsDamage(t *testing.T) {
	dir := t.TempDir()
	data, offs := image(marker{9, 8, 7, 6}, "one", "two", "three")
	data[offs[1]+recordHeader] ^= 1
	write(t, filepath.Join(dir, someName+active), data[:len(data)-1])
	s := mustOpen(t, dir, Options{})
	if diff := cmp.Diff([]string{"one"}, drain(t, s)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	write(t, filepath.Join(dir, someName+active), data)
	s.Close()
	s = mustOpen(t, dir, Options{})
	if diff := cmp.Diff([]string{"one", "three"}, drain(t, s)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if st := s.Stats(); st.TornTails != 0 || st.Corrupt != 1 {
		t.Errorf("Stats = %+v, want one corrupt place and no torn tail", st)
	}
}

func TestDamagedSegment(t *testing.T) {
	m := marker{0xf1, 2, 3, 4}
	for _, tc := range []struct {
		name string
		harm func(data []byte, offs []int) []byte
		want []string
		lost int64
	}{
		{"payload", func(d []byte, o []int) []byte { d[o[1]+13] ^= 4; return d }, []string{"one", "three"}, 15},
		{"length", func(d []byte, o []int) []byte { d[o[1]+6] ^= 4; return d }, []string{"one", "three"}, 15},
		{"checksum", func(d []byte, o []int) []byte { d[o[1]+8] ^= 4; return d }, []string{"one", "three"}, 15},
		{"marker", func(d []byte, o []int) []byte { d[o[0]] ^= 4; return d }, []string{"two", "three"}, 15},
		{"magic", func(d []byte, _ []int) []byte { d[0] ^= 4; return d }, []string{"one", "two", "three"}, 16},
		{"marker in the header", func(d []byte, _ []int) []byte { d[8] ^= 4; return d }, []string{"one", "two", "three"}, 16},
		{"tail", func(d []byte, o []int) []byte { return d[:o[2]+5] }, []string{"one", "two"}, 5},
		{"everything", func(d []byte, _ []int) []byte { clear(d); return d }, nil, 63},
		{"empty", func([]byte, []int) []byte { return nil }, nil, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			data, offs := image(m, "one", "two", "three")
			data = tc.harm(data, offs)
			write(t, filepath.Join(dir, someName+sealed), data)
			var log strings.Builder
			s := mustOpen(t, dir, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			g := mustNext(t, s)
			g.Release()
			if diff := cmp.Diff(tc.want, drain(t, s)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
			if tc.lost == 0 {
				return
			}
			if st := s.Stats(); st.Corrupt == 0 || st.CorruptBytes != tc.lost || st.Bad.Segments != 1 {
				t.Errorf("Stats = %+v, want %d corrupt bytes and one bad segment", st, tc.lost)
			}
			if got := strings.Count(log.String(), "is damaged"); got != 1 {
				t.Errorf("logged %d times, want once:\n%s", got, &log)
			}
			if got, err := os.ReadFile(oneFile(t, dir, bad)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("the file was not kept as it is: %v", err)
			}
		})
	}
}

// Whatever is in a file, reading it ends: here every place looks like a record
// of half the file.
func TestReadingIsBounded(t *testing.T) {
	m := marker{1, 2, 3, 4}
	data := appendHeader(nil, m)
	for len(data) < 8<<20 {
		data = append(data, m[:]...)
		data = binary.LittleEndian.AppendUint32(data, 4<<20)
	}
	begin := time.Now()
	c, err := parse(someName, data)
	if err != nil || c.Len() != 0 || time.Since(begin) > 5*time.Second {
		t.Errorf("parse = %d records, %v, after %v", c.Len(), err, time.Since(begin))
	}
}

func TestNewerVersion(t *testing.T) {
	dir := t.TempDir()
	data, _ := image(marker{1}, "one")
	data[len(magic)]++
	binary.LittleEndian.PutUint32(data[12:], crc32.Checksum(data[:12], castagnoli))
	path := filepath.Join(dir, someName+done)
	write(t, path, data)
	if _, err := ReadFile(path); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("ReadFile = %v, want an error about version 2", err)
	}
}

func TestRemovedByHand(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{SegmentBytes: 1, KeepBytes: 1 << 20})
	mustAppend(t, s, "a", "b", "c")
	held := mustNext(t, s)
	files, err := filepath.Glob(filepath.Join(dir, "*"+sealed))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	mustDone(t, held)
	if diff := cmp.Diff([]string{"c"}, drain(t, s)); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if st := s.Stats(); st.Sealed != (Usage{}) || st.Done.Segments != 1 {
		t.Errorf("Stats = %+v, want nothing sealed and one done", st)
	}
}

// A clock that was set back, behind all that was received, does not make what waits
// look like nothing, or like something that came after a later moment.
func TestUndoneBehindTheClock(t *testing.T) {
	dir := t.TempDir()
	data, _ := image(marker{1, 2, 3, 4}, "from the future")
	path := filepath.Join(dir, someName+sealed)
	write(t, path, data)
	synctest.Test(t, func(t *testing.T) { // where it is the year 2000
		s := mustOpen(t, dir, Options{})
		defer s.Close()
		if got := s.Stats().OldestUndone; got <= 0 {
			t.Errorf("at once: OldestUndone = %v", got)
		}
		time.Sleep(time.Minute)
		if got := s.Stats().OldestUndone; got != time.Minute {
			t.Errorf("a minute later: OldestUndone = %v", got)
		}
	})
}

// A segment that cannot be read does not hold up those after it for ever.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, someName+sealed), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, strings.Replace(someName, "2026", "2025", 1)+active), 0o700); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, dir, Options{})
		defer s.Close()
		mustAppend(t, s, "good")
		start := time.Now()
		var err error
		for range 100 {
			if _, err = s.Next(t.Context()); err != nil {
				time.Sleep(time.Second)
				continue
			}
			break
		}
		if took := time.Since(start); err != nil || took != (readAttempts-1)*readPause {
			t.Errorf("Next = %v after %v, want the next segment after %v", err, took, (readAttempts-1)*readPause)
		}
	})
	if got, want := states(t, dir), ".bad .bad .sealed"; got != want {
		t.Errorf("files %q, want %q", got, want)
	}
}

// What says nothing of the file never costs a segment: here a loop of links is in
// the way to it, as EMFILE or EACCES would be.
func TestUnreadableForAWhile(t *testing.T) {
	for _, state := range []string{sealed, active} {
		dir := t.TempDir()
		path := filepath.Join(dir, someName+state)
		if err := os.Symlink(path, path); err != nil {
			t.Fatal(err)
		}
		data, _ := image(marker{1, 2, 3, 4}, "good")
		synctest.Test(t, func(t *testing.T) {
			s, err := Open(dir, Options{})
			if state == active {
				if !errors.Is(err, syscall.ELOOP) {
					t.Fatalf("Open = %v, want ELOOP", err)
				}
			} else {
				defer s.Close()
				for range 100 {
					if _, err := s.Next(t.Context()); !errors.Is(err, syscall.ELOOP) {
						t.Fatalf("Next = %v, want ELOOP", err)
					}
					time.Sleep(readPause)
				}
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, data)
			if state == active {
				s = mustOpen(t, dir, Options{})
				defer s.Close()
			}
			if diff := cmp.Diff([]string{"good"}, drain(t, s)); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInFile(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.EIO: true, io.ErrUnexpectedEOF: true, errors.New("not a segment"): true,
		syscall.EMFILE: false, syscall.ENFILE: false, syscall.EACCES: false, syscall.ESTALE: false,
	} {
		if got := inFile(fmt.Errorf("reading: %w", err)); got != want {
			t.Errorf("%v: %t, want %t", err, got, want)
		}
	}
}

func TestBad(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	mustAppend(t, s, "odd")
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	g := mustNext(t, s)
	if err := g.Bad("nobody wants it"); err != nil {
		t.Fatal(err)
	}
	if err := g.Done(); err == nil {
		t.Error("Done after Bad returned nil")
	}
	if st := s.Stats(); st.Bad.Segments != 1 || st.Bad.Bytes != g.Size() || st.Sealed.Segments != 0 {
		t.Errorf("Stats = %+v", st)
	}
	s.Close()
	s = mustOpen(t, dir, Options{})
	if st := s.Stats(); st.Bad.Segments != 1 {
		t.Errorf("after restart: Stats = %+v", st)
	}
	c, err := ReadFile(oneFile(t, dir, bad))
	if err != nil || len(records(c)) != 1 {
		t.Errorf("ReadFile = %v, %v", c, err)
	}
}
