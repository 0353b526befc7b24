package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
)

// Two people. No ID or name of one is a part of one of the other.
var (
	erasedPerson = Person{IDs: []string{"3xerasedperson1"}, Numbers: []uint64{3_700_112_244}, Names: []string{`被删"者`}}
	otherPerson  = Person{IDs: []string{"3xotherperson22"}, Numbers: []uint64{2_900_334_455}, Names: []string{"旁人甲乙"}}
)

// castAs puts a person everywhere in a message where there can be one.
func (p Person) castAs(m protoreflect.Message) {
	info := &kuaishou.UserInfo{UserId: p.Numbers[0], UserName: p.Names[0], EUid: p.IDs[0]}
	encodedInfo, _ := proto.Marshal(info)
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		var cast protoreflect.Value
		switch {
		case field.Kind() == protoreflect.MessageKind && field.IsList():
			for i := range value.List().Len() {
				p.castAs(value.List().Get(i).Message())
			}
		case field.Kind() == protoreflect.MessageKind:
			p.castAs(value.Message())
		case field.Kind() == protoreflect.BytesKind && field.IsList():
			value.List().Append(protoreflect.ValueOfBytes(encodedInfo))
		case field.Kind() == protoreflect.BytesKind && field.Name() != "text_style_or_text":
			cast = protoreflect.ValueOfBytes(encodedInfo)
		case field.Name() == "user_name" || field.Name() == "nickname" || field.Name() == "display_user_name":
			cast = protoreflect.ValueOfString(p.Names[0])
		case field.Name() == "mystery" || field.Name() == "is_anonymous_identity":
			m.Clear(field)
		case field.Name() == "principal_id" || field.Name() == "e_uid":
			cast = protoreflect.ValueOfString(p.IDs[0])
		case field.Name() == "user_id" && field.Kind() == protoreflect.Uint64Kind:
			cast = protoreflect.ValueOfUint64(p.Numbers[0])
		case field.Name() == "text": // a rich-text comment begins with its author's name
			cast = protoreflect.ValueOfString(p.Names[0] + "：")
		case field.Name() == "merge_key":
			cast = protoreflect.ValueOfString(fmt.Sprintf("%d-kq_1694180000000-9-1", p.Numbers[0]))
		case field.Name() == "notice_text" || field.Name() == "display_text":
			cast = protoreflect.ValueOfString("恭喜" + p.Names[0] + "成为在线观众榜前2")
		}
		if cast.IsValid() {
			m.Set(field, cast)
		}
		return true
	})
}

// crowded are frames of all types, with both people in all places: several parts
// of one payload where it is a list, else a frame each.
func crowded(t testing.TB) (frames []*kuaishou.Frame) {
	t.Helper()
	messages := messageOf()
	for _, kind := range slices.Sorted(maps.Keys(messages)) {
		var payloads [][]byte
		for _, person := range []Person{otherPerson, erasedPerson, otherPerson} {
			message := filled(messages[kind])
			person.castAs(message.ProtoReflect())
			payloads = append(payloads, encoded(t, message))
		}
		if !whole(kind) {
			payloads = [][]byte{bytes.Join(payloads, nil)}
		}
		for _, payload := range payloads {
			for _, compression := range []kuaishou.SocketMessage_CompressionType{kuaishou.SocketMessage_NONE, kuaishou.SocketMessage_GZIP, kuaishou.SocketMessage_AES} {
				frames = append(frames, frameOf(sealed(t, kind, payload, compression)))
			}
		}
	}
	frames = append(frames, oddFrames(t)...)
	for i, frame := range frames {
		frame.LiveStreamId = fmt.Sprintf("stream%d", i)
		frame.FrameNumber = uint32(i + 1)
		frame.ReceivedAt = sampleReceived + int64(i)
	}
	return frames
}

