package ingest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"kslive/internal/corpus"
	kuaishou "kslive/proto"
)

// rowsIn are the rows of a frame, each in JSON.
func rowsIn(t testing.TB, record []byte) (all []string) {
	var frame kuaishou.Frame
	if proto.Unmarshal(record, &frame) != nil {
		return nil // nothing is decoded from it
	}
	for rows := range decoded(&frame).All() {
		for i := range rows.Len() {
			row, err := json.Marshal(rows.Row(i))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, rows.Name+" "+string(row))
		}
	}
	return all
}

// What the archive keeps of a frame makes the same rows, with the same IDs, and no
// payload of it is packed with gzip any more; all others are kept as they are.
func TestSlim(t *testing.T) {
	frames, err := corpus.Frames(500)
	if err != nil {
		t.Fatal(err)
	}
	frames = append(frames, crowded(t)...)
	slim, packed, longest := Slim(), 0, 0
	for _, frame := range frames {
		record := encoded(t, frame)
		kept := bytes.Clone(slim(record))
		if diff := cmp.Diff(rowsIn(t, record), rowsIn(t, kept)); diff != "" {
			t.Fatalf("rows (-before +after):\n%s", diff)
		}
		if !bytes.Equal(slim(kept), kept) {
			t.Errorf("what is kept is not kept as it is: %.100q", kept)
		}
		message, err := new(opener).open(frame.Data)
		wasPacked := err == nil && message.CompressionType == kuaishou.SocketMessage_GZIP
		if wasPacked == bytes.Equal(kept, record) {
			t.Errorf("packed: %t, kept as it is: %t: %.100q", wasPacked, bytes.Equal(kept, record), record)
		}
		var left kuaishou.Frame
		if err := proto.Unmarshal(kept, &left); err != nil {
			t.Fatal(err)
		}
		if left.Unpacked != wasPacked {
			t.Errorf("it came packed: %t, and says %t", wasPacked, left.Unpacked)
		}
		left.Unpacked, left.Data = false, frame.Data
		if !proto.Equal(&left, frame) {
			t.Errorf("around the data it is %v, not %v", &left, frame)
		}
		if wasPacked {
			packed++
			longest = max(longest, len(message.Payload))
		}
	}
	if packed < 100 {
		t.Errorf("only %d frames were packed, the longest payload has %d bytes", packed, longest)
	}
}

// Whatever is in a record, what the archive keeps of it makes the same rows.
func FuzzSlim(f *testing.F) {
	for _, frame := range crowded(f) {
		f.Add(encoded(f, frame))
	}
	slim := Slim()
	f.Fuzz(func(t *testing.T, record []byte) {
		kept := bytes.Clone(slim(record))
		if diff := cmp.Diff(rowsIn(t, record), rowsIn(t, kept)); diff != "" {
			t.Errorf("rows (-before +after):\n%s", diff)
		}
	})
}
