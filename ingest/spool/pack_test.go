package spool

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// many are records that compress well and take more than packFrom.
func many(seed string) (rs []string) {
	for i := range 400 {
		rs = append(rs, fmt.Sprintf("%s record %d %s", seed, i, strings.Repeat("x", i%50)))
	}
	return rs
}

// fold compresses a file.
func fold(s *Spool, dst io.Writer, file []byte) error {
	return s.encode(dst, int64(len(file)), func(dst io.Writer) error { return s.copy(dst, bytes.NewReader(file)) })
}

// archiveOne makes a spool with one archived segment of the records.
func archiveOne(t testing.TB, dir string, o Options, rs []string) *Spool {
	t.Helper()
	o.Keep = time.Hour
	s := mustOpen(t, dir, o)
	mustAppend(t, s, rs...)
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	mustDone(t, mustNext(t, s))
	return s
}

// What is done becomes smaller and stays the same: name, records, offsets, age.
func TestPack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		want := many("a")
		s := mustOpen(t, dir, Options{Keep: time.Hour})
		defer s.Close()
		mustAppend(t, s, want...)
		time.Sleep(time.Minute)
		g := mustNext(t, s)
		wrote := time.Now()
		mustDone(t, g)
		synctest.Wait()
		if got := states(t, dir); got != packed {
			t.Fatalf("files %q, want one %s", got, packed)
		}
		path := oneFile(t, dir, packed)
		c, err := ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, records(c)); diff != "" || c.Name() != g.Name() || !bytes.Equal(c.data, g.data) {
			t.Errorf("%s is not %s, records (-want +got):\n%s", c.Name(), g.Name(), diff)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Stats().Done; got != (Usage{1, info.Size()}) || info.Size() > g.Size()/5 {
			t.Errorf("Stats.Done = %+v; the file has %d bytes, unpacked %d", got, info.Size(), g.Size())
		}
		if !info.ModTime().Equal(wrote) {
			t.Errorf("the file is of %v, its last record of %v", info.ModTime(), wrote)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := states(t, dir); got != "" {
			t.Errorf("files %q after their time", got)
		}
	})
}

// Whatever the disk refuses while a segment is packed, its records stay, once,
// and the next Open packs it.
func TestFaultsWhilePacking(t *testing.T) {
	everyFault(t, func(t *testing.T, f fault) {
		if f.op == "truncate" {
			f.op = "write" // packing truncates nothing
		}
		dir := t.TempDir()
		d := newFaultyDisk()
		s, err := open(dir, Options{Keep: time.Hour}, d)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		want := many("a")
		mustAppend(t, s, want...)
		if err := s.Drain(); err != nil {
			t.Fatal(err)
		}
		g := mustNext(t, s)
		if err := s.move(g.Name(), sealed, done); err != nil { // Done, but for telling the archive
			t.Fatal(err)
		}
		d.breakBy(f)
		s.archive.add(archived{name: g.Name(), size: g.Size(), wrote: time.Now()})
		synctest.Wait()
		if d.struck[f.op] == 0 {
			t.Error("the fault never struck")
		}
		readOnce(t, dir, want)
		d.breakBy()
		after := mustOpen(t, d.crash(t), Options{Keep: time.Hour})
		defer after.Close()
		synctest.Wait()
		readOnce(t, after.dir, want)
		if got := states(t, after.dir); got != packed {
			t.Errorf("files %q after the next Open, want one %s", got, packed)
		}
	})
}

// readOnce requires that each archived file of dir, of which there may be two
// for one segment, holds the records.
func readOnce(t *testing.T, dir string, want []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.done*"))
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for _, file := range files {
		if strings.HasSuffix(file, unfinished) {
			continue
		}
		c, err := ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, records(c)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		whole++
	}
	if whole == 0 {
		t.Error("no archived file is left")
	}
}

// What a crash leaves in the middle of packing is put in order: of two files of
// one segment one stays, and half a file goes.
func TestOpenTidiesPacking(t *testing.T) {
	dir := t.TempDir()
	archiveOne(t, dir, Options{}, []string{strings.Repeat("tiny", 3)}).Close()
	plain := oneFile(t, dir, done)
	image, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	var folded bytes.Buffer
	s := &Spool{stop: make(chan struct{})}
	if err := fold(s, &folded, image); err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(plain, done)
	write(t, name+packed, folded.Bytes())
	write(t, name+packed+unfinished, folded.Bytes()[:10])
	after := mustOpen(t, dir, Options{Keep: time.Hour})
	if got := states(t, dir); got != packed {
		t.Errorf("files %q, want one %s", got, packed)
	}
	if got, want := after.Stats().Done, (Usage{1, int64(folded.Len())}); got != want {
		t.Errorf("Stats.Done = %+v, want %+v", got, want)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*"+unfinished)); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// A packed segment that is damaged, cut or unfolds to too much is an error, not
// a part of the records.
func TestDamagedPacked(t *testing.T) {
	data, _ := image(newMarker(), many("a")...)
	var folded bytes.Buffer
	s := &Spool{stop: make(chan struct{})}
	if err := fold(s, &folded, data); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), someName+packed)
	flipped := bytes.Clone(folded.Bytes())
	flipped[len(flipped)/2] ^= 1
	for name, content := range map[string][]byte{"flipped": flipped, "cut": folded.Bytes()[:folded.Len()-1], "magic only": zstdMagic} {
		write(t, path, content)
		if c, err := ReadFile(path); err == nil {
			t.Errorf("%s: %d records", name, c.Len())
		}
	}
	write(t, path, folded.Bytes())
	if c, err := ReadFile(path); err != nil || c.Len() != 400 {
		t.Errorf("whole: %v, %v", c, err)
	}
}

// A packed segment that a person has renamed is read again.
func TestPackedAgainSealed(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := archiveOne(t, dir, Options{}, many("a"))
		synctest.Wait()
		s.Close()
	})
	path := oneFile(t, dir, packed)
	if err := os.Rename(path, strings.TrimSuffix(path, packed)+sealed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(many("a"), drain(t, mustOpen(t, dir, Options{}))); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// BenchmarkPack compresses a segment of 16 MiB, or the file that SEGMENT names.
func BenchmarkPack(b *testing.B) {
	data, _ := image(newMarker(), many("a")...)
	data = bytes.Repeat(data, 16<<20/len(data))
	if path := os.Getenv("SEGMENT"); path != "" {
		c, err := ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		data = c.data
	}
	s := &Spool{stop: make(chan struct{})}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var folded bytes.Buffer
	for b.Loop() {
		folded.Reset()
		if err := fold(s, &folded, data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(data))/float64(folded.Len()), "ratio")
}
