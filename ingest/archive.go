package ingest

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
)

// slack is for how much the clock may have been set back while segments were
// written: those that may hold frames of the wanted time are read.
const slack = time.Hour

// archiveReader reads the frames that a spool keeps. One goroutine uses it.
type archiveReader struct {
	archive *spool.Archive
	log     *slog.Logger
	// Which frames are wanted, as in ReplayOptions.
	since, until time.Time
	lives        []string

	frames     int64 // read so far
	gone       int   // segments deleted since the archive was opened
	unreadable int   // segments that are damaged
}

// archivedFrame is where a frame stands.
type archivedFrame struct {
	segment string
	offset  int64
	record  []byte
}

func openArchive(dir string, logger *slog.Logger) (*archiveReader, error) {
	archive, err := spool.OpenArchive(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no spool in %s", dir)
	}
	if err != nil {
		return nil, err
	}
	if n := archive.Bad().Segments; n > 0 {
		logger.Warn("segments that were set aside as .bad are left out", "segments", n)
	}
	return &archiveReader{archive: archive, log: logger}, nil
}

// segments are those that may hold wanted frames.
func (a *archiveReader) segments() []spool.Archived {
	return slices.DeleteFunc(slices.Clone(a.archive.Segments()), func(s spool.Archived) bool {
		return !a.since.IsZero() && s.To.Add(slack).Before(a.since) ||
			!a.until.IsZero() && s.From.Add(-slack).After(a.until)
	})
}

// read calls visit with the wanted frames of a segment that stand at from or
// later, until it answers an error. The frame is used again for the next; the
// record stays. Damage is logged, counted and passed over.
func (a *archiveReader) read(segment string, from int64, visit func(*kuaishou.Frame, archivedFrame) error) error {
	contents, err := a.archive.Read(segment)
	if errors.Is(err, fs.ErrNotExist) {
		a.gone++
		return nil
	}
	if err != nil {
		a.unreadable++
		a.log.Error("an archived segment cannot be read and is left out", "segment", segment, "err", err)
		return nil
	}
	if gaps, lost := contents.Damage(); gaps > 0 {
		a.log.Error("an archived segment is damaged; the rest of it is read", "segment", segment, "damaged_places", gaps, "damaged_bytes", lost)
	}
	var frame kuaishou.Frame
	for offset, record := range contents.Records() {
		if offset < from {
			continue
		}
		if err := proto.Unmarshal(record, &frame); err != nil {
			a.log.Error("a record of the archive is not a frame", "segment", segment, "offset", offset, "err", err)
			continue
		}
		if !a.wants(&frame) {
			continue
		}
		a.frames++
		if err := visit(&frame, archivedFrame{segment, offset, record}); err != nil {
			return err
		}
	}
	return nil
}

func (a *archiveReader) wants(frame *kuaishou.Frame) bool {
	at := time.UnixMilli(frame.GetReceivedAt())
	return (a.since.IsZero() || !at.Before(a.since)) && (a.until.IsZero() || !at.After(a.until)) &&
		(len(a.lives) == 0 || slices.Contains(a.lives, frame.GetLiveId()))
}
