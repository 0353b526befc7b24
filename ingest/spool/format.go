package spool

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"os"
	"path/filepath"
)

// A segment file is a header and then records, little-endian, back to back:
//
//	header  magic [7]byte, version byte, marker [4]byte, crc uint32 of the 12 bytes before
//	record  marker [4]byte, length uint32, crc uint32 of marker, length and payload; payload
//
// All checksums are CRC-32C. The marker is random for each segment. It is what
// a reader looks for after damage, and because nobody who sends us payloads
// knows it, no payload can pose as a record.
const (
	magic        = "SPOOLSG"
	version      = 1
	headerSize   = 16
	recordHeader = 12

	// maxFile bounds what a reader allocates for one file. Twice maxOption, so
	// that every segment written under any valid Options can be read.
	maxFile   = 2*maxOption + headerSize + recordHeader
	maxOption = 256 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type marker [4]byte

func newMarker() (m marker) {
	rand.Read(m[:]) // never fails: see its documentation
	return m
}

func appendHeader(b []byte, m marker) []byte {
	start := len(b)
	b = append(b, magic...)
	b = append(b, version)
	b = append(b, m[:]...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func appendRecord(b []byte, m marker, payload []byte) []byte {
	start := len(b)
	b = append(b, m[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	sum := crc32.Update(crc32.Checksum(b[start:], castagnoli), castagnoli, payload)
	b = binary.LittleEndian.AppendUint32(b, sum)
	return append(b, payload...)
}

// parseHeader returns the marker of a segment. A damaged header costs no
// record: the first record carries the same marker.
func parseHeader(data []byte) (m marker, intact bool, err error) {
	if len(data) >= headerSize {
		sum := binary.LittleEndian.Uint32(data[12:])
		if string(data[:len(magic)]) == magic && crc32.Checksum(data[:12], castagnoli) == sum {
			if v := data[len(magic)]; v != version {
				return m, true, fmt.Errorf("segment format is version %d, this program reads version %d: use the newer program", v, version)
			}
			return marker(data[8:12]), true, nil
		}
	}
	if len(data) >= headerSize+len(m) {
		copy(m[:], data[headerSize:])
	}
	return m, false, nil
}

// walk yields the offset and the payload of every whole record, in order. After
// damage it goes on at the next marker that begins a whole record.
func walk(data []byte, m marker) iter.Seq2[int64, []byte] {
	return func(yield func(int64, []byte) bool) {
		// Checksums over bytes that turn out to be no record are bounded, so
		// that no file, whatever its content, keeps a reader busy for ever.
		budget := 8 * len(data)
		for off := headerSize; off < len(data) && budget >= 0; {
			payload, ok, cost := recordAt(data[off:], m)
			if ok {
				if !yield(int64(off), payload) {
					return
				}
				off += recordHeader + len(payload)
				continue
			}
			budget -= cost
			next := bytes.Index(data[off+1:], m[:])
			if next < 0 {
				return
			}
			off += 1 + next
		}
	}
}

// recordAt returns the record that data begins with. cost is how many bytes
// were looked at in vain.
func recordAt(data []byte, m marker) (payload []byte, ok bool, cost int) {
	if len(data) < recordHeader || marker(data[:4]) != m {
		return nil, false, 0
	}
	length := int64(binary.LittleEndian.Uint32(data[4:]))
	if length > int64(len(data)-recordHeader) {
		return nil, false, 0
	}
	end := recordHeader + int(length)
	payload = data[recordHeader:end:end]
	sum := crc32.Update(crc32.Checksum(data[:8], castagnoli), castagnoli, payload)
	return payload, sum == binary.LittleEndian.Uint32(data[8:]), end
}

// Contents is what one segment file holds.
type Contents struct {
	name string
	data []byte
	mark marker
	n    int   // whole records
	gaps int   // stretches of bytes that belong to no whole record
	lost int64 // bytes in them
	end  int64 // offset just past the last whole record
}

// ReadFile reads a segment file of any state, compressed or not, without a Spool
// and without changing anything: for replays, and for looking into a .bad or
// .torn file. Damage is not an error, see [Contents.Damage], but that of a
// compressed file is. The error wraps [os.ErrNotExist] when there is no such file.
func ReadFile(path string) (*Contents, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading spool segment: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("reading spool segment: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("reading spool segment %s: not a file of at most %d bytes: no spool wrote it", path, maxFile)
	}
	data, err := readAll(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("reading spool segment %s: %w", path, err)
	}
	name, _, ok := splitFile(filepath.Base(path))
	if !ok {
		name = filepath.Base(path)
	}
	c, err := parse(name, data)
	if err != nil {
		return nil, fmt.Errorf("reading spool segment %s: %w", path, err)
	}
	return c, nil
}

// readAll reads a file of size bytes, and unfolds it when it is compressed.
func readAll(f *os.File, size int64) ([]byte, error) {
	magic := make([]byte, min(size, int64(len(zstdMagic))))
	if _, err := f.ReadAt(magic, 0); err != nil {
		return nil, err
	}
	if bytes.Equal(magic, zstdMagic) {
		return unfold(f)
	}
	data := make([]byte, size)
	_, err := io.ReadFull(f, data)
	return data, err
}

func parse(name string, data []byte) (*Contents, error) {
	m, intact, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	c := &Contents{name: name, data: data, mark: m, end: int64(min(headerSize, len(data)))}
	if !intact {
		c.gap(c.end)
	}
	for off, payload := range walk(data, m) {
		c.gap(off - c.end)
		c.n++
		c.end = off + recordHeader + int64(len(payload))
	}
	c.gap(int64(len(data)) - c.end)
	return c, nil
}

func (c *Contents) gap(n int64) {
	if n > 0 {
		c.gaps++
		c.lost += n
	}
}

// Name is the segment's name, without its state: the UTC time at which its
// first record came, such as 20261123T101112.123456789Z. Later segments have
// greater names. No name is used twice in one spool.
func (c *Contents) Name() string { return c.name }

// Size is the length of the file in bytes, unfolded when it is compressed.
func (c *Contents) Size() int64 { return int64(len(c.data)) }

// Len is the number of whole records.
func (c *Contents) Len() int { return c.n }

// Records yields the offset in the file and the payload of every whole record,
// in the order of Append, the same on every call. The payloads share one buffer
// and stay valid for as long as they are referenced; the caller must not write
// to them.
func (c *Contents) Records() iter.Seq2[int64, []byte] { return walk(c.data, c.mark) }

// Damage is the number of stretches, and of bytes in them, that belong to no
// whole record and that Records therefore leaves out.
func (c *Contents) Damage() (gaps int, bytes int64) { return c.gaps, c.lost }

// tail is what follows the last whole record.
func (c *Contents) tail() []byte { return c.data[c.end:] }

// tailIsOneRecord says whether tail can be no more than one unfinished record.
func (c *Contents) tailIsOneRecord() bool {
	tail := c.tail()
	if len(tail) < recordHeader {
		n := min(len(tail), len(c.mark))
		return bytes.Equal(tail[:n], c.mark[:n])
	}
	length := int64(binary.LittleEndian.Uint32(tail[4:]))
	return marker(tail[:4]) == c.mark && int64(len(tail)) <= recordHeader+length && bytes.Count(tail, c.mark[:]) == 1
}
