package ingest

import (
	"bytes"
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// Bounds of a window, and so of a replay's memory: rows, and bytes of frames, of
// their payloads and of the JSON made of these. A frame adds 10,000 rows at most,
// and MaxPayload bytes and their JSON.
const (
	windowRows  = 100_000 // by default
	windowBytes = 64 << 20
)

// replayWindow is some frames that follow each other in the archive, and what
// today's decoder makes of them.
type replayWindow struct {
	frames []archivedFrame // a row's Offset is an index into it
	batch  schema.Batch    // not yet without repeats
	bytes  int
	rows   int // that make it full

	// Which frames these are, those of records of our own apart, and when they
	// were received, in Unix ms.
	heard, records map[frameKey]bool
	first, last    int64
}

func newReplayWindow(rows int) *replayWindow {
	w := &replayWindow{rows: cmp.Or(rows, windowRows), heard: make(map[frameKey]bool), records: make(map[frameKey]bool)}
	w.reset()
	return w
}

func (w *replayWindow) reset() {
	clear(w.frames) // they keep records alive
	w.frames = w.frames[:0]
	w.batch.Reset()
	w.bytes = 0
	clear(w.heard)
	clear(w.records)
	w.first, w.last = math.MaxInt64, math.MinInt64
}

// add decodes a frame. It keeps a copy of the record, which as it comes keeps its
// whole segment alive: a room may have few frames in each.
func (w *replayWindow) add(decoder *Decoder, frame *kuaishou.Frame, at archivedFrame) {
	at.record = bytes.Clone(at.record)
	w.bytes += len(at.record) + decoder.Decode(frame, int64(len(w.frames)), &w.batch)
	w.frames = append(w.frames, at)
	received := storedMillis(timeOf(uint64(frame.GetReceivedAt())))
	w.first, w.last = min(w.first, received), max(w.last, received)
	if frame.GetFrameNumber() == 0 {
		return // from before frames were counted: which rows are its own is not known
	}
	key := frameKey{frame.GetSessionId(), frame.GetFrameNumber()}
	if frame.GetCoverage() != nil {
		w.records[key] = true
	} else {
		w.heard[key] = true
	}
}

func (w *replayWindow) full() bool {
	return w.bytes >= windowBytes || len(w.frames)%framesPerCount == 0 && w.batch.Len() >= w.rows
}

// storedMillis is what a column holds of t, in Unix ms: 0 for the zero time.
func storedMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// framesOf are the frames that a table's rows can be from.
func (w *replayWindow) framesOf(table schema.Table) map[frameKey]bool {
	if table.Name == coverageTable {
		return w.records
	}
	return w.heard
}

// segments are the names of the segments that the frames are in.
func (w *replayWindow) segments() []string {
	var names []string
	for _, frame := range w.frames {
		if len(names) == 0 || names[len(names)-1] != frame.segment {
			names = append(names, frame.segment)
		}
	}
	return names
}

// expected answers, by key, which row a table must show. Of two rows of one key
// the one received last counts, as it would after a fresh ingest.
func expected(rows schema.Rows) map[rowKey]int {
	index := make(map[rowKey]int, rows.Len())
	for i := range rows.Len() {
		key := keyOf(rows.Event(i))
		if before, again := index[key]; again && rows.Event(before).ReceivedAt.After(rows.Event(i).ReceivedAt) {
			continue
		}
		index[key] = i
	}
	return index
}

// extent is which lives and times the keys are of.
func extent(index map[rowKey]int) (lives []string, times []span) {
	seen := make(map[string]bool)
	at := make([]int64, 0, len(index))
	for key := range index {
		seen[key.liveID] = true
		at = append(at, key.at)
	}
	return slices.Sorted(maps.Keys(seen)), spansOf(at)
}

func sessionsOf(frames map[frameKey]bool) []uint64 {
	seen := make(map[uint64]bool)
	for frame := range frames {
		seen[frame.session] = true
	}
	return slices.Sorted(maps.Keys(seen))
}
