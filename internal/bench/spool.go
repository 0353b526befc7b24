package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/protobuf/proto"

	"kslive/ingest"
	"kslive/ingest/spool"
	"kslive/internal/corpus"
	"kslive/internal/process"
)

var spoolBenchmark = benchmark{
	name: "spool",
	about: "Frames into the spool as rooms bring them, one after the other, with its fsync every 200 ms and one at the end; then read back, " +
		"checksums verified. Beside it the same bytes written to a file through a buffer of 1 MiB, with one fsync, and read from it. The archive " +
		"has the frames of the corpus, which say what nobody has said: other people repeat themselves more, or less.",
	run: runSpool,
}

const spooledFrames = 100_000

func runSpool(ctx context.Context, b *bench) error {
	const frames, size = spooledFrames, 518
	record := make([]byte, size)
	spooled, plain := filepath.Join(b.dir, "spool"), filepath.Join(b.dir, "plain")
	took, err := sideBySide(
		ctx, 5,
		self(func() error { return appendAll(spooled, record, frames) }),
		self(func() error { return writePlain(plain, record, frames) }),
		self(func() error { return readAll(ctx, spooled, frames) }),
		self(func() error { return readPlain(plain, size*frames) }),
	)
	if err != nil {
		return err
	}
	for i, what := range []string{"append", "read back"} {
		own, other := took[2*i], took[2*i+1]
		b.report(result{
			What: what + ", CPU", Value: float64(own.cpu.Nanoseconds()) / frames, Unit: "ns/frame",
			Against: "the same bytes, plain", Ratio: float64(own.cpu) / float64(other.cpu),
		})
		b.report(result{
			What: what, Value: float64(size*frames) / 1e6 / own.wall.Seconds(), Unit: "MB/s",
			Against: "the same bytes, plain", Ratio: float64(other.wall) / float64(own.wall),
		})
	}
	kept, wire, err := archive(ctx, filepath.Join(b.dir, "archive"))
	if err != nil {
		return err
	}
	share := float64(kept) / float64(wire)
	b.report(result{
		What: "in the archive", Value: float64(kept) / frames, Unit: "bytes/frame", Against: "what was on the wire", Ratio: share,
		Target: target("at most", 0.45, share <= 0.45), Note: "of ten pushes three came with gzip, and are kept without",
	})
	return nil
}

// archive has a spool keep frames of the corpus, and answers their bytes there and
// on the wire.
func archive(ctx context.Context, dir string) (kept, wire int64, err error) {
	frames, err := corpus.Frames(spooledFrames)
	if err != nil {
		return 0, 0, err
	}
	s, err := spool.Open(dir, spool.Options{Keep: time.Hour, Slim: ingest.Slim()})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, frame := range frames {
		record, err := proto.Marshal(frame)
		if err != nil {
			return 0, 0, err
		}
		if err := s.Append(record); err != nil {
			return 0, 0, err
		}
		wire += int64(len(frame.Data))
	}
	if _, err := readOut(ctx, s); err != nil {
		return 0, 0, err
	}
	err = process.Until(ctx, time.Minute, 100*time.Millisecond, "the archive is packed", func() (bool, error) {
		loose, err := filepath.Glob(filepath.Join(dir, "*.done"))
		return len(loose) == 0, err
	})
	return s.Stats().Done.Bytes, wire, err
}

// appendAll makes a spool anew and closes it with everything on disk.
func appendAll(dir string, record []byte, frames int) (err error) {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	s, err := spool.Open(dir, spool.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for range frames {
		if err := s.Append(record); err != nil {
			return err
		}
	}
	return nil
}

func writePlain(path string, record []byte, frames int) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriterSize(f, 1<<20)
	for range frames {
		if _, err := buffered.Write(record); err != nil {
			return err
		}
	}
	return errors.Join(buffered.Flush(), f.Sync())
}

// readAll reads every record of a spool and leaves it as it was.
func readAll(ctx context.Context, dir string, frames int) (err error) {
	s, err := spool.Open(dir, spool.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	read, err := readOut(ctx, s)
	if err == nil && read != frames {
		err = fmt.Errorf("%d records were read of %d", read, frames)
	}
	return err
}

// readOut reads every record that waits in a spool, and gives it up.
func readOut(ctx context.Context, s *spool.Spool) (read int, err error) {
	if err := s.Drain(); err != nil {
		return 0, err
	}
	for {
		segment, err := s.Next(ctx)
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return read, err
		}
		for range segment.Records() {
			read++
		}
		if err := segment.Done(); err != nil {
			return read, err
		}
	}
}

func readPlain(path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes were read of %d", n, size)
	}
	return err
}
