package spool

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// FuzzSegment reads arbitrary bytes as a segment, then a good segment that was
// cut at one place, then one with a byte changed.
func FuzzSegment(f *testing.F) {
	good, _ := image(marker{0xf1, 2, 3, 4}, "one", "", "three")
	f.Add(good, uint(30), byte(1))
	f.Add(good[:len(good)-1], uint(0), byte(0x80))
	f.Fuzz(func(t *testing.T, data []byte, at uint, flip byte) {
		if c, err := parse("arbitrary", data); err == nil {
			check(t, c)
		}

		// Records out of the same bytes. Senders do not know the marker, so it
		// may not be in the input.
		sum := sha256.Sum256(data)
		m := marker(sum[:4])
		if bytes.Contains(data, m[:]) {
			return
		}
		var want [][]byte
		file, ends := appendHeader(nil, m), []int{}
		for rest := data; len(rest) > 0; {
			n := min(int(rest[0]), len(rest))
			want = append(want, rest[:n])
			rest = rest[max(n, 1):]
			file = appendRecord(file, m, want[len(want)-1])
			ends = append(ends, len(file))
		}

		cut := file[:at%uint(len(file)+1)]
		whole := 0
		for whole < len(ends) && ends[whole] <= len(cut) {
			whole++
		}
		c := mustParse(t, cut)
		same(t, want[:whole], c)

		hit := at % uint(len(file))
		if flip == 0 {
			return
		}
		file = bytes.Clone(file)
		file[hit] ^= flip
		left := want
		for i, end := range ends {
			if begin := end - recordHeader - len(want[i]); begin <= int(hit) && int(hit) < end {
				left = append(append([][]byte{}, want[:i]...), want[i+1:]...)
			}
		}
		same(t, left, mustParse(t, file))
	})
}

func mustParse(t *testing.T, data []byte) *Contents {
	t.Helper()
	c, err := parse("built", data)
	if err != nil {
		t.Fatal(err)
	}
	check(t, c)
	return c
}

// check requires that every byte of a file is accounted for once.
func check(t *testing.T, c *Contents) {
	t.Helper()
	n, size := 0, int64(0)
	for off, r := range c.Records() {
		if !bytes.Equal(r, c.data[off+recordHeader:][:len(r)]) || cap(r) != len(r) {
			t.Fatalf("record at %d is not a part of the file on its own", off)
		}
		n++
		size += recordHeader + int64(len(r))
	}
	gaps, lost := c.Damage()
	header := c.Size() - size - lost
	if n != c.Len() || (gaps == 0) != (lost == 0) || header != 0 && header != headerSize {
		t.Fatalf("%d bytes in %d records, %d in %d gaps do not make %d", size, n, lost, gaps, c.Size())
	}
}

func same(t *testing.T, want [][]byte, c *Contents) {
	t.Helper()
	i := 0
	for off, r := range c.Records() {
		if i >= len(want) || !bytes.Equal(r, want[i]) {
			t.Fatalf("record %d at %d is %q, of %d wanted", i, off, r, len(want))
		}
		i++
	}
	if i != len(want) {
		t.Fatalf("%d records, want %d", i, len(want))
	}
}

// FuzzUnfold reads arbitrary bytes as an archived segment, compressed or not.
func FuzzUnfold(f *testing.F) {
	good, _ := image(marker{0xf1, 2, 3, 4}, "one", "", "three")
	f.Add(good)
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoder.EncodeAll(good, nil))
	f.Add(zstdMagic)
	path := filepath.Join(f.TempDir(), "segment")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		plain, err := unfold(file)
		if err != nil {
			return
		}
		if c, err := parse("arbitrary", plain); err == nil {
			check(t, c)
		}
	})
}
