package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

const (
	// packFrom is the size from which a segment is compressed: a smaller one
	// takes a block of the disk either way.
	packFrom = 4 << 10
	// packWindow is how far back the compression looks. With it, packing and
	// reading need a few MiB, whatever the segment's size.
	packWindow = 1 << 20
	// maxWindow bounds the memory for a file that somebody else compressed.
	maxWindow = 32 << 20

	unfinished = ".tmp" // behind the name of a file that is being written
)

// zstdMagic begins every compressed file, and no segment.
var zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}

// packing compresses what is archived, one segment after the other, until the
// spool is closed. A segment that cannot be packed stays as it is, is logged,
// and is tried again by the next Open.
func (s *Spool) packing() {
	for {
		select {
		case <-s.stop:
			return
		case <-s.archive.arrived:
		}
		for f, ok := s.archive.unpacked(); ok; f, ok = s.archive.unpacked() {
			err := s.pack(f)
			if errors.Is(err, ErrClosed) {
				return
			}
			if err != nil {
				s.o.Logger.Warn("compressing an archived spool segment", "segment", f.name, "err", err)
			}
		}
	}
}

// pack writes a .done segment into a compressed file and removes it then. It
// holds no lock that appending needs: readers find one of the two files at any
// time.
func (s *Spool) pack(f archived) error {
	s.archive.writing.Lock()
	defer s.archive.writing.Unlock()
	from, to := s.path(f.name, done), s.path(f.name, packed)
	size, err := s.compress(from, to, f.wrote)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // no longer kept
	case err != nil:
		// What cannot be removed now, the next Open removes.
		return errors.Join(err, removeIfThere(s.disk, to))
	}
	if !s.archive.resize(f.name, size, true) {
		return removeIfThere(s.disk, to) // trim came first
	}
	return removeIfThere(s.disk, from)
}

// compress writes from, compressed, into to, as a whole or not at all. It
// answers the size of to, and ErrClosed when the spool is closed meanwhile.
func (s *Spool) compress(from, to string, wrote time.Time) (int64, error) {
	src, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return 0, err
	}
	size, err := s.slimSize(src, info.Size())
	write := func(dst io.Writer) error { return s.slim(dst, src, info.Size()) }
	if errors.Is(err, errAsItIs) {
		size, err = info.Size(), nil
		write = func(dst io.Writer) error { return s.copy(dst, src) }
	}
	if err != nil {
		return 0, err
	}
	return s.replace(to, wrote, func(dst io.Writer) error { return s.encode(dst, size, write) })
}

// replace puts what fill writes into the archived file to, durably and as a
// whole or not at all: after an error, what was there before is there, or all
// that fill wrote. It answers the new size.
func (s *Spool) replace(to string, wrote time.Time, fill func(io.Writer) error) (int64, error) {
	tmp := to + unfinished
	f, err := s.disk.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return 0, err
	}
	dst := io.NewOffsetWriter(f, 0)
	err = fill(dst)
	if err == nil {
		err = f.Sync()
	}
	size, _ := dst.Seek(0, io.SeekCurrent) // never fails: see its documentation
	if err = errors.Join(err, f.Close()); err == nil {
		// The age of what is kept is that of its last record, also after Open.
		if err := os.Chtimes(tmp, wrote, wrote); err != nil {
			s.o.Logger.Warn("setting the time of an archived spool segment, which will be kept for longer", "file", to, "err", err)
		}
		err = s.disk.Rename(tmp, to)
	}
	if err == nil {
		err = s.disk.SyncDir(s.dir)
	}
	if err != nil {
		// What cannot be removed now, the next Open removes.
		return 0, errors.Join(err, removeIfThere(s.disk, tmp))
	}
	return size, nil
}

// encode compresses into dst the size bytes that write writes. archive.writing is
// held: the encoder is used again, since a quiet spool packs a small segment each
// second and a new encoder takes megabytes.
func (s *Spool) encode(dst io.Writer, size int64, write func(io.Writer) error) (err error) {
	if s.archive.encoder == nil {
		s.archive.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(packWindow))
		if err != nil {
			return err
		}
	}
	s.archive.encoder.ResetContentSize(dst, size)
	return errors.Join(write(s.archive.encoder), s.archive.encoder.Close())
}

// copy copies src until the spool is closed. archive.writing is held.
func (s *Spool) copy(dst io.Writer, src io.Reader) error {
	if s.archive.copying == nil {
		s.archive.copying = make([]byte, 64<<10)
	}
	// Hiding dst's and src's other methods keeps the copy in small steps.
	_, err := io.CopyBuffer(struct{ io.Writer }{dst}, untilClosed{src, s.stop}, s.archive.copying)
	return err
}

// untilClosed is a reader that fails with ErrClosed when stop is closed.
type untilClosed struct {
	io.Reader
	stop <-chan struct{}
}

func (r untilClosed) Read(p []byte) (int, error) {
	select {
	case <-r.stop:
		return 0, ErrClosed
	default:
		return r.Reader.Read(p)
	}
}

func removeIfThere(d disk, path string) error {
	if err := d.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// unfold reads a compressed segment, which may unfold to maxFile bytes.
func unfold(f *os.File) ([]byte, error) {
	head := make([]byte, zstd.HeaderMaxSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	var header zstd.Header
	if err := header.Decode(head[:n]); err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	decoder, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	defer decoder.Close()
	var data bytes.Buffer
	if header.HasFCS && header.FrameContentSize <= maxFile {
		data.Grow(int(header.FrameContentSize) + bytes.MinRead) // so that it is allocated once
	}
	if _, err := data.ReadFrom(io.LimitReader(decoder, maxFile+1)); err != nil {
		return nil, fmt.Errorf("decompressing: %w", err)
	}
	if data.Len() > maxFile {
		return nil, fmt.Errorf("decompressing: it holds more than %d bytes", maxFile)
	}
	return data.Bytes(), nil
}

// takeArchived takes over an archived segment that an earlier process left.
// Where it died while it packed one, there are two files of it, and the packed
// one, which comes second in the order of names, is whole.
func (s *Spool) takeArchived(seg *segment, state string) error {
	f := archived{name: seg.name, size: seg.size, wrote: seg.wrote, packed: state == packed}
	if s.archive.last() != f.name {
		s.archive.add(f)
		return nil
	}
	s.archive.resize(f.name, f.size, true)
	return removeIfThere(s.disk, s.path(f.name, done))
}

// isUnfinished says whether a file is what is left of a packing or a rewriting
// that was cut short.
func isUnfinished(file string) bool {
	whole, ok := strings.CutSuffix(file, unfinished)
	name, state, segment := splitFile(whole)
	return ok && segment && validName(name) && (state == packed || state == done)
}
