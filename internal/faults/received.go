package main

import (
	"context"
	"fmt"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	"kslive/ingest"
	"kslive/ingest/spool"
	pb "kslive/proto"
	"kslive/schema"
)

// received is what was ever seen in spools: the rows that the frames in their
// files must become. It is read from outside, without the code that writes a
// spool.
type received struct {
	rows map[string]map[uint64]int // by table and event ID, how often
	// finished are the segments that cannot change any more and were read.
	finished map[string]bool
}

func newReceived() *received {
	return &received{rows: make(map[string]map[uint64]int), finished: make(map[string]bool)}
}

// states are those of segments, in the order in which a segment is never missed
// while its name changes.
var states = []string{".active", ".sealed", ".done", ".done.zst", ".bad"}

// read adds what is in a spool whose worker is not running, and answers how many
// frames of the segments that were not read before.
func (r *received) read(dir string) (frames int, err error) {
	for _, state := range states {
		paths, err := segments(dir, state)
		if err != nil {
			return frames, err
		}
		for _, path := range paths {
			name := path[:len(path)-len(state)]
			if r.finished[name] {
				continue
			}
			found, err := readFrames(path)
			if err != nil {
				return frames, err
			}
			frames += len(found)
			r.add(found)
			// An active segment of a dead worker gets no more records: the next
			// start seals it.
			r.finished[name] = true
		}
	}
	return frames, nil
}

func (r *received) add(frames []*pb.Frame) {
	var batch schema.Batch
	decoder := ingest.NewDecoder(nil)
	for _, frame := range frames {
		decoder.Decode(frame, 0, &batch)
	}
	for rows := range batch.All() {
		ids := r.rows[rows.Name]
		if ids == nil {
			ids = make(map[uint64]int)
			r.rows[rows.Name] = ids
		}
		for i := range rows.Len() {
			ids[rows.Event(i).EventID]++
		}
	}
}

// lost counts the rows that are not stored.
func (r *received) lost(ctx context.Context, d *databases) (int, error) {
	lost := 0
	for table, ids := range r.rows {
		stored, err := d.pairs(ctx, "SELECT event_id, count() FROM "+table+" FINAL GROUP BY event_id")
		if err != nil {
			return 0, err
		}
		for id := range ids {
			if stored[id] == 0 {
				lost++
			}
		}
	}
	return lost, nil
}

// readFrames reads the whole records of a segment.
func readFrames(path string) ([]*pb.Frame, error) {
	frames, _, err := framesAt(path)
	return frames, err
}

// framesAt reads them with the offsets at which they begin.
func framesAt(path string) (frames []*pb.Frame, offsets []int64, err error) {
	segment, err := spool.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	for offset, record := range segment.Records() {
		frame := new(pb.Frame)
		if err := proto.Unmarshal(record, frame); err != nil {
			return nil, nil, fmt.Errorf("reading %s: the record at %d is not a frame: %w", path, offset, err)
		}
		frames, offsets = append(frames, frame), append(offsets, offset)
	}
	return frames, offsets, nil
}

// waiting are the segments of a spool that are not loaded yet.
func waiting(dir string) ([]string, error) {
	var found []string
	for _, state := range states[:2] {
		paths, err := segments(dir, state)
		if err != nil {
			return nil, err
		}
		found = append(found, paths...)
	}
	return found, nil
}

// segments are the files of a spool in a state, the oldest first.
func segments(dir, state string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*"+state))
	if err != nil {
		return nil, fmt.Errorf("looking into a spool: %w", err)
	}
	return paths, nil
}
