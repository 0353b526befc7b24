package ingest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	kuaishou "kslive/proto"
	"kslive/schema"
)

var updateGolden = flag.Bool("update", false, "write the golden rows anew")

// rowsJSON is a batch as `ingest decode` prints it, one row a line.
func rowsJSON(t testing.TB, batch *schema.Batch) []byte {
	t.Helper()
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for rows := range batch.All() {
		for i := range rows.Len() {
			if err := encoder.Encode(map[string]any{"table": rows.Name, "row": rows.Row(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	return lines.Bytes()
}

func decoded(frame *kuaishou.Frame) *schema.Batch {
	var batch schema.Batch
	NewDecoder(nil).Decode(frame, 0, &batch)
	return &batch
}

// The rows of every kind of frame, and of the captures, are as they were. Event
// IDs are among them: see identity before they are updated.
func TestGoldenRows(t *testing.T) {
	frames := sampleFrames(t)
	for _, file := range captures(t) {
		frames["capture-"+strings.TrimSuffix(filepath.Base(file), ".hex")] = frameOf(capture(t, file))
	}
	var all schema.Batch
	decoder := NewDecoder(nil) // one for all: nothing may be left over from the frame before
	for _, name := range slices.Sorted(maps.Keys(frames)) {
		var batch schema.Batch
		decoder.Decode(frames[name], 0, &batch)
		decoder.Decode(frames[name], 0, &all)
		got := rowsJSON(t, &batch)
		file := filepath.Join("testdata", "golden", name+".json")
		if *updateGolden {
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	tables := 0
	for range all.All() {
		tables++
	}
	if tables != len(schema.Tables) {
		t.Errorf("the samples fill %d tables of %d", tables, len(schema.Tables))
	}
}

// Every column is filled by a message with every field set, unless it is named
// here.
func TestEveryColumnIsMapped(t *testing.T) {
	var batch schema.Batch
	for _, frame := range sampleFrames(t) {
		NewDecoder(nil).Decode(frame, 1, &batch)
	}
	unsent := map[string]bool{ // the feeds have no such field, or the sample's value says so
		"room_stats.like_count_exact": true, "combo_comments.other_fields": true, "rankings.other_fields": true,
		"shares.origin_user_id": true, "notices.origin_user_id": true, "viewers.origin_user_id": true, "red_packs.origin_user_id": true,
	}
	for rows := range batch.All() {
		for c, column := range rows.Columns {
			isSet := false
			for i := range rows.Len() {
				if value := fmt.Sprint(rows.Values(i, nil)[c]); value != "" && value != "0" && value != "false" && value != "[]" {
					isSet = true
				}
			}
			if name := rows.Name + "." + column; isSet == unsent[name] {
				t.Errorf("%s: set is %v", name, isSet)
			}
		}
	}
}

// Rows keep nothing of the decoder's memory, nor of the frame's.
func TestRowsAreTheirOwn(t *testing.T) {
	decoder := NewDecoder(nil)
	for name, frame := range sampleFrames(t) {
		var batch, other schema.Batch
		decoder.Decode(frame, 0, &batch)
		before := rowsJSON(t, &batch)
		clear(frame.Data)
		junk := bytes.Repeat([]byte{5}, 1<<16)
		for _, compression := range []kuaishou.SocketMessage_CompressionType{1, 2, 3} {
			decoder.Decode(frameOf(sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, junk, compression)), 0, &other)
		}
		if after := rowsJSON(t, &batch); !bytes.Equal(before, after) {
			t.Errorf("%s: rows changed from\n%s\nto\n%s", name, before, after)
		}
	}
}

// Rows come in the frame's order, appended, with the frame's offset.
func TestDecodeAppends(t *testing.T) {
	var batch schema.Batch
	decoder := NewDecoder(nil)
	frame := sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, twinsSample(t))
	decoder.Decode(frame, 100, &batch)
	decoder.Decode(frame, 200, &batch)
	if len(batch.Comments) != 6 || len(batch.Likes) != 2 || len(batch.RoomStats) != 2 {
		t.Fatalf("rows are %s", rowsJSON(t, &batch))
	}
	var offsets []int64
	var shown []string
	for _, comment := range batch.Comments {
		offsets, shown = append(offsets, comment.Offset), append(shown, comment.ShowType)
	}
	if diff := cmp.Diff([]int64{100, 100, 100, 200, 200, 200}, offsets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"normal", "normal", "hidden", "normal", "normal", "hidden"}, shown); diff != "" {
		t.Error(diff)
	}
}

// What a part looks like does not depend on its neighbours being whole.
func TestBrokenFeedLeavesTheOthers(t *testing.T) {
	whole := decoded(sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, twinsSample(t)))
	broken := []byte{0x0A, 0x7F, 'x'}
	payload := append(nested(9, broken), twinsSample(t)...)
	payload = append(payload, nested(8, broken)...)
	payload = append(payload, 0x2A, 0x50, 'c', 'u', 't') // a comment that says it has 80 bytes
	batch := decoded(sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, payload))
	if diff := cmp.Diff(whole.Comments, batch.Comments); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(whole.Likes, batch.Likes); diff != "" {
		t.Error(diff)
	}
	if len(batch.RoomStats) != 1 {
		t.Errorf("%d room_stats", len(batch.RoomStats))
	}
	type lost struct {
		Type                       uint32
		Name, Part, Payload, Error string
	}
	var got []lost
	for _, row := range batch.Undecoded {
		got = append(got, lost{row.PayloadType, row.PayloadTypeName, row.Part, string(row.Payload), row.Error})
	}
	want := []lost{
		{310, "SC_FEED_PUSH", "gift_feeds", string(broken), "not a valid WebGiftFeed"},
		{310, "SC_FEED_PUSH", "like_feeds", string(broken), "not a valid WebLikeFeed"},
		{310, "SC_FEED_PUSH", "", "\x2A\x50cut", "message is cut off"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Payloads that have no rows of their own.
func TestNoRows(t *testing.T) {
	kinds := []kuaishou.PayloadType{
		kuaishou.PayloadType_CS_HEARTBEAT, kuaishou.PayloadType_CS_ENTER_ROOM, kuaishou.PayloadType_CS_USER_EXIT,
		kuaishou.PayloadType_SC_HEARTBEAT_ACK,
	}
	for _, kind := range kinds {
		if batch := decoded(sampleFrame(t, kind, encoded(t, filled(messageOf()[kind])))); batch.Len() > 0 {
			t.Errorf("%v: rows are %s", kind, rowsJSON(t, batch))
		}
	}
	if batch := decoded(sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, nil)); batch.Len() > 0 {
		t.Errorf("an empty 310: rows are %s", rowsJSON(t, batch))
	}
}

func TestUndecodedFrames(t *testing.T) {
	wrap := func(kind kuaishou.PayloadType, compression kuaishou.SocketMessage_CompressionType, payload []byte) []byte {
		return encoded(t, &kuaishou.SocketMessage{PayloadType: kind, CompressionType: compression, Payload: payload, Time: sampleSent})
	}
	packed := gzipped(t, []byte("payload"))
	large := nested(1, make([]byte, maxPart+1))
	tests := map[string]struct {
		data []byte
		want schema.Undecoded
	}{
		"garbage":       {[]byte("hello"), schema.Undecoded{PayloadTypeName: "UNKNOWN", Payload: []byte("hello"), Error: "reading the envelope: message has an impossible field number, wire type or length"}},
		"gzip cut":      {wrap(310, 2, packed[:9]), schema.Undecoded{PayloadType: 310, PayloadTypeName: "SC_FEED_PUSH", Payload: packed[:9], Error: "gzip payload is cut off"}},
		"AES":           {wrap(829, 3, []byte("x")), schema.Undecoded{PayloadType: 829, PayloadTypeName: "SC_COMMENT_ZONE_RICH_TEXT", Payload: []byte("x"), Error: "AES payload of 1 bytes is not a whole number of blocks"}},
		"compression":   {wrap(310, 7, []byte("x")), schema.Undecoded{PayloadType: 310, PayloadTypeName: "SC_FEED_PUSH", Payload: []byte("x"), Error: "unknown compression type 7"}},
		"no message":    {wrap(594, 1, []byte("\x08\x01")), schema.Undecoded{PayloadType: 594, PayloadTypeName: payloadTypeName(594), Payload: []byte("\x08\x01"), Error: "no message known for this payload type"}},
		"packed":        {sealed(t, 1051, []byte("plain"), 2), schema.Undecoded{PayloadType: 1051, PayloadTypeName: payloadTypeName(1051), Payload: []byte("plain"), Error: "no message known for this payload type"}},
		"unknown type":  {wrap(2_000_001, 1, []byte("y")), schema.Undecoded{PayloadType: 2_000_001, Payload: []byte("y"), Error: "payload type is not known"}},
		"not a message": {wrap(300, 1, []byte{0x0A}), schema.Undecoded{PayloadType: 300, PayloadTypeName: "SC_ENTER_ROOM_ACK", Payload: []byte{0x0A}, Error: "not a valid SCWebEnterRoomAck"}},
		"too large":     {wrap(102, 1, large), schema.Undecoded{PayloadType: 102, PayloadTypeName: "SC_ECHO", Payload: large, Error: "message is larger than 1 MiB"}},
		"large signal": {wrap(510, 1, nested(53, large)), schema.Undecoded{
			PayloadType: 510, PayloadTypeName: "SC_ACTION_SIGNAL", Part: "high_frequency_action_guide", Payload: large, Error: "message is larger than 1 MiB",
		}},
		"unknown signal": {wrap(510, 1, nested(60, []byte("new"))), schema.Undecoded{
			PayloadType: 510, PayloadTypeName: "SC_ACTION_SIGNAL", Part: "?60", Payload: []byte("new"), Error: "field is not known",
		}},
		"deep groups": {wrap(105, 1, bytes.Repeat([]byte{0x53}, 200_000)), schema.Undecoded{
			PayloadType: 105, PayloadTypeName: "SC_INFO", Payload: bytes.Repeat([]byte{0x53}, 200_000), Error: "not a valid SCInfo",
		}},
	}
	for name, test := range tests {
		batch := decoded(frameOf(test.data))
		if batch.Len() != 1 || len(batch.Undecoded) != 1 {
			t.Errorf("%s: rows are %.1000s", name, rowsJSON(t, batch))
			continue
		}
		got := batch.Undecoded[0]
		if got.LiveID == "" || got.EventID == 0 || got.ReceivedAt.UnixMilli() != sampleReceived {
			t.Errorf("%s: event is %+v", name, got.Event)
		}
		got.Event = schema.Event{}
		if diff := cmp.Diff(test.want, got, cmp.Comparer(bytes.Equal)); diff != "" {
			t.Errorf("%s: %.1000s", name, diff)
		}
	}
}

// A small frame cannot become any number of rows.
func TestRowsAreBounded(t *testing.T) {
	payload := bytes.Repeat([]byte{0x2A, 0x00}, 8<<20) // empty comments
	batch := decoded(frameOf(sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, payload, kuaishou.SocketMessage_GZIP)))
	if len(batch.Comments) != maxParts || len(batch.Undecoded) != 1 {
		t.Fatalf("%d comments and %d undecoded", len(batch.Comments), len(batch.Undecoded))
	}
	rest := batch.Undecoded[0]
	if len(rest.Payload) != len(payload)-2*maxParts || rest.Error != errManyParts.Error() {
		t.Errorf("rest is %d bytes: %s", len(rest.Payload), rest.Error)
	}
	ids := make(map[uint64]bool)
	for _, comment := range batch.Comments {
		ids[comment.EventID] = true
	}
	if len(ids) != maxParts {
		t.Errorf("%d event IDs for %d equal comments", len(ids), maxParts)
	}
}

// Fields that are there and say nothing are as if they were not there.
func TestEmptyFieldsSayNothing(t *testing.T) {
	cursor, interval := nested(6, nil), []byte{0x20, 0x00}
	counter := nested(1, []byte("2735"))
	with := decoded(sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, bytes.Join([][]byte{counter, cursor, interval}, nil)))
	if len(with.RoomStats) != 1 || with.RoomStats[0].OtherFields != "" || with.Len() != 1 {
		t.Errorf("beside a counter: %s", rowsJSON(t, with))
	}
	if without := decoded(sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, append(cursor, interval...))); without.Len() > 0 {
		t.Errorf("alone: %s", rowsJSON(t, without))
	}
}

// mostGrowth is how many bytes of JSON one byte of a payload can become.
const mostGrowth = 12

// hostile are payloads of which little becomes much JSON.
func hostile() map[string]*kuaishou.SocketMessage {
	times := func(field []byte) []byte { return bytes.Repeat(field, maxPart/2/len(field)) }
	message := func(kind kuaishou.PayloadType, payload []byte) *kuaishou.SocketMessage {
		return &kuaishou.SocketMessage{PayloadType: kind, Payload: payload, Time: sampleSent}
	}
	push, control := kuaishou.PayloadType_SC_FEED_PUSH, bytes.Repeat([]byte{1}, maxPart/2)
	return map[string]*kuaishou.SocketMessage{
		"enums":    message(645, times([]byte{0x0A, 0x02, 0x08, 0x02})),
		"states":   message(push, nested(5, nested(8, times([]byte{0x5A, 0x02, 0x0A, 0x00})))),
		"text":     message(push, nested(5, nested(2, nested(5, control)))),
		"cursor":   message(push, nested(6, control)),
		"counted":  message(push, append(nested(1, []byte("12")), nested(6, control)...)),
		"segments": message(kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT, nested(1, times([]byte{0x3A, 0x02, 0x0A, 0x00}))),
		"signal":   message(kuaishou.PayloadType_SC_ACTION_SIGNAL, nested(53, control)),
		"envelope": {PayloadType: 312, ReportId: string(control)},
	}
}

// What a caller must count is the payload and all JSON that was made of it.
func TestDecodeCountsJSON(t *testing.T) {
	frames, small := sampleFrames(t), hostile()
	for name, message := range small {
		frames[name] = frameOf(encoded(t, message))
	}
	for name, frame := range frames {
		var batch schema.Batch
		got := NewDecoder(nil).Decode(frame, 0, &batch)
		want := len(frame.Data)
		if message, _ := openEnvelope(frame.Data); message != nil {
			want = len(message.Payload)
		}
		for rows := range batch.All() {
			for i := range rows.Len() {
				for c, value := range rows.Values(i, nil) {
					if slices.Contains([]string{"message", "segments", "other_fields"}, rows.Columns[c]) {
						want += len(value.(string))
					}
				}
			}
		}
		if got != want {
			t.Errorf("%s: counted %d bytes, want %d", name, got, want)
		}
		if small[name] != nil && (got < len(frame.Data)*2 || got > len(frame.Data)*(1+mostGrowth)) {
			t.Errorf("%s: %d bytes became %d", name, len(frame.Data), got)
		}
	}
}

// Unknown fields are reported by message and number, at any depth, and kept
// where the fields without a column are.
func TestUnknownFieldsAreReported(t *testing.T) {
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 5)
	segment := bytes.Join([][]byte{nested(1, unknown), unknown}, nil)
	user := append(nested(1, []byte("u")), unknown...)
	state := append(nested(11, segment), unknown...)
	payload := bytes.Join([][]byte{unknown, nested(5, bytes.Join([][]byte{nested(2, user), nested(8, state), unknown}, nil))}, nil)
	data := append(sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, payload, 1), unknown...)

	got := make(map[string]int)
	var batch schema.Batch
	NewDecoder(func(u UnknownField) { got[fmt.Sprint(u.Message, " ", u.Number)]++ }).Decode(frameOf(data), 0, &batch)
	want := map[string]int{
		"SocketMessage 99": 1, "SCWebFeedPush 99": 1, "WebCommentFeed 99": 1, "SimpleUserInfo 99": 1, "LiveAudienceState 99": 1,
		"LiveAudienceState.UserStateSegment 99": 1, "LiveAudienceState.IconSegment 99": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(batch.Comments) != 1 || batch.Comments[0].UserID != "u" || len(batch.RoomEvents) != 2 || batch.Len() != 3 {
		t.Fatalf("rows are %s", rowsJSON(t, &batch))
	}
	kept := `{"user":{"?99":5},"senderState":{"userStateSegment":[{"iconSegment":{"?99":5},"?99":5}],"?99":5},"?99":5}`
	if got := batch.Comments[0].OtherFields; got != kept {
		t.Errorf("the comment has %s, want %s", got, kept)
	}
	for i, part := range []string{"", "envelope"} {
		if event := batch.RoomEvents[i]; event.Part != part || event.Message != `{"?99":5}` {
			t.Errorf("room event %d is %+v", i, event)
		}
	}
}

// So are those of a style that stands where the app has a text.
func TestUnknownFieldsOfAStyle(t *testing.T) {
	style := []byte{0x08, 0x07, 0x50, 0x05} // color, and a field 10
	icon := nested(7, nested(2, append(nested(2, []byte("rose")), nested(4, style)...)))
	got := make(map[string]int)
	var batch schema.Batch
	decoder := NewDecoder(func(u UnknownField) { got[fmt.Sprint(u.Message, " ", u.Number)]++ })
	decoder.Decode(sampleFrame(t, kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT, nested(1, icon)), 0, &batch)
	if diff := cmp.Diff(map[string]int{"RichTextSegment.TextStyle 10": 1}, got); diff != "" {
		t.Error(diff)
	}
	if len(batch.Comments) != 1 || batch.Comments[0].Segments != `[{"iconSegment":{"iconName":"rose","textStyle":{"color":7,"?10":5}}}]` {
		t.Errorf("rows are %s", rowsJSON(t, &batch))
	}
}
