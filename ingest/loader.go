package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
	"kslive/schema"
)

const (
	// insertsAtOnce bounds the tables that are inserted into at a time.
	insertsAtOnce = 4
	// maxBatchPayload, which is of the bytes that Decode counts, and maxBatchRows
	// bound the memory of a batch, which is some 2 KB a row on its way through rows,
	// columns and the request: a full segment of ordinary frames becomes two or three
	// batches, each still of the size that ClickHouse likes. The rows also keep each
	// insert one block, and so atomic: the server cuts at 1,048,449 of them
	// (max_insert_block_size); framesPerCount frames add 160,000 at most.
	maxBatchPayload = 64 << 20
	maxBatchRows    = 50_000
	framesPerCount  = 16
)

// Loader turns sealed segments into rows. One goroutine uses it.
type Loader struct {
	inserter
	spool   *spool.Spool
	decoder *Decoder
	batch   schema.Batch
	build   string // which one decodes

	withoutFrames bool // in letters
	// decoded, when it is not nil, is told how many events each frame brought.
	decoded func(frame *kuaishou.Frame, events int)
}

// NewLoader makes a loader that reads from s; all of it stays the caller's.
func NewLoader(s *spool.Spool, w warehouse, metrics *Metrics, logger *slog.Logger) *Loader {
	return &Loader{
		inserter: inserter{warehouse: w, metrics: metrics, logger: logger},
		spool:    s,
		decoder:  NewDecoder(metrics.unknownField),
		build:    Version(),
	}
}

// Pseudonymize makes the loader replace people by pseudonyms. The letters of rows
// that are refused then come without the frame, which tells who they are.
func (l *Loader) Pseudonymize(key *PseudonymKey) {
	l.decoder.Pseudonymize(key)
	l.withoutFrames = key != nil
}

// Run loads segments until the spool is drained, then it answers nil, or ctx is
// done. Trouble with the disk is logged and tried again.
func (l *Loader) Run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 15 * time.Second
	for {
		err := l.LoadNext(ctx)
		switch {
		case err == nil:
			wait.Reset()
			continue
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		l.logger.Error("a segment could not be loaded; it stays in the spool", "err", err)
		if !sleep(ctx, wait.NextBackOff()) {
			return ctx.Err()
		}
	}
}

// LoadNext waits for the oldest sealed segment, inserts the rows made from it
// and gives it up, in this order. It answers io.EOF when the spool is drained.
// On any other error the segment stays and is loaded again.
func (l *Loader) LoadNext(ctx context.Context) error {
	segment, err := l.spool.Next(ctx)
	if err != nil {
		return err
	}
	if err := l.load(ctx, segment); err != nil {
		segment.Release()
		return err
	}
	if err := l.giveUp(ctx, segment); err != nil {
		segment.Release()
		return fmt.Errorf("giving up segment %s: %w", segment.Name(), err)
	}
	return nil
}

// giveUp repeats Done until the disk has done it or ctx is done: what is loaded
// needs no second loading.
func (l *Loader) giveUp(ctx context.Context, segment *spool.Segment) error {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 15 * time.Second
	for {
		err := segment.Done()
		if err == nil || errors.Is(err, spool.ErrClosed) {
			return err
		}
		l.logger.Error("a segment that is loaded cannot be archived; check the disk; it is tried again", "segment", segment.Name(), "err", err)
		if !sleep(ctx, wait.NextBackOff()) {
			return err
		}
	}
}

// load inserts the rows of all frames of the segment. As a rule they are one
// batch; a segment whose frames unfold into very much is cut into several,
// always in the same way, so that a repeat has the same tokens.
func (l *Loader) load(ctx context.Context, segment *spool.Segment) error {
	var frame kuaishou.Frame
	frames, payload, batches := 0, 0, 0
	l.batch.Reset()
	for offset, record := range segment.Records() {
		if err := proto.Unmarshal(record, &frame); err != nil {
			// The record's checksum held, so this was never a frame.
			l.logger.Error("a record of the spool is not a frame; it stays in the archived segment", "segment", segment.Name(), "offset", offset, "err", err)
			l.metrics.badRecords.Inc()
			continue
		}
		before := eventsIn(&l.batch)
		payload += l.decoder.Decode(&frame, offset, &l.batch)
		if l.decoded != nil {
			l.decoded(&frame, eventsIn(&l.batch)-before)
		}
		frames++
		if payload < maxBatchPayload && (frames%framesPerCount > 0 || l.batch.Len() < maxBatchRows) {
			continue
		}
		if err := l.insertBatch(ctx, segment, batches); err != nil {
			return err
		}
		batches++
		payload = 0
		l.batch.Reset()
	}
	return l.insertBatch(ctx, segment, batches)
}

// insertBatch inserts the number-th batch of a segment, several tables at a time.
func (l *Loader) insertBatch(ctx context.Context, segment *spool.Segment, number int) error {
	tables, ctx := errgroup.WithContext(ctx)
	tables.SetLimit(insertsAtOnce)
	for rows := range l.batch.All() {
		token := l.tokenOf(segment, rows.Name, number)
		from := source{complete: framesFrom(segment), repeated: segment.Repeated()}
		if l.withoutFrames {
			from.complete = func(letters []deadLetter) []deadLetter { return letters }
		}
		tables.Go(func() error { return l.insert(ctx, token, rows, from) })
	}
	return tables.Wait()
}

// tokenOf names the insert of a segment's number-th batch into a table: each time
// alike for the same bytes and the same build, and otherwise not. A build may make
// other rows of them, and a damaged file that was mended has more: under a token
// that is used ClickHouse would drop them, while rows that come again under another
// have the same event IDs.
func (l *Loader) tokenOf(segment *spool.Segment, table string, number int) string {
	_, lost := segment.Damage()
	token := fmt.Sprintf("%s/%s/%s/%d/%s", l.spool.ID(), segment.Name(), table, segment.Size()-lost, l.build)
	if number > 0 {
		token = fmt.Sprintf("%s/%d", token, number)
	}
	return token
}

// framesFrom puts the frames of refused rows of a segment into their letters.
func framesFrom(segment *spool.Segment) func([]deadLetter) []deadLetter {
	return func(letters []deadLetter) []deadLetter {
		frames := make(map[int64][]byte, len(letters))
		for _, letter := range letters {
			frames[letter.offset] = nil
		}
		for offset, record := range segment.Records() {
			if _, wanted := frames[offset]; wanted {
				frames[offset] = record
			}
		}
		for i := range letters {
			letters[i].frame = frames[letters[i].offset]
		}
		return letters
	}
}