// oddFrames are those in which the person is in places of nobody's making.
func oddFrames(t testing.TB) (frames []*kuaishou.Frame) {
	name, id, n := erasedPerson.Names[0], erasedPerson.IDs[0], erasedPerson.Numbers[0]
	other := &kuaishou.SimpleUserInfo{PrincipalId: otherPerson.IDs[0], UserName: otherPerson.Names[0]}
	says := func(text string) []byte {
		return encoded(t, &kuaishou.SCWebFeedPush{DisplayWatchingCount: "12", CommentFeeds: []*kuaishou.WebCommentFeed{{User: other, Content: text, DeviceHash: "sDHuus=="}}})
	}
	info := encoded(t, &kuaishou.UserInfo{UserId: n, UserName: name, EUid: id})
	push := kuaishou.PayloadType_SC_FEED_PUSH
	for kind, payloads := range map[kuaishou.PayloadType][][]byte{
		push: {
			says("@" + name + " 你好"), says(fmt.Sprintf("%s 就是 %d 吗", id, n)),
			says(fmt.Sprintf("1%d0 是另一个数", n)),     // another number
			append(says("新"), nested(60, info)...), // fields that nobody has declared
			bytes.Join([][]byte{says("断"), nested(5, info[:len(info)-2])}, nil),
			append(says("尾"), append([]byte{0x2A, 0x7F}, name...)...), // cut off
		},
		964:       {info, []byte("\x08\x01\x12\x03abc")},
		2_000_001: {append([]byte{0xFF, 0x00}, info...)},
		kuaishou.PayloadType_SC_ACTION_SIGNAL: {
			bytes.Join([][]byte{nested(26, info), nested(99, info), nested(26, []byte("旁"))}, nil),
			// A flag without content is not one of those who were erased.
			bytes.Join([][]byte{nested(28, nested(1, info)), nested(53, nil), nested(28, nested(1, encoded(t, &kuaishou.UserInfo{EUid: otherPerson.IDs[0]})))}, nil),
			nested(14, encoded(t, &kuaishou.LiveCommonActionSignal{Action: &kuaishou.LiveCommonActionSignal_Action{LiveStreamId: "x", PayloadType: "y", Payload: info}})),
		},
	} {
		for _, payload := range payloads {
			frames = append(frames, sampleFrame(t, kind, payload))
		}
	}
	slices.SortFunc(frames, func(a, b *kuaishou.Frame) int { return bytes.Compare(a.Data, b.Data) })
	record := frameOf(nil)
	record.Coverage = coverageSample()
	return append(frames, frameOf([]byte("no envelope, but "+id)), record)
}

// tellsOf are the ways in which bytes can tell of the erased person.
func tellsOf() [][]byte {
	p := &erasedPerson
	tells := p.raw()
	for _, text := range slices.Concat(p.folded(), p.inTexts()) {
		tells = append(tells, []byte(text))
	}
	return tells
}

