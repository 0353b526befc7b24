package ingest

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// Event IDs are a promise to rows already stored: these may never change.
func TestEventIDGolden(t *testing.T) {
	push := &kuaishou.SocketMessage{PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, Time: 1_616_134_888_680}
	room := &kuaishou.Frame{LiveId: "3xabcdefgh23456", LiveStreamId: "8SJgk6L-2iM"}
	tests := map[string]struct {
		frame   *kuaishou.Frame
		message *kuaishou.SocketMessage
		number  protowire.Number
		feeds   []string
		want    []uint64
	}{
		"feeds":     {room, push, 5, []string{"a", "b", "a", "a"}, []uint64{6728142399748572993, 14680140776090016002, 16265040276680287221, 3719404606207952935}},
		"whole":     {room, push, 0, []string{"payload"}, []uint64{5641985401553554831}},
		"no stream": {&kuaishou.Frame{LiveId: "3xabcdefgh23456"}, push, 5, []string{"a"}, []uint64{7702905813007449446}},
		"no type":   {room, nil, 0, []string{"garbage"}, []uint64{8127127389455491839}},
	}
	for name, test := range tests {
		var i identity
		i.start(test.frame, test.message)
		var got []uint64
		for _, feed := range test.feeds {
			got = append(got, i.of(test.number, []byte(feed)))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// What is hashed is what the comment on identity says.
func TestEventIDEncoding(t *testing.T) {
	frame := &kuaishou.Frame{LiveId: "xinghe666"}
	message := &kuaishou.SocketMessage{PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, Time: 300}
	var i identity
	i.start(frame, message)
	i.of(9, []byte("feed"))
	if got, want := i.of(9, []byte("feed")), xxhash.Sum64String("\x00"+"\x09xinghe666"+"\xB6\x02"+"\xAC\x02"+"\x09"+"\x01"+"\x04feed"); got != want {
		t.Errorf("got %d, want %d", got, want)
	}
}

// What the envelope said beside the payload is identified by its fields as they
// arrived, and not by what is made of them; with a key, by what the key makes of them.
func TestEnvelopeEventID(t *testing.T) {
	beside := append(nested(9, []byte("not declared")), nested(6, []byte("a message's ID"))...)
	frame := frameOf(append(append(nested(5, []byte("report")), sealed(t, 302, nil, kuaishou.SocketMessage_NONE)...), beside...))
	message := &kuaishou.SocketMessage{PayloadType: 302, Time: sampleSent}
	var i identity
	i.start(frame, message)
	want := i.of(0, append(nested(5, []byte("report")), beside...))
	var with schema.Batch
	decoder := NewDecoder(nil)
	decoder.Pseudonymize(pseudonymKey(t, aKey))
	decoder.Decode(frame, 0, &with)
	without := decoded(frame)
	if len(without.RoomEvents) != 2 || len(with.RoomEvents) != 2 {
		t.Fatalf("rows are %s and %s", rowsJSON(t, without), rowsJSON(t, &with))
	}
	if got := without.RoomEvents[1]; got.EventID != want || got.Message != `{"reportId":"report","messageId":"a message's ID","?9":"not declared"}` {
		t.Errorf("got %+v, want the ID %d", got, want)
	}
	if got := with.RoomEvents[1]; got.EventID == want || strings.Contains(got.Message, "report\"") || strings.Contains(got.Message, "declared") {
		t.Errorf("with a key: %+v", got)
	}
}

// ids are the event IDs of a frame's rows, in order.
func ids(frame *kuaishou.Frame) []uint64 {
	var ids []uint64
	for rows := range decoded(frame).All() {
		for i := range rows.Len() {
			ids = append(ids, rows.Values(i, nil)[slices.Index(rows.Columns, "event_id")].(uint64))
		}
	}
	return ids
}

func TestEventIDDoesNotDependOnTheReceiver(t *testing.T) {
	payload := twinsSample(t)
	frame := sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, payload)
	want := ids(frame)
	if len(want) != 5 || len(slices.Compact(slices.Sorted(slices.Values(want)))) != 5 {
		t.Fatalf("IDs are %v, want 5 of them", want)
	}
	same := map[string]*kuaishou.Frame{
		"gzip": frameOf(sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, payload, kuaishou.SocketMessage_GZIP)),
		"AES":  frameOf(sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, payload, kuaishou.SocketMessage_AES)),
		"another worker": {
			LiveId: "xinghe666", LiveStreamId: frame.LiveStreamId, ReceivedAt: sampleReceived + 5000, Data: frame.Data, SessionId: 99, Epoch: 4,
		},
	}
	for name, other := range same {
		if diff := cmp.Diff(want, ids(other)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestEventIDTellsEventsApart(t *testing.T) {
	user := &kuaishou.SimpleUserInfo{PrincipalId: "u"}
	later := proto.Clone(frameOf(encoded(t, &kuaishou.SocketMessage{
		PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, Payload: twinsSample(t), Time: sampleSent + 1,
	}))).(*kuaishou.Frame)
	elsewhere := sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, twinsSample(t))
	elsewhere.LiveStreamId = "other"
	nowhere := sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, twinsSample(t))
	nowhere.LiveStreamId = ""
	nobody := sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, twinsSample(t))
	nobody.LiveStreamId, nobody.LiveId = "", "another"
	frames := map[string]*kuaishou.Frame{
		"itself": sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, twinsSample(t)),
		"later":  later, "another stream": elsewhere, "no stream": nowhere, "no stream, another live": nobody,
		// A share and a notice with the same bytes.
		"kinds": sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, encoded(t, &kuaishou.SCWebFeedPush{
			ShareFeeds: []*kuaishou.WebShareFeed{{User: user}}, SystemNoticeFeeds: []*kuaishou.WebSystemNoticeFeed{{User: user}},
		})),
	}
	seen := make(map[uint64]string)
	for _, name := range slices.Sorted(maps.Keys(frames)) {
		for _, id := range ids(frames[name]) {
			if other, ok := seen[id]; ok {
				t.Errorf("%s has an event ID of %s", name, other)
			}
			seen[id] = name
		}
	}
}

