package ingest

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	kuaishou "kslive/proto"
)

// What the decoder does not know is told with its number, how often and when it
// came, and no more than a little of its content; what the table has of another
// decoder stands beside it.
func TestFindDrift(t *testing.T) {
	w := openWarehouse(t)
	secret := strings.Repeat("personal", 20)
	unknown := protowire.AppendString(protowire.AppendTag(nil, 99, protowire.BytesType), secret)
	start := time.Now().UnixMilli()
	var frames []*kuaishou.Frame
	add := func(live string, data []byte) {
		frame := frameOf(data)
		frame.LiveId, frame.ReceivedAt, frame.FrameNumber = live, start+int64(len(frames)), uint32(len(frames)+1)
		frames = append(frames, frame)
	}
	for range 3 {
		add("3xone", sealed(t, 2_000_001, []byte(secret), kuaishou.SocketMessage_NONE))
		add("3xtwo", append(sealed(t, kuaishou.PayloadType_SC_ECHO, nil, kuaishou.SocketMessage_NONE), unknown...))
	}
	add("3xone", sealed(t, 964, []byte("x"), kuaishou.SocketMessage_GZIP))
	for i := range 500 { // enough for several segments
		add("3xone", commentPush(t, fmt.Sprintf("示例 %0100d", i), uint64(start)))
	}
	dir := ingested(t, w, frames)
	mustExec(t, w, "INSERT INTO undecoded (live_id, event_time, event_id, received_at, payload_type, payload, error) VALUES ('3xone', now64(3), 1, fromUnixTimestamp64Milli(%d), 310, 'abc', 'older')", start+1)

	at := func(n int64) time.Time { return time.UnixMilli(start + n).UTC() }
	sample := fmt.Sprintf("%x", secret[:driftSample])
	o := DriftOptions{Spool: dir, Warehouse: w, Logger: slog.New(slog.DiscardHandler)}
	got, err := FindDrift(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	three := Sightings{3, at(0), at(4), sample}
	one := Sightings{1, at(6), at(6), "78"}
	want := Drift{
		Frames: 507,
		Payloads: []DriftPayload{
			{Type: 2_000_001, Error: errUnknownType.Error(), Archived: three, Stored: three},
			{Type: 310, Name: "SC_FEED_PUSH", Error: "older", Stored: Sightings{1, at(1), at(1), "616263"}},
			{Type: 964, Name: payloadTypeName(964), Error: errNoMessage.Error(), Archived: one, Stored: one},
		},
		Fields: []DriftField{{Message: "SocketMessage", Field: 99, Sightings: Sightings{3, at(1), at(5), fmt.Sprintf("a001%x", secret)[:2*driftSample]}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text, err := json.Marshal(got); err != nil || strings.Contains(string(text), fmt.Sprintf("%x", secret)) {
		t.Errorf("the report holds more than a sample: %v", err)
	}

	o.Lives, o.Since, o.Warehouse = []string{"3xtwo"}, at(2), nil
	got, err = FindDrift(t.Context(), o)
	if err != nil || got.Frames != 2 || len(got.Payloads) > 0 || len(got.Fields) != 1 || got.Fields[0].Count != 2 {
		t.Errorf("of one room and time: %+v, %v", got, err)
	}
}

// Garbage that names ever new types and fields is counted, not kept.
func TestDriftIsBounded(t *testing.T) {
	d := newDriftFinder()
	for i := range maxDrifts + 50 {
		d.look(frameOf(sealed(t, kuaishou.PayloadType(3_000_000+i), []byte("x"), kuaishou.SocketMessage_NONE)))
		d.field(UnknownField{"SocketMessage", int32(i), nil})
	}
	found := d.found()
	if len(found.Payloads) != maxDrifts || len(found.Fields) != maxDrifts || found.Others != 100 {
		t.Errorf("%d payloads, %d fields, %d others", len(found.Payloads), len(found.Fields), found.Others)
	}
}
