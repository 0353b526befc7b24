package ingest

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"kslive/internal/simulator"
	kuaishou "kslive/proto"
	"kslive/schema"
)

// recordRoom records what a simulated room sends, garbage included, and tells
// the secrets that it was entered with.
func recordRoom(t *testing.T) (recording []byte, frames []*kuaishou.Frame, secrets []string) {
	t.Helper()
	s, err := simulator.Start(t.Context(), simulator.Options{Seed: 7, Rate: 2000, PushEvery: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	liveID := simulator.LiveID(7, 0)
	if err := s.AddRoom(liveID, simulator.RoomOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.SetFaults(liveID, simulator.Faults{Garbage: 1}); err != nil {
		t.Fatal(err)
	}
	cookies := filepath.Join(t.TempDir(), "cookie.txt")
	if err := os.WriteFile(cookies, []byte("did=web_0123456789abcdef; kuaishou.live.web_st=geheimesWort\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(ClientOptions{BaseURL: s.URL(), CookieFile: cookies, MinInterval: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var written bytes.Buffer
	recorder, err := NewRecorder(&written)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	last, err := Follow(ctx, FollowOptions{
		LiveID: liveID, Client: client, Recorder: recorder, Logger: slog.New(slog.DiscardHandler), State: func(Report) {},
		Rows: func(*schema.Batch) error {
			if recorder.Frames() > 700 {
				stop()
			}
			return nil
		},
	})
	if err != nil {
		t.Fatalf("%+v: %v", last, err)
	}
	for frame, err := range ReadRecording(bytes.NewReader(written.Bytes())) {
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame)
	}
	if uint64(len(frames)) != recorder.Frames() || len(frames) < 700 {
		t.Fatalf("%d frames were read of %d", len(frames), recorder.Frames())
	}
	room, err := s.Room(liveID)
	if err != nil {
		t.Fatal(err)
	}
	return written.Bytes(), frames, []string{room.Token, "geheimesWort", "0123456789abcdef"}
}

// rowCounts counts the rows of a frame by table.
func rowCounts(frame *kuaishou.Frame) map[string]int {
	var batch schema.Batch
	NewDecoder(nil).Decode(frame, 0, &batch)
	rows := make(map[string]int)
	for table := range batch.All() {
		rows[table.Name] += table.Len()
	}
	return rows
}

// A recording of everything that the simulator can send, garbage included, has
// nobody in it any more, and is the same to a decoder in everything else.
func TestAnonymizeRecording(t *testing.T) {
	_, frames, _ := recordRoom(t)
	anonymizer := NewAnonymizer(1)
	others := make(map[string]string) // by the text that was there
	var all bytes.Buffer              // what is left, decompressed
	for i, frame := range frames {
		before := proto.CloneOf(frame)
		after, err := anonymizer.Frame(frame)
		if err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(before, frame) {
			t.Fatalf("frame %d was changed", i)
		}
		want, got := rowCounts(frame), rowCounts(after)
		for table, n := range want {
			if got[table] != n {
				t.Errorf("frame %d: %d rows of %s, want %d", i, got[table], table, n)
			}
		}
		payload, plain := opened(frame), opened(after)
		if len(payload) != len(plain) {
			t.Fatalf("frame %d: %d bytes of payload became %d", i, len(payload), len(plain))
		}
		all.Write(plain)
		all.WriteString(after.LiveId + after.LiveStreamId)
		compareFields(t, payloadOf(frame), payload, plain, others)
	}
	others[frames[0].LiveId] = "the room"
	others[frames[0].LiveStreamId] = "the broadcast"
	checked := 0
	for text := range others {
		if utf8.RuneCountInString(text) <= 2 || len(text) < 9 || !hasLetters(text) {
			continue // may be there by chance; compareFields has seen that it changed
		}
		checked++
		if bytes.Contains(all.Bytes(), []byte(text)) {
			t.Errorf("%q is still there", text)
		}
	}
	if checked < 500 {
		t.Errorf("only %d texts were looked for", checked)
	}
	done := anonymizer.Done()
	if done.Frames != len(frames) || done.Emptied == 0 || done.UnknownTexts == 0 || done.UnknownEmptied == 0 || done.Unknown[4242] == 0 {
		t.Errorf("done %+v", done)
	}
	t.Logf("%d texts looked for; done %+v", checked, done)
}

// opened is the payload of a frame without its compression, or all of it.
func opened(frame *kuaishou.Frame) []byte {
	message, err := openEnvelope(frame.Data)
	if err != nil {
		return frame.Data
	}
	return message.Payload
}

func payloadOf(frame *kuaishou.Frame) protoreflect.MessageDescriptor {
	message, err := openEnvelope(frame.Data)
	if err != nil {
		return nil
	}
	if kind := messageOf()[message.PayloadType]; kind != nil {
		return kind.Descriptor()
	}
	return nil
}

// hasLetters says whether a text has something in it that is not kept.
func hasLetters(text string) bool {
	for rest := []byte(text); len(rest) > 0; {
		if n := emojiLength(rest); n > 0 {
			rest = rest[n:]
			continue
		}
		if classAt(rest) != kept {
			return true
		}
		_, size := utf8.DecodeRune(rest)
		rest = rest[size:]
	}
	return false
}

// personal are the texts that say who somebody is or what they said.
var personal = map[protoreflect.Name]bool{
	"principal_id": true, "user_name": true, "head_url": true, "content": true, "device_hash": true, "merge_key": true, "e_uid": true,
	"url": true, "text": true, "notice_text": true, "display_user_name": true, "id": true, "grab_token": true, "live_stream_id": true, "extra_info": true,
}

// compareFields walks two encodings of a message, finds the same fields of the
// same lengths in both, personal ones with another content, and equal content
// where it was equal.
func compareFields(t *testing.T, message protoreflect.MessageDescriptor, before, after []byte, others map[string]string) {
	t.Helper()
	if message == nil {
		return
	}
	was, is := fieldReader{rest: before}, fieldReader{rest: after}
	for was.next() {
		if !is.next() || was.number != is.number || was.wire != is.wire || len(was.encoded) != len(is.encoded) {
			t.Fatalf("%s: field %d became field %d", message.Name(), was.number, is.number)
		}
		field := was.declared(message)
		switch {
		case field == nil:
		case field.Kind() == protoreflect.MessageKind:
			compareFields(t, field.Message(), was.raw, is.raw, others)
		case field.Kind() == protoreflect.StringKind && personal[field.Name()]:
			text, other := string(was.raw), string(is.raw)
			if text == other && hasLetters(text) {
				t.Errorf("%s is still %q", field.FullName(), text)
			}
			// What is said holds the names of those in the same feed as names.
			if known, ok := others[text]; ok && known != other && treatmentOf(field) != isSaid {
				t.Errorf("%q became %q and %q", text, known, other)
			}
			others[text] = other
			if utf8.ValidString(text) != utf8.ValidString(other) || utf8.RuneCountInString(text) != utf8.RuneCountInString(other) {
				t.Errorf("%q became %q", text, other)
			}
		case publicFields[field.Name()] && !bytes.Equal(was.raw, is.raw):
			t.Errorf("%s: %q became %q", field.FullName(), was.raw, is.raw)
		case field.Name() == "user_id" && was.value == is.value:
			t.Errorf("%s is still %d", field.FullName(), was.value)
		}
	}
}

// The captures keep their layout to the byte, and lose their people.
func TestAnonymizeCaptures(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			frame := frameOf(capture(t, file))
			after, err := NewAnonymizer(0).Frame(frame)
			if err != nil {
				t.Fatal(err)
			}
			for table, n := range rowCounts(frame) {
				if got := rowCounts(after)[table]; got != n {
					t.Errorf("%d rows of %s, want %d", got, table, n)
				}
			}
			compareFields(t, payloadOf(frame), opened(frame), opened(after), make(map[string]string))
			again, err := NewAnonymizer(0).Frame(frame)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(file, "310") && bytes.Equal(after.Data, again.Data) {
				t.Error("two keys make the same of it")
			}
		})
	}
	frame := frameOf(capture(t, "testdata/captures/310-comment-like-2021-03.hex"))
	after, err := NewAnonymizer(1).Frame(frame)
	if err != nil {
		t.Fatal(err)
	}
	var batch schema.Batch
	NewDecoder(nil).Decode(after, 0, &batch)
	like, twin, stat := batch.Likes[0], batch.Comments[1], batch.RoomStats[0]
	if like.UserName != twin.UserName || twin.Content[:len(like.UserName)] != like.UserName || like.UserID != twin.UserID || like.DeviceHash != twin.DeviceHash {
		t.Errorf("a like of %+v came with %+v", like, twin)
	}
	if stat.DisplayLikeCount != "26万" || stat.DisplayWatchingCount != "2735" || batch.Comments[0].FansGroupIntimacyLevel != 3 {
		t.Errorf("counters became %+v", stat)
	}
}

// What is in a field of bytes, or in none that is declared, is not left as it is.
func TestAnonymizeUndeclared(t *testing.T) {
	inner := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 2_030_000_003)
	inner = append(inner, nested(2, []byte("张三李四王五赵六"))...)
	inner = append(inner, nested(3, []byte{0xff, 0xfe, 0xfd})...)
	inner = protowire.AppendVarint(protowire.AppendTag(inner, 4, protowire.VarintType), 7)
	inner = append(inner, protowire.AppendGroup(protowire.AppendTag(nil, 5, protowire.StartGroupType), 5, nested(1, []byte("电话13800000000")))...)
	payload := append(nested(77, inner), nested(45, inner)...)                                              // unknown, and opaque
	payload = protowire.AppendFixed64(protowire.AppendTag(payload, 78, protowire.Fixed64Type), 904_417_733) // and as another type
	frame := sampleFrame(t, kuaishou.PayloadType_SC_ACTION_SIGNAL, payload)
	a := NewAnonymizer(1)
	after, err := a.Frame(frame)
	if err != nil {
		t.Fatal(err)
	}
	plain := opened(after)
	for _, gone := range [][]byte{
		[]byte("张三李四王五赵六"), []byte("138000"),
		{0xff, 0xfe, 0xfd},
		protowire.AppendVarint(nil, 2_030_000_003), protowire.AppendFixed64(nil, 904_417_733),
	} {
		if bytes.Contains(plain, gone) {
			t.Errorf("%q is still there", gone)
		}
	}
	if len(plain) != len(payload) || len(plain) == 0 || rowCounts(after)["undecoded"] != 2 || rowCounts(after)["room_events"] != 1 {
		t.Errorf("%d bytes became %d, %v", len(payload), len(plain), rowCounts(after))
	}
	if done := a.Done(); done.UnknownTexts != 4 || done.UnknownNumbers != 3 || done.UnknownEmptied != 2 || done.EmptiedBytes != 6 {
		t.Errorf("done %+v", done)
	}
}

