package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/proto"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
)

// ErasedFrames is what an erasure met in the frames that a spool keeps.
type ErasedFrames struct {
	Frames int // that were changed or dropped
	// SetAside are the files kept for a person (.bad, .torn), which are not looked
	// into, and Unread the segments and frames that cannot be read: both may hold
	// what was not found.
	SetAside, Unread int
}

// errLoading is why an archive cannot be rewritten yet.
var errLoading = errors.New("frames that were received before wait in the spool to be loaded")

// archiveEraser takes a person out of the archive of a spool.
type archiveEraser struct {
	spool  *spool.Spool
	dir    string // the spool's
	logger *slog.Logger
}

// erase rewrites all segments that the person is in. The names that it finds
// under their IDs are added to the person's, and looked for too. It may be
// repeated after an error. While a replay is under way it is ErrReplayRuns: that
// holds old frames in its memory.
func (e archiveEraser) erase(ctx context.Context, p *Person) (met ErasedFrames, err error) {
	archive, err := spool.OpenArchive(e.dir)
	if err != nil {
		return met, err
	}
	lock, err := archive.Lock("replay.lock")
	if errors.Is(err, spool.ErrLocked) {
		return met, ErrReplayRuns
	}
	if err != nil {
		return met, err
	}
	defer lock.Close()
	segments := e.spool.Archived()
	if err := e.learn(ctx, p, archive, segments); err != nil {
		return met, err
	}
	eraser := newFrameEraser(p)
	for _, name := range segments {
		if err := ctx.Err(); err != nil {
			return met, err
		}
		changed, err := e.spool.Rewrite(name, eraser.record)
		if err != nil {
			return met, err
		}
		met.Frames += changed
	}
	met.Unread = eraser.unopened
	if met.SetAside, err = e.spool.SetAside(); err != nil {
		return met, err
	}
	// What a replay noted are places in files that are no longer the same.
	return met, archive.RemoveNote(noteFile)
}

// learn adds the names under which the person is in the segments.
func (e archiveEraser) learn(ctx context.Context, p *Person, archive *spool.Archive, segments []string) error {
	eraser := newFrameEraser(p)
	reader := archiveReader{archive: archive, log: e.logger}
	for _, name := range segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := reader.read(name, 0, func(frame *kuaishou.Frame, _ archivedFrame) error {
			p.addNames(eraser.names(frame)...)
			return nil
		})
		if err != nil {
			return err
		}
	}
	if reader.unreadable > 0 {
		return fmt.Errorf("%d archived segments cannot be read, see the log: move them away, or delete them", reader.unreadable)
	}
	return nil
}

// record is what is left of a record.
func (e *frameEraser) record(record []byte) ([]byte, error) {
	var frame kuaishou.Frame
	if err := proto.Unmarshal(record, &frame); err != nil {
		if e.isIn(record) {
			return nil, nil
		}
		return record, nil
	}
	left, err := e.frame(&frame)
	switch {
	case err != nil:
		return nil, err
	case left == nil:
		return nil, nil
	case left == &frame:
		return record, nil
	}
	return proto.Marshal(left)
}

// loadedSince says whether all that was received before a time was loaded.
func loadedSince(s *spool.Spool, since time.Time) bool {
	oldest := s.Stats().OldestUndone
	return oldest == 0 || time.Now().Add(-oldest).After(since)
}
