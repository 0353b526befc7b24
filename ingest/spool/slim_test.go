package spool

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withoutX leaves the x at the end of a record out of the archive.
func withoutX(record []byte) []byte { return bytes.TrimRight(record, "x") }

// The archive has records as Slim has them, also after the next Open; before, they
// are as they were appended.
func TestSlim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		all := many("a")
		s := mustOpen(t, dir, Options{Keep: time.Hour, Slim: withoutX})
		mustAppend(t, s, all...)
		if err := s.Drain(); err != nil {
			t.Fatal(err)
		}
		g := mustNext(t, s)
		if diff := cmp.Diff(all, records(g.Contents)); diff != "" {
			t.Errorf("before it is done (-want +got):\n%s", diff)
		}
		mustDone(t, g)
		synctest.Wait()
		want := make([]string, len(all))
		for i, record := range all {
			want[i] = strings.TrimRight(record, "x")
		}
		requireArchived(t, dir, want)
		info, err := os.Stat(oneFile(t, dir, packed))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Stats().Done; got != (Usage{1, info.Size()}) {
			t.Errorf("Stats.Done = %+v; the file has %d bytes", got, info.Size())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := mustOpen(t, dir, Options{Keep: time.Hour, Slim: withoutX})
		defer again.Close()
		synctest.Wait()
		requireArchived(t, dir, want)
	})
}

// requireArchived requires that the one archived file of dir is packed and holds
// the records, and says before it is read how large it is.
func requireArchived(t *testing.T, dir string, want []string) {
	t.Helper()
	c, err := ReadFile(oneFile(t, dir, packed))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, records(c)); diff != "" {
		t.Errorf("in the archive (-want +got):\n%s", diff)
	}
}

// What cannot be made slim is archived as it is: a file with damage, of which
// nothing may get lost, and one that would become many times as large.
func TestSlimKeepsOthersAsTheyAre(t *testing.T) {
	m := newMarker()
	data := appendHeader(nil, m)
	for _, record := range many("a") {
		data = appendRecord(data, m, []byte(record))
	}
	damaged := func(at int) []byte {
		data := bytes.Clone(data)
		data[at] ^= 1
		return data
	}
	long := bytes.Repeat([]byte("long "), 1000)
	for name, test := range map[string]struct {
		data []byte
		slim func([]byte) []byte
	}{
		"a flipped header":  {damaged(3), withoutX},
		"a flipped marker":  {damaged(headerSize + 1), withoutX},
		"a flipped length":  {damaged(headerSize + 6), withoutX},
		"a flipped record":  {damaged(len(data) / 2), withoutX},
		"cut in a record":   {data[:len(data)-3], withoutX},
		"cut in a header":   {append(bytes.Clone(data), m[:]...), withoutX},
		"followed by bytes": {append(bytes.Clone(data), long...), withoutX},
		"too much growth":   {data, func([]byte) []byte { return long }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				s := mustOpen(t, dir, Options{Keep: time.Hour})
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				write(t, s.path(someName, done), test.data)
				s = mustOpen(t, dir, Options{Keep: time.Hour, Slim: test.slim})
				defer s.Close()
				synctest.Wait()
				c, err := ReadFile(oneFile(t, dir, packed))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(c.data, test.data) {
					t.Error("the archived file is not as it was")
				}
			})
		})
	}
}
