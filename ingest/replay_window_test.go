package ingest

import (
	"testing"

	"google.golang.org/protobuf/proto"
)

// A window of few frames out of many segments does not keep the segments.
func TestWindowKeepsRecordsOnly(t *testing.T) {
	frame := frameOf(commentPush(t, "once", sampleSent))
	record, err := proto.Marshal(frame)
	if err != nil {
		t.Fatal(err)
	}
	segment := append(make([]byte, 100), record...)
	w := newReplayWindow(0)
	w.add(NewDecoder(nil), frame, archivedFrame{"some", 100, segment[100:]})
	clear(segment)
	if got := w.frames[0].record; string(got) != string(record) || w.bytes < len(record) {
		t.Errorf("the window has a part of the segment: %q", got)
	}
}
