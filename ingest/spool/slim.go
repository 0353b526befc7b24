package spool

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// errAsItIs says that a segment is archived with its records as they are.
var errAsItIs = errors.New("the segment is archived as it is")

// maxGrowth is by how much a segment may become larger before it is compressed: who
// reads it has it in memory as a whole.
const maxGrowth = 4

// slimSize is the size of a segment file with its records as Options.Slim has
// them. The error is errAsItIs, ErrClosed or that of reading.
func (s *Spool) slimSize(src io.ReaderAt, size int64) (int64, error) {
	if s.o.Slim == nil {
		return 0, errAsItIs
	}
	var slim counter
	if err := s.slim(&slim, src, size); err != nil {
		return 0, err
	}
	if int64(slim) > min(maxGrowth*size, maxFile) {
		return 0, errAsItIs
	}
	return int64(slim), nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// slim writes the segment file in src, of size bytes, with its records as
// Options.Slim has them. The error is errAsItIs when the file has damage, of which
// nothing is to be lost. archive.writing is held.
func (s *Spool) slim(dst io.Writer, src io.ReaderAt, size int64) error {
	in := bufio.NewReaderSize(untilClosed{io.NewSectionReader(src, 0, size), s.stop}, 64<<10)
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(in, head); err != nil {
		return asItIs(err)
	}
	mark, intact, err := parseHeader(head)
	if err != nil || !intact {
		return errAsItIs
	}
	if _, err := dst.Write(head); err != nil {
		return err
	}
	for left := size - headerSize; ; {
		record, err := nextRecord(in, mark, left, s.archive.record[:0])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return asItIs(err)
		}
		left -= int64(len(record))
		s.archive.record = record
		s.archive.slim = appendRecord(s.archive.slim[:0], mark, s.o.Slim(record[recordHeader:]))
		if _, err := dst.Write(s.archive.slim); err != nil {
			return err
		}
		if cap(record)+cap(s.archive.slim) > keepBuffer {
			s.archive.record, s.archive.slim = nil, nil
		}
	}
}

// nextRecord reads a record, header and payload, into b, which is empty; left is how
// many bytes there are. The error is io.EOF at the end, and errAsItIs when what comes
// is no whole record.
func nextRecord(in io.Reader, m marker, left int64, b []byte) ([]byte, error) {
	b = append(b, make([]byte, recordHeader)...)
	if _, err := io.ReadFull(in, b); err != nil {
		return nil, err
	}
	length := int64(binary.LittleEndian.Uint32(b[4:]))
	if marker(b[:4]) != m || length > left-recordHeader {
		return nil, errAsItIs
	}
	b = append(b, make([]byte, length)...)
	if _, err := io.ReadFull(in, b[recordHeader:]); err != nil {
		return nil, asItIs(err)
	}
	if _, ok, _ := recordAt(b, m); !ok {
		return nil, errAsItIs
	}
	return b, nil
}

// asItIs is errAsItIs for a file that ends too early.
func asItIs(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errAsItIs
	}
	return err
}
