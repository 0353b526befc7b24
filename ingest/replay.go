package ingest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
	"kslive/schema"
)

// ReplayOptions say what is decoded again. Spool, Warehouse and Logger are
// needed.
type ReplayOptions struct {
	Spool     string // its folder
	Warehouse *ClickHouse
	// Since and Until, which may be zero, bound when a frame was received, both
	// included. Lives and Tables, when there are any, are the only ones.
	Since, Until time.Time
	Lives        []string
	Tables       []string
	// DryRun counts and changes nothing.
	DryRun bool
	// Pseudonyms is the key with which the tables were filled; nil: none.
	Pseudonyms *PseudonymKey
	// Arguments are what a run must have been given for another to go on with it
	// where it was cut short; the times of the first then hold.
	Arguments string
	// WindowRows is about how many rows are compared at a time; 0: 100,000.
	WindowRows int
	// Progress, which may be nil, is called as the replay goes on, by its
	// goroutine.
	Progress func(ReplayProgress)
	Logger   *slog.Logger
}

// ReplayProgress is how far a replay is.
type ReplayProgress struct {
	Resumed  bool  `json:"resumed"`
	Segments int   `json:"segments"` // done with
	Of       int   `json:"of"`       // segments in all
	Bytes    int64 `json:"bytes"`    // of the files of Segments
	OfBytes  int64 `json:"of_bytes"`
	Frames   int64 `json:"frames"`
	// Gone and Unreadable are the Segments that were deleted meanwhile, and those
	// that are damaged.
	Gone       int                    `json:"gone"`
	Unreadable int                    `json:"unreadable"`
	Tables     map[string]TableReplay `json:"tables"`
}

// ErrReplayRuns is returned by Replay while another one works on the spool.
var ErrReplayRuns = errors.New("another replay of this spool is running")

// Replay decodes the frames that a spool keeps with today's decoder, and makes
// the tables equal to what a fresh ingest of them would have produced: rows
// that are missing are inserted, those that are otherwise replaced, and those
// that their frame does not produce any more deleted. Rows that are right are
// not written again, and rows of other frames stay.
//
// It may run while a process has the spool, and be cut short at any moment: the
// next run with the same Arguments goes on from there. Trouble with ClickHouse
// is logged and waited out, until ctx is done.
func Replay(ctx context.Context, o ReplayOptions) (ReplayProgress, error) {
	archive, err := openArchive(o.Spool, o.Logger)
	if err != nil {
		return ReplayProgress{}, err
	}
	r := &replayer{
		inserter: inserter{warehouse: o.Warehouse, metrics: NewMetrics(prometheus.NewRegistry()), logger: o.Logger},
		options:  o, archiveReader: archive, decoder: NewDecoder(nil), window: newReplayWindow(o.WindowRows),
	}
	r.decoder.Pseudonymize(o.Pseudonyms)
	if !o.DryRun {
		lock, err := archive.archive.Lock("replay.lock")
		if errors.Is(err, spool.ErrLocked) {
			return ReplayProgress{}, ErrReplayRuns
		}
		if err != nil {
			return ReplayProgress{}, err
		}
		defer lock.Close()
	}
	if err := r.begin(); err != nil {
		return ReplayProgress{}, err
	}
	if err := r.run(ctx); err != nil {
		return r.said, err
	}
	return r.said, r.end()
}

// replayer is one replay. One goroutine uses it, but for what repair says.
type replayer struct {
	inserter
	*archiveReader
	options  ReplayOptions
	decoder  *Decoder
	window   *replayWindow
	progress replayNote
	said     ReplayProgress
}

// run goes through the archive. A window ends where it is full, which may be in
// the middle of a segment.
func (r *replayer) run(ctx context.Context) error {
	r.since, r.until, r.lives = r.progress.Since, r.progress.Until, r.options.Lives
	segments := r.segments()
	for _, segment := range segments {
		r.said.Of++
		r.said.OfBytes += segment.Bytes
	}
	visit := func(frame *kuaishou.Frame, at archivedFrame) error {
		r.window.add(r.decoder, frame, at)
		if r.window.full() {
			return r.repair(ctx)
		}
		return nil
	}
	for _, segment := range segments {
		if err := ctx.Err(); err != nil { // there may be no wanted frame for long
			return err
		}
		if segment.Name >= r.progress.Segment { // a run before this one has done those before
			from := int64(0)
			if segment.Name == r.progress.Segment {
				from = r.progress.Offset
			}
			if err := r.read(segment.Name, from, visit); err != nil {
				return err
			}
		}
		r.said.Segments++
		r.said.Bytes += segment.Bytes
		r.say()
	}
	return r.repair(ctx)
}

// repair makes the tables right for the window's frames, several tables at a
// time, notes that it did, and empties the window.
func (r *replayer) repair(ctx context.Context) error {
	if len(r.window.frames) == 0 {
		return nil
	}
	counts := make([]TableReplay, len(schema.Tables))
	tables, ctx := errgroup.WithContext(ctx)
	tables.SetLimit(insertsAtOnce)
	for i, table := range schema.Tables {
		if len(r.options.Tables) > 0 && !slices.Contains(r.options.Tables, table.Name) {
			continue
		}
		tables.Go(func() (err error) {
			counts[i], err = r.repairTable(ctx, r.window, table)
			return err
		})
	}
	if err := tables.Wait(); err != nil {
		return err
	}
	for i, table := range schema.Tables {
		if counts[i] != (TableReplay{}) {
			total := r.said.Tables[table.Name]
			total.add(counts[i])
			r.said.Tables[table.Name] = total
		}
	}
	last := r.window.frames[len(r.window.frames)-1]
	r.progress.Segment, r.progress.Offset = last.segment, last.offset+1
	r.window.reset()
	r.say()
	return r.note()
}

func (r *replayer) say() {
	r.said.Frames, r.said.Gone, r.said.Unreadable = r.frames, r.gone, r.unreadable
	if r.options.Progress != nil {
		r.options.Progress(r.said)
	}
}
