package ingest

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"

	kuaishou "kslive/proto"
)

// fieldOf is one encoded number.
func fieldOf(number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), value)
}

// Where senders disagree on what a field is, each one's form is decoded, and what
// it says is kept.
func TestBothSenders(t *testing.T) {
	text := func(number protowire.Number, s string) []byte { return nested(number, []byte(s)) }
	join := func(fields ...[]byte) []byte { return bytes.Join(fields, nil) }
	style := fieldOf(1, 0xFF8800FF)
	icon := func(fields ...[]byte) []byte {
		return nested(1, join(text(1, "id"), nested(7, nested(2, join(fields...)))))
	}
	user := func(fields ...[]byte) []byte { return nested(2, join(fields...)) }
	for name, test := range map[string]struct {
		kind    kuaishou.PayloadType
		payload []byte
		want    string // the segments of a comment, or the message of a room event
	}{
		"icon, web": {
			829, icon(text(1, "pack"), text(2, "rose"), text(3, "[玫瑰]"), nested(4, style)),
			`[{"iconSegment":{"resPackId":"pack","iconName":"rose","text":"[玫瑰]","textStyle":{"color":4287103231}}}]`,
		},
		"icon, app": {
			829, icon(text(1, "pack"), text(2, "rose"), fieldOf(3, 1), text(4, "[玫瑰]"), nested(5, style)),
			`[{"iconSegment":{"resPackId":"pack","iconName":"rose","text":"[玫瑰]","?3":1,"textStyle":{"color":4287103231}}}]`,
		},
		"icon, app, not stretched": {
			829, icon(text(2, "rose"), text(4, "[玫瑰]"), nested(5, style)),
			`[{"iconSegment":{"iconName":"rose","text":"[玫瑰]","textStyle":{"color":4287103231}}}]`,
		},
		"icon, web, no text": {
			829, icon(text(2, "rose"), nested(4, style)),
			`[{"iconSegment":{"iconName":"rose","textStyle":{"color":4287103231}}}]`,
		},
		"icon, a style of neither": {
			829, icon(text(2, "rose"), text(3, "[玫瑰]"), text(4, "bold"), nested(5, style)),
			`[{"iconSegment":{"iconName":"rose","text":"[玫瑰]","textStyleOrText":"Ym9sZA==","textStyle":{"color":4287103231}}}]`,
		},
		"icon, the style a number": {
			829, icon(text(3, "[玫瑰]"), fieldOf(5, 7)),
			`[{"iconSegment":{"text":"[玫瑰]","?5":7}}]`,
		},
		"icon, the style a text": {
			829, icon(text(3, "[玫瑰]"), text(5, "bold")),
			`[{"iconSegment":{"text":"[玫瑰]","?5":"bold"}}]`,
		},

		"chat closed": {
			776, join(nested(1, join(fieldOf(1, 2), text(2, "chat"), text(3, "biz"))), user(fieldOf(1, 5)), fieldOf(4, 6), fieldOf(5, 7)),
			`{"bizIdentity":{"bizType":2,"chatId":"chat","bizId":"biz"},"userInfo":{"userId":5},"timestamp":6,"version":7}`,
		},
		"chat closed, all the other way": {
			776, join(nested(1, join(text(1, "pk"), fieldOf(2, 8), fieldOf(3, 9))), user(text(1, "3x")), text(4, "6"), text(5, "7")),
			`{"bizIdentity":{"?1":"pk","?2":8,"?3":9},"userInfo":{"?1":"3x"},"?4":"6","?5":"7"}`,
		},
		"chat closed, the identity a text": {
			776, join(text(1, "chat-1"), fieldOf(4, 6), fieldOf(5, 7)),
			`{"?1":"chat-1","timestamp":6,"version":7}`,
		},
		"chat closed, the identity a number": {776, join(fieldOf(1, 3), fieldOf(4, 6)), `{"?1":3,"timestamp":6}`},
		"switch": {
			944, join(nested(1, join(nested(1, join(fieldOf(1, 2), text(2, "chat"))), user(fieldOf(1, 5)), nested(3, []byte{0xFF}), fieldOf(4, 1))), fieldOf(4, 6), fieldOf(5, 7)),
			`{"roomInfo":{"bizIdentity":{"bizType":2,"chatId":"chat"},"userInfo":[{"userId":5}],"layoutConfig":"/w==","version":1},"timestamp":6,"version":7}`,
		},
		"switch, all the other way": {
			944, join(nested(1, join(fieldOf(1, 2), user(fieldOf(1, 5)), fieldOf(3, 4), text(4, "1"))), text(4, "6"), protowire.AppendFixed64(protowire.AppendTag(nil, 5, protowire.Fixed64Type), 7)),
			`{"roomInfo":{"?1":2,"userInfo":[{"userId":5}],"?3":4,"?4":"1"},"?4":"6","?5":7}`,
		},
		"switch, texts for messages": {
			944, join(nested(1, join(text(1, "chat-1"), text(2, "somebody"), user(fieldOf(1, 5)))), fieldOf(5, 7)),
			`{"roomInfo":{"?1":"chat-1","userInfo":[{"userId":5}],"?2":"somebody"},"version":7}`,
		},
		"statistic, texts for numbers": {
			950, join(fieldOf(1, 5), text(2, "6"), nested(3, join(text(1, "a"), text(2, "1.2万"), fieldOf(3, 9))), text(3, "team")),
			`{"?1":5,"?2":"6","team":[{"?1":"a","?2":"1.2万","?3":9}],"?3":"team"}`,
		},
	} {
		batch := decoded(sampleFrame(t, test.kind, test.payload))
		var got string
		switch {
		case batch.Len() != 1:
		case len(batch.Comments) == 1:
			got = batch.Comments[0].Segments
		case len(batch.RoomEvents) == 1:
			got = batch.RoomEvents[0].Message
		}
		if got == "" {
			t.Errorf("%s: rows are %s", name, rowsJSON(t, batch))
		} else if diff := cmp.Diff(test.want, got); diff != "" || !json.Valid([]byte(got)) {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// The text of an icon is read in both forms.
func TestIconTextOfBothSenders(t *testing.T) {
	name := nested(7, nested(1, nested(1, []byte("n:"))))
	style := fieldOf(1, 0xFF8800FF)
	for form, icon := range map[string][]byte{
		"web": bytes.Join([][]byte{nested(2, []byte("rose")), nested(3, []byte("[玫瑰]")), nested(4, style)}, nil),
		"app": bytes.Join([][]byte{nested(2, []byte("rose")), fieldOf(3, 1), nested(4, []byte("[玫瑰]")), nested(5, style)}, nil),
	} {
		payload := nested(1, append(bytes.Clone(name), nested(7, nested(2, icon))...))
		comments := decoded(sampleFrame(t, kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT, payload)).Comments
		if len(comments) != 1 || comments[0].Content != "[玫瑰]" || comments[0].UserName != "n" {
			t.Errorf("%s: comments are %+v", form, comments)
		}
	}
}

// A feed of which one field cannot be read keeps the others, and that field.
func TestMendedFeed(t *testing.T) {
	feed := bytes.Join([][]byte{nested(2, []byte("nobody")), nested(3, []byte("你好")), nested(8, nested(5, []byte("plate"))), nested(8, fieldOf(7, 4))}, nil)
	reported := map[int32]int{}
	frame := sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, nested(5, feed))
	batch := decoded(frame)
	if len(batch.Comments) != 1 || batch.Len() != 1 {
		t.Fatalf("rows are %s", rowsJSON(t, batch))
	}
	comment := batch.Comments[0]
	if comment.Content != "你好" || comment.WealthGrade != 4 || comment.OtherFields != `{"?2":"nobody","senderState":{"?5":"plate"}}` {
		t.Errorf("the comment is %+v", comment)
	}
	NewDecoder(func(u UnknownField) { reported[u.Number]++ }).Decode(frame, 0, batch)
	if diff := cmp.Diff(map[int32]int{2: 1, 5: 1}, reported); diff != "" {
		t.Errorf("reported: %s", diff)
	}
	// Where the fields cannot be told apart, all of it is kept raw.
	cut := append(bytes.Clone(feed), 0x1A, 0x7F)
	batch = decoded(sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, nested(5, cut)))
	if len(batch.Undecoded) != 1 || batch.Len() != 1 || !bytes.Equal(batch.Undecoded[0].Payload, cut) {
		t.Errorf("rows are %s", rowsJSON(t, batch))
	}
}
