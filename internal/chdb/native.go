//go:build (linux || darwin) && !noembed

package chdb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Protocol revisions at which the Native format changes for a client that names its own in client_protocol_version.
const (
	revisionBlockInfo           = 51903
	revisionCustomSerialization = 54454
)

// errShortBlock says that a block goes on beyond the bytes given.
var errShortBlock = errors.New("the block is cut short")

// nativeWriter turns Native blocks, which the engine always writes at revision 0, into those of a client's revision: a
// block gets a prefix, and each column a byte after its type. Column data is the same, so finding where each column ends
// is all there is to do.
type nativeWriter struct {
	w        io.Writer
	revision int
	rest     []byte // of a block of which not all bytes have come
}

func (n *nativeWriter) Write(p []byte) (int, error) {
	src := p
	if len(n.rest) > 0 {
		n.rest = append(n.rest, p...)
		src = n.rest
	}
	for len(src) > 0 {
		columns, end, err := splitBlock(src)
		if errors.Is(err, errShortBlock) {
			break
		}
		if err != nil {
			return 0, newException(codeNotImplemented, "NOT_IMPLEMENTED", "reading a Native block: %s", err)
		}
		if err := n.writeBlock(src[:end], columns); err != nil {
			return 0, err
		}
		src = src[end:]
	}
	n.rest = append(n.rest[:0], src...)
	return len(p), nil
}

// finish reports an error if the last block is incomplete.
func (n *nativeWriter) finish() error {
	if len(n.rest) > 0 {
		return newException(codeLogicalError, "LOGICAL_ERROR", "the result ends inside a Native block")
	}
	return nil
}

// writeBlock writes block with what the revision adds. marks are the offsets after each column's type.
func (n *nativeWriter) writeBlock(block []byte, marks []int) error {
	if n.revision >= revisionBlockInfo {
		// Field 1, is_overflows, is 0; field 2, bucket_num, is -1; no more fields.
		if _, err := n.w.Write([]byte{1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0}); err != nil {
			return err
		}
	}
	from := 0
	if n.revision >= revisionCustomSerialization {
		for _, mark := range marks {
			if _, err := n.w.Write(block[from:mark]); err != nil {
				return err
			}
			if _, err := n.w.Write([]byte{0}); err != nil { // no custom serialization
				return err
			}
			from = mark
		}
	}
	_, err := n.w.Write(block[from:])
	return err
}

// splitBlock finds the first block of src: the offsets after each column's type, and the block's end.
func splitBlock(src []byte) (marks []int, end int, err error) {
	c := cursor{src: src}
	columns, rows := c.uvarint(), c.uvarint()
	for range columns {
		c.skip(c.uvarint()) // name
		name := c.take(c.uvarint())
		if c.err != nil {
			return nil, 0, c.err
		}
		marks = append(marks, c.pos)
		t, err := parseType(string(name))
		if err != nil {
			return nil, 0, err
		}
		if rows > 0 {
			t.skipPrefix(&c)
			t.skipData(&c, rows)
		}
		if c.err != nil {
			return nil, 0, c.err
		}
	}
	return marks, c.pos, c.err
}

// cursor walks over bytes. After the first error it stays where it is.
type cursor struct {
	src []byte
	pos int
	err error
}

func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *cursor) take(n uint64) []byte {
	if c.err != nil || n > uint64(len(c.src)-c.pos) {
		c.fail(errShortBlock)
		return nil
	}
	from := c.pos
	c.pos += int(n)
	return c.src[from:c.pos]
}

func (c *cursor) skip(n uint64) { c.take(n) }

// skipEach passes count values of size bytes.
func (c *cursor) skipEach(count, size uint64) {
	if size != 0 && count > uint64(len(c.src))/size {
		c.fail(errShortBlock)
		return
	}
	c.skip(count * size)
}

func (c *cursor) uvarint() uint64 {
	if c.err != nil {
		return 0
	}
	v, n := binary.Uvarint(c.src[c.pos:])
	switch {
	case n == 0:
		c.fail(errShortBlock)
		return 0
	case n < 0:
		c.fail(errors.New("a number takes more than 64 bits"))
		return 0
	}
	c.pos += n
	return v
}

func (c *cursor) uint64() uint64 {
	b := c.take(8)
	if c.err != nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// skipPrefix passes what stands once before a column's data: the version of each LowCardinality's keys.
func (t *nativeType) skipPrefix(c *cursor) {
	if t.kind == kindLowCardinality {
		c.skip(8)
		return
	}
	for i := range t.inner {
		t.inner[i].skipPrefix(c)
	}
}

// skipData passes rows values of a column.
func (t *nativeType) skipData(c *cursor, rows uint64) {
	if c.err != nil {
		return
	}
	switch t.kind {
	case kindFixed:
		c.skipEach(rows, t.size)
	case kindString:
		for i := uint64(0); i < rows && c.err == nil; i++ {
			c.skip(c.uvarint())
		}
	case kindNullable:
		c.skip(rows)
		t.inner[0].skipData(c, rows)
	case kindArray:
		c.skipEach(rows, 8)
		if c.err != nil || rows == 0 {
			return
		}
		values := binary.LittleEndian.Uint64(c.src[c.pos-8:])
		for i := range t.inner {
			t.inner[i].skipData(c, values)
		}
	case kindTuple:
		if len(t.inner) == 0 {
			c.skip(rows)
		}
		for i := range t.inner {
			t.inner[i].skipData(c, rows)
		}
	case kindLowCardinality:
		t.skipLowCardinality(c, rows)
	}
}

// skipLowCardinality passes a dictionary and the indexes into it, whose width is in the lowest byte of the flags.
func (t *nativeType) skipLowCardinality(c *cursor, rows uint64) {
	if rows == 0 {
		return
	}
	flags := c.uint64()
	keys := c.uint64()
	t.inner[0].skipData(c, keys)
	indexes := c.uint64()
	width := flags & 0xff
	if c.err == nil && (width > 3 || indexes != rows) {
		c.fail(fmt.Errorf("a LowCardinality column has %d indexes of width %d for %d rows", indexes, width, rows))
	}
	c.skipEach(indexes, 1<<(width&3))
}
