package corpus

import (
	"testing"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// What is measured must not change unnoticed: figures of different days are
// compared.
func TestFrames(t *testing.T) {
	const cycles = 100
	frames, err := Frames(56 * cycles)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Frames(56 * cycles)
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[kuaishou.PayloadType]int)
	bytes, packed := 0, 0
	for i, frame := range frames {
		if !proto.Equal(frame, again[i]) {
			t.Fatalf("frame %d differs from run to run", i)
		}
		var envelope kuaishou.SocketMessage
		if err := proto.Unmarshal(frame.Data, &envelope); err != nil {
			t.Fatal(err)
		}
		kinds[envelope.PayloadType]++
		if envelope.CompressionType == kuaishou.SocketMessage_GZIP {
			packed++
		}
		bytes += len(frame.Data)
	}
	if kinds[kuaishou.PayloadType_SC_FEED_PUSH] != 50*cycles || kinds[kuaishou.PayloadType_SC_LIVE_WATCHING_LIST] != cycles || kinds[kuaishou.PayloadType_SC_HEARTBEAT_ACK] != 5*cycles {
		t.Errorf("kinds are %v", kinds)
	}
	if share := float64(packed) / (50 * cycles); share < 0.28 || share > 0.32 {
		t.Errorf("%.2f of the pushes are packed", share)
	}
	if mean := bytes / len(frames); mean < 450 || mean > 600 {
		t.Errorf("a frame has %d bytes", mean)
	} else {
		t.Logf("a frame has %d bytes", mean)
	}
}