// requireErased fails when anything tells of the person, in any table or in any
// file of the spool.
func requireErased(t *testing.T, w *ClickHouse, dir string) {
	t.Helper()
	anotherNumber := fmt.Appendf(nil, "1%d0", erasedPerson.Numbers[0])
	requireClean := func(where string, data []byte) {
		data = bytes.ReplaceAll(data, anotherNumber, nil)
		for _, tell := range tellsOf() {
			if at := bytes.Index(data, tell); at >= 0 {
				t.Errorf("%s tells of the person: %q in %.300q", where, tell, data[max(0, at-100):])
				return
			}
		}
	}
	var tables []string
	if err := w.conn.QueryRow(t.Context(), "SELECT groupArray(name) FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'").Scan(&tables); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		rows, err := w.conn.Query(t.Context(), "SELECT formatRow('TSVRaw', *) FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var row []byte
			if err := rows.Scan(&row); err != nil {
				t.Fatal(err)
			}
			requireClean(table, row)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	archive, err := spool.OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, segment := range archive.Segments() {
		contents, err := archive.Read(segment.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range contents.Records() {
			requireClean("the archive", record)
			var frame kuaishou.Frame
			if err := proto.Unmarshal(record, &frame); err != nil {
				t.Fatal(err)
			}
			if message, err := openEnvelope(frame.Data); err == nil {
				requireClean("a payload of the archive", message.Payload)
			}
		}
	}
}

// eraseAll is an erasure of one machine, and answers what was met in the tables.
func eraseAll(t *testing.T, w *ClickHouse, dir string) map[string]ErasedRows {
	t.Helper()
	person := &Person{IDs: slices.Clone(erasedPerson.IDs)}
	if err := w.Identify(t.Context(), person); err != nil {
		t.Fatal(err)
	}
	s, err := spool.Open(dir, spool.Options{Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	frames, err := archiveEraser{s, dir, nil, slog.New(slog.DiscardHandler)}.erase(t.Context(), person)
	if err != nil || frames.Frames == 0 || frames.SetAside+frames.Unread > 0 {
		t.Fatalf("%+v, %v", frames, err)
	}
	if !slices.Equal(person.Numbers, erasedPerson.Numbers) || !slices.Contains(person.Names, erasedPerson.Names[0]) {
		t.Fatalf("found out: %+v", person)
	}
	met, err := w.EraseRows(t.Context(), person, false)
	if err != nil {
		t.Fatal(err)
	}
	return met
}

// innocent are the rows that do not tell of the erased person.
func innocent(all map[string][]string) map[string][]string {
	left := make(map[string][]string)
	for table, rows := range all {
		left[table] = slices.DeleteFunc(slices.Clone(rows), func(row string) bool {
			return slices.ContainsFunc(tellsOf(), func(tell []byte) bool { return strings.Contains(row, string(tell)) }) && !strings.Contains(row, "是另一个数") ||
				strings.Contains(row, "**") || strings.Contains(row, " 吗") || strings.Contains(row, `\"?60\"`) // masked
		})
	}
	return left
}

// requireRollups refreshes the rollups and requires them to say what is computed
// anew.
func requireRollups(t *testing.T, w *ClickHouse) {
	t.Helper()
	for _, r := range []struct{ rollup, view, columns, some string }{
		{"comments_rollup", "comments_by_minute", "live_stream_id, minute, comments, chatters", "chatters"},
		{"gifts_rollup", "revenue_by_minute", "live_stream_id, minute, gifts, value, givers", "givers"},
	} {
		for range 2 { // one that waits may have begun before
			mustExec(t, w, "SYSTEM REFRESH VIEW %s_refresh", r.rollup)
			mustExec(t, w, "SYSTEM WAIT VIEW %s_refresh", r.rollup)
		}
		kept := fmt.Sprintf("SELECT %s FROM %s FINAL WHERE %s > 0", r.columns, r.rollup, r.some)
		seen := fmt.Sprintf("SELECT %s FROM %s", r.columns, r.view)
		if n := countOf(t, w, "SELECT count() FROM ("+seen+")"); n == 0 {
			t.Errorf("%s is empty", r.view)
		}
		if n := countOf(t, w, fmt.Sprintf("SELECT (SELECT count() FROM (%s EXCEPT %s)) + (SELECT count() FROM (%s EXCEPT %s))", seen, kept, kept, seen)); n > 0 {
			t.Errorf("%d minutes of %s are not as in %s", n, r.rollup, r.view)
		}
	}
}

// An erasure that is cut short leaves no note of a replay: the places in it are of
// files that may be others now.
func TestErasureForgetsAnUnfinishedReplay(t *testing.T) {
	dir := t.TempDir()
	s, err := spool.Open(dir, spool.Options{SegmentBytes: 1, Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	says := sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, encoded(t, &kuaishou.SCWebFeedPush{CommentFeeds: []*kuaishou.WebCommentFeed{{
		User: &kuaishou.SimpleUserInfo{PrincipalId: erasedPerson.IDs[0], UserName: erasedPerson.Names[0]}, Content: "你好",
	}}}))
	for range 2 {
		if err := newSpooledFrames(s).Append(says); err != nil {
			t.Fatal(err)
		}
		segment, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := segment.Done(); err != nil {
			t.Fatal(err)
		}
	}
	note := filepath.Join(dir, noteFile)
	if err := os.WriteFile(note, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	inTheWay := filepath.Join(dir, s.Archived()[1]+".done.tmp")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	person := &Person{IDs: slices.Clone(erasedPerson.IDs)}
	met, err := archiveEraser{spool: s, dir: dir, logger: slog.New(slog.DiscardHandler)}.erase(t.Context(), person)
	if err == nil || met.Frames != 1 {
		t.Errorf("%d frames were changed, %v; want one, and an error", met.Frames, err)
	}
	if _, err := os.Stat(note); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the note is still there: %v", err)
	}
}

// After an erasure nothing in any table or kept frame tells of the person, also
// after a replay of all of these; the rows of all others are as they were.
func TestErase(t *testing.T) {
	w := openWarehouse(t)
	dir := ingested(t, w, crowded(t))
	mustExec(t, w, "INSERT INTO dead_letters (table_name, token, row, frame) VALUES ('likes', 't', '{\"user_id\":\"%s\"}', ''), ('likes', 't', '{}', 'x')", erasedPerson.IDs[0])
	before := innocent(contents(t, w))
	requireRollups(t, w)
	met := eraseAll(t, w, dir)
	for _, table := range []string{"comments", "gifts", "likes", "shares", "notices", "viewers", "entries", "rankings", "fan_joins", "red_packs", "room_events", "undecoded", "dead_letters"} {
		if met[table].Deleted == 0 {
			t.Errorf("%s: nothing was deleted", table)
		}
	}
	requireErased(t, w, dir)
	if diff := cmp.Diff(before, innocent(contents(t, w))); diff != "" {
		t.Errorf("rows of others are not what they were (-want +got): %.3000s", diff)
	}
	requireRollups(t, w)
	if n := countOf(t, w, "SELECT count() FROM comments FINAL WHERE content LIKE '@**% 你好'"); n != 1 {
		t.Errorf("%d comments that named the person are left, want 1", n)
	}
	counts := replayed(t, ReplayOptions{Spool: dir, Warehouse: w})
	if counts.Missing > 4 || counts.Stale > 0 || counts.Refused > 0 { // undecoded rests, which are masked now
		t.Errorf("the replay met %+v", counts)
	}
	requireErased(t, w, dir)
	if diff := cmp.Diff(before, innocent(contents(t, w))); diff != "" {
		t.Errorf("after a replay, rows of others are not what they were (-want +got): %.3000s", diff)
	}
	if again := replayed(t, ReplayOptions{Spool: dir, Warehouse: w}); again != (TableReplay{Unchanged: again.Unchanged}) {
		t.Errorf("the next replay met %+v", again)
	}
	if rows, err := w.EraseRows(t.Context(), &Person{IDs: erasedPerson.IDs, Numbers: erasedPerson.Numbers, Names: erasedPerson.Names}, true); err != nil || len(rows) > 0 {
		t.Errorf("the next erasure met %v, %v", rows, err)
	}
}

// Where tables hold pseudonyms, a replay of the frames that a person was erased from
// finds their counters where they are.
func TestErasePseudonyms(t *testing.T) {
	w, key := openWarehouse(t), pseudonymKey(t, aKey)
	w.Pseudonymize(key)
	dir := ingested(t, w, crowded(t))
	s, err := spool.Open(dir, spool.Options{Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	person := erasedPerson
	if met, err := (archiveEraser{s, dir, key, slog.New(slog.DiscardHandler)}).erase(t.Context(), &person); err != nil || met.Frames == 0 {
		t.Fatalf("%+v, %v", met, err)
	}
	counts := replayed(t, ReplayOptions{Spool: dir, Warehouse: w, Pseudonyms: key, Tables: []string{"room_stats"}})
	if counts.Unchanged == 0 || counts.Missing+counts.Stale > 0 {
		t.Errorf("the replay met %+v", counts)
	}
}

// An author whose name begins with that of the erased person keeps it, in the frame
// and in the table, and what they said of the person is masked in both.
func TestEraseKeepsAuthorsOfRichText(t *testing.T) {
	w := openWarehouse(t)
	name, author := erasedPerson.Names[0], erasedPerson.Names[0]+"二"
	text := func(text string) *kuaishou.RichTextSegment {
		return &kuaishou.RichTextSegment{Segment: &kuaishou.RichTextSegment_TextSegment_{TextSegment: &kuaishou.RichTextSegment_TextSegment{
			Text: text, TextStyle: &kuaishou.RichTextSegment_TextStyle{Color: 1},
		}}}
	}
	badge := &kuaishou.RichTextSegment{Segment: &kuaishou.RichTextSegment_IconSegment_{IconSegment: &kuaishou.RichTextSegment_IconSegment{Text: name + "的粉丝"}}}
	comments := &kuaishou.SCCommentZoneRichText{}
	for i, segments := range [][]*kuaishou.RichTextSegment{
		{badge, text(author + "："), text("你好，" + name)},
		{text(""), text("没有名字，" + name)},
		{text(author + "："), badge},
		{badge},
	} {
		comments.Message = append(comments.Message, &kuaishou.CommentRichTextMessage{UserId: uint64(i + 1), Segment: segments})
	}
	// Of others, and long, so that there are several segments.
	long := sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, encoded(t, &kuaishou.SCWebFeedPush{CommentFeeds: []*kuaishou.WebCommentFeed{{
		User: &kuaishou.SimpleUserInfo{PrincipalId: otherPerson.IDs[0], UserName: author}, Content: strings.Repeat("好", 10_000),
	}}}))
	enters := encoded(t, &kuaishou.UserInfo{UserId: erasedPerson.Numbers[0], UserName: name, EUid: erasedPerson.IDs[0]})
	dir := ingested(t, w, []*kuaishou.Frame{
		sampleFrame(t, kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT, encoded(t, comments)), long,
		sampleFrame(t, kuaishou.PayloadType_SC_ACTION_SIGNAL, nested(28, nested(1, enters))), long,
	})
	met := eraseAll(t, w, dir)
	if met["comments"] != (ErasedRows{Masked: 4}) || met["entries"].Deleted != 1 {
		t.Errorf("%+v", met)
	}
	query := fmt.Sprintf("SELECT count() FROM comments FINAL WHERE user_name = %s AND position(segments, %s) > 0", quoted(author), quoted(inJSON(author)+"："))
	if n := countOf(t, w, query); n != 2 {
		t.Errorf("%d authors have their names, want 2", n)
	}
	if counts := replayed(t, ReplayOptions{Spool: dir, Warehouse: w}); counts != (TableReplay{Unchanged: counts.Unchanged}) {
		t.Errorf("a replay would meet %+v", counts)
	}
	if again, err := w.EraseRows(t.Context(), &erasedPerson, true); err != nil || len(again) > 0 {
		t.Errorf("the next erasure would meet %v, %v", again, err)
	}
}