// What cannot be opened is emptied, and still cannot be.
func TestAnonymizeBroken(t *testing.T) {
	secret := []byte("0123456789abcdef张三0123456789")
	var frames []*kuaishou.Frame
	for _, compression := range []kuaishou.SocketMessage_CompressionType{kuaishou.SocketMessage_GZIP, kuaishou.SocketMessage_AES, 9} {
		for _, n := range []int{16, len(secret)} {
			data := encoded(t, &kuaishou.SocketMessage{PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, CompressionType: compression, Payload: secret[:n]})
			frames = append(frames, frameOf(data))
		}
	}
	frames = append(frames, frameOf(secret), frameOf(nil),
		sampleFrame(t, kuaishou.PayloadType_SC_LIVE_COMMON_NOTICE, secret), sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, append(nested(1, []byte("26万")), secret...)))
	for i, frame := range frames {
		after, err := NewAnonymizer(1).Frame(frame)
		if err != nil {
			t.Fatal(err)
		}
		want, got := rowCounts(frame), rowCounts(after)
		if got["undecoded"] != want["undecoded"] || got["room_stats"] != want["room_stats"] || len(after.Data) != len(frame.Data) {
			t.Errorf("frame %d: %v became %v", i, want, got)
		}
		if bytes.Contains(after.Data, []byte("张三")) || bytes.Contains(after.Data, []byte("0123456789")) {
			t.Errorf("frame %d: %q", i, after.Data)
		}
	}
}

