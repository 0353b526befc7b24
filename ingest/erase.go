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
	dir    string        // the spool's
	key    *PseudonymKey // with which its frames are loaded; nil: none
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
	// What a replay noted are places in files that will not be the same.
	if err := archive.RemoveNote(noteFile); err != nil {
		return met, err
	}
	eraser := newFrameEraser(p)
	eraser.pseudonymize(e.key)
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
	met.SetAside, err = e.spool.SetAside()
	return met, err
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

// CountFrames counts the frames of an archive that an erasure would change, and
// those in which it cannot look. It changes nothing but the person, to whom the
// names that it finds are added.
func CountFrames(ctx context.Context, dir string, p *Person, logger *slog.Logger) (met ErasedFrames, err error) {
	archive, err := spool.OpenArchive(dir)
	if err != nil {
		return met, err
	}
	var names []string
	for _, segment := range archive.Segments() {
		names = append(names, segment.Name)
	}
	if err := (archiveEraser{logger: logger}).learn(ctx, p, archive, names); err != nil {
		return met, err
	}
	eraser := newFrameEraser(p)
	reader := archiveReader{archive: archive, log: logger}
	for _, name := range names {
		err := reader.read(name, 0, func(frame *kuaishou.Frame, _ archivedFrame) error {
			left, err := eraser.frame(frame)
			if left != frame {
				met.Frames++
			}
			return errors.Join(err, ctx.Err())
		})
		if err != nil {
			return met, err
		}
	}
	met.Unread, met.SetAside = eraser.unopened, archive.Bad().Segments
	return met, nil
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

// erasePoll is how often a worker asks whether somebody is to be erased.
const erasePoll = 5 * time.Second

// Eraser takes those who are to be erased out of the frames that a spool keeps,
// for as long as a worker has it.
type Eraser struct {
	lives  *Lives
	spool  *spool.Spool
	dir    string        // the spool's
	key    *PseudonymKey // with which its frames are loaded; nil: none
	logger *slog.Logger
	asked  map[int64]time.Time // when an erasure was first seen
	told   string              // what was logged last
}

// NewEraser makes one for the spool in dir; both stay the caller's.
func NewEraser(lives *Lives, s *spool.Spool, dir string, logger *slog.Logger) *Eraser {
	return &Eraser{lives: lives, spool: s, dir: dir, logger: logger, asked: make(map[int64]time.Time)}
}

// Pseudonymize says that the spool's frames are loaded with this key: what is left
// of them keeps the IDs that it made.
func (e *Eraser) Pseudonymize(key *PseudonymKey) { e.key = key }

// Run works until ctx is done. Trouble is logged and tried again.
func (e *Eraser) Run(ctx context.Context) {
	for {
		err := e.Once(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			e.told = ""
		case err.Error() != e.told:
			e.told = err.Error()
			e.logger.Warn("a person is not erased from the frames that are kept yet; it is tried again", "err", err)
		}
		if !sleep(ctx, erasePoll) {
			return
		}
	}
}

// Once does what is asked for now. What was received before it was asked is
// waited for: it must be loaded before it can be looked at, so that it is not
// loaded afterwards.
func (e *Eraser) Once(ctx context.Context) error {
	open, err := e.lives.ErasuresFor(ctx, e.spool.ID())
	if err != nil {
		return err
	}
	for _, erasure := range open {
		if e.asked[erasure.ID].IsZero() {
			e.asked[erasure.ID] = time.Now()
		}
		if !loadedSince(e.spool, e.asked[erasure.ID]) {
			return errLoading
		}
		person := erasure.Person()
		met, err := archiveEraser{e.spool, e.dir, e.key, e.logger}.erase(ctx, person)
		if err != nil {
			return err
		}
		if err := e.lives.ReportErasure(ctx, erasure.ID, e.spool.ID(), person, met); err != nil {
			return err
		}
		e.logger.Info("a person was erased from the frames that are kept", "erasure", erasure.ID, "frames", met.Frames, "unread", met.Unread, "set_aside", met.SetAside)
	}
	return nil
}