// History is polled again and again: a feed in it is one event, whatever stands
// on the envelope that it was put into.
func TestRecalledEventID(t *testing.T) {
	for _, kind := range []kuaishou.PayloadType{
		kuaishou.PayloadType_SC_WEB_COMMENT_FEED, kuaishou.PayloadType_SC_WEB_COMMENT_RICH_TEXT_MESSAGE,
	} {
		payload := encoded(t, filled(messageOf()[kind]))
		first := frameOf(encoded(t, &kuaishou.SocketMessage{PayloadType: kind, Payload: payload}))
		again := frameOf(encoded(t, &kuaishou.SocketMessage{PayloadType: kind, Payload: payload, Time: sampleSent}))
		again.ReceivedAt += 3000
		a, b := decoded(first).Comments, decoded(again).Comments
		if len(a) != 1 || len(b) != 1 || a[0].EventID != b[0].EventID || !a[0].EventTime.Equal(b[0].EventTime) {
			t.Errorf("%v: %+v and %+v", kind, a, b)
		} else if a[0].Source != "recall" || a[0].EventTimeSource != schema.FromFeed {
			t.Errorf("%v: source %s, time from %s", kind, a[0].Source, a[0].EventTimeSource)
		}
	}
}

func TestEventTime(t *testing.T) {
	received := time.UnixMilli(sampleReceived).UTC()
	at := func(d time.Duration) uint64 { return uint64(received.Add(d).UnixMilli()) }
	tests := map[string]struct {
		feed, envelope uint64
		want           time.Time
		source         string
	}{
		"feed first":      {at(-2 * time.Second), at(-time.Second), received.Add(-2 * time.Second), schema.FromFeed},
		"envelope":        {0, at(-time.Second), received.Add(-time.Second), schema.FromEnvelope},
		"garbage feed":    {5, at(-time.Second), received.Add(-time.Second), schema.FromEnvelope},
		"neither":         {0, 0, received, schema.FromReceipt},
		"oldest":          {0, at(-48 * time.Hour), received.Add(-48 * time.Hour), schema.FromEnvelope},
		"too old":         {0, at(-48*time.Hour - time.Millisecond), received, schema.FromReceipt},
		"latest":          {0, at(10 * time.Minute), received.Add(10 * time.Minute), schema.FromEnvelope},
		"too late":        {0, at(10*time.Minute + time.Millisecond), received, schema.FromReceipt},
		"seconds":         {0, sampleSent / 1000, received, schema.FromReceipt},
		"more than int64": {1 << 63, 1<<64 - 1, received, schema.FromReceipt},
	}
	for name, test := range tests {
		got, source := eventTime(test.feed, test.envelope, received)
		if !got.Equal(test.want) || source != test.source || got.Location() != time.UTC {
			t.Errorf("%s: got %v from %s, want %v from %s", name, got, source, test.want, test.source)
		}
	}
	for _, garbage := range []int64{0, -1, 1 << 62} {
		frame := sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, twinsSample(t))
		frame.ReceivedAt = garbage
		for _, row := range decoded(frame).Comments {
			if !row.ReceivedAt.IsZero() || !row.EventTime.IsZero() || row.EventTimeSource != schema.FromReceipt {
				t.Errorf("received at %d: %+v", garbage, row.Event)
			}
		}
	}
}