// Records of our own name the worker and are left out.
func TestAnonymizeDropsCoverage(t *testing.T) {
	a := NewAnonymizer(1)
	after, err := a.Frame(&kuaishou.Frame{Coverage: &kuaishou.Coverage{Worker: "host"}})
	if after != nil || err != nil || a.Done().Dropped != 1 {
		t.Errorf("got %v, %v, %+v", after, err, a.Done())
	}
}

func TestDisguise(t *testing.T) {
	d := newDisguise([]byte("key"))
	other := func(text string, names ...string) string {
		b := []byte(text)
		d.text(b, names...)
		return string(b)
	}
	if got := other("[笑哭]，！ …"); got != "[笑哭]，！ …" {
		t.Errorf("what is kept became %q", got)
	}
	if got := other("[张三]"); got == "[张三]" || got[0] != '[' || len(got) != len("[张三]") {
		t.Errorf("a name in brackets became %q", got)
	}
	name := other("云梅ne")
	if got := other("云梅ne赞了云梅ne这个直播", "云梅ne"); strings.Count(got, name) != 2 {
		t.Errorf("%q has no %q", got, name)
	}
	if got, id := other("8SJgk6L-2iM_1785688422601"), other("8SJgk6L-2iM"); !strings.HasPrefix(got, id+"_") {
		t.Errorf("%q does not begin with %q", got, id)
	}
	for _, n := range []uint64{1, 9, 10, 127, 128, 999, 16384, 2_030_000_003, 1<<32 - 1, 1<<63 + 5, 1<<64 - 1} {
		got := d.number(n)
		if got == n || protowire.SizeVarint(got) != protowire.SizeVarint(n) || other(decimal(n)) != decimal(got) || len(decimal(got)) != len(decimal(n)) {
			t.Errorf("%d became %d and %s", n, got, other(decimal(n)))
		}
	}
	for key, want := range map[string]string{
		"904417733-0-10042-1":                     decimal(d.number(904417733)) + "-0-10042-1",
		"3700112233-kqrM2J2S5Fh7CvbP_169418-9-66": decimal(d.number(3700112233)) + "-" + other("kqrM2J2S5Fh7CvbP_169418") + "-9-66",
		"no merge key":                            other("no merge key"),
		"":                                        "",
	} {
		b := []byte(key)
		if d.mergeKey(b); string(b) != want {
			t.Errorf("%q became %q, want %q", key, b, want)
		}
	}
	address := []byte("https://p2.a.yximgs.com/uhead/AB/2026/x.jpg")
	if d.address(address); !strings.HasPrefix(string(address), "https://") || !strings.HasSuffix(string(address), ".jpg") || !bytes.Contains(address, []byte(".yximgs.com/uhead/")) || bytes.Contains(address, []byte("/AB/2026/x")) {
		t.Errorf("an address became %q", address)
	}
}

// No bytes make it panic, change a length, or add or lose rows.
func FuzzAnonymize(f *testing.F) {
	for _, file := range captures(f) {
		f.Add(capture(f, file))
	}
	f.Add(nested(45, nested(2, []byte("张三"))))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, frame := range []*kuaishou.Frame{frameOf(data), sampleFrame(t, kuaishou.PayloadType_SC_ACTION_SIGNAL, data), sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, data)} {
			after, err := NewAnonymizer(1).Frame(frame)
			if err != nil {
				t.Fatal(err)
			}
			want, got := rowCounts(frame), rowCounts(after)
			for table, n := range want {
				if got[table] != n {
					t.Errorf("%d rows of %s, want %d", got[table], table, n)
				}
			}
			if len(opened(after)) != len(opened(frame)) {
				t.Errorf("%d bytes became %d", len(opened(frame)), len(opened(after)))
			}
		}
	})
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }
