package ingest

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// fasts are the messages that ordinary reads: the row that it makes, and the one that
// is made of what protobuf reads. Neither has an event.
func fasts() map[string]fast {
	d := NewDecoder(nil)
	d.frame, d.batch = &kuaishou.Frame{}, &schema.Batch{}
	return map[string]fast{
		"comment": fastOf(&kuaishou.WebCommentFeed{}, commentRest, func(s string, row *schema.Comment) bool { return ordinaryOf(s).comment(s, row) }, d.anyComment),
		"like":    fastOf(&kuaishou.WebLikeFeed{}, likeRest, func(s string, row *schema.Like) bool { return ordinaryOf(s).like(s, row) }, d.anyLike),
		"gift":    fastOf(&kuaishou.WebGiftFeed{}, giftRest, ordinary{}.gift, d.anyGift),
		"viewer":  fastOf(&kuaishou.WebWatchingUserInfo{}, viewerRest, ordinary{}.viewer, d.anyViewer),
	}
}

type fast struct {
	message proto.Message
	left    rest                               // of the message, without a column
	rows    func(data []byte) (fast, slow any) // nil where there is none
}

func fastOf[Row any](message proto.Message, left rest, quickly func(string, *Row) bool, slowly func(*part, *Row) bool) fast {
	return fast{message, left, func(data []byte) (fast, slow any) {
		var row, want Row
		if quickly(string(data), &row) {
			fast = row
		}
		if slowly(partOf(data), &want) {
			slow = want
		}
		return fast, slow
	}}
}

// What ordinary says that it has read makes the row that protobuf's message makes.
func FuzzOrdinary(f *testing.F) {
	all := fasts()
	for _, frame := range sampleFrames(f) {
		message, err := openEnvelope(frame.Data)
		if err != nil {
			continue
		}
		f.Add(message.Payload)
		for fields := (fieldReader{rest: message.Payload}); fields.next(); {
			f.Add(fields.raw)
		}
	}
	for _, one := range all {
		f.Add(encoded(f, columnsOf(one)))
	}
	for _, feed := range cutFeeds() {
		f.Add([]byte(feed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, one := range all {
			if fast, slow := one.rows(data); fast != nil && fast != slow {
				t.Errorf("%s: read %+v, protobuf reads %+v", name, fast, slow)
			}
		}
	})
}

// cutFeeds are feeds with a text that is cut inside of a character, which what follows
// would complete: a tag and a length in more bytes than they need, or the next feed.
func cutFeeds() []string {
	return []string{
		"\x1A\x02\xE4\xBD\x8A\x00\x01x",
		"\x12\x04\x12\x02\xE4\xBD\x9A\x00\x01x",
		"\x12\x02\x12\x00\x1A\x02\xE4\xBD",
		"\x12\x04\x0A\x02\xE4\xBD\x82\x01\x01x",
	}
}

// Texts that are cut are mended, whatever comes behind them.
func TestOrdinaryCutText(t *testing.T) {
	for _, feed := range cutFeeds() {
		for name, one := range fasts() {
			if fast, slow := one.rows([]byte(feed)); fast != nil && fast != slow {
				t.Errorf("%s: read %+v, protobuf reads %+v", name, fast, slow)
			}
		}
	}
}

// Every field that has a column is read quickly, also where texts are no UTF-8.
func TestOrdinaryReadsColumns(t *testing.T) {
	for name, one := range fasts() {
		full := encoded(t, columnsOf(one))
		broken := bytes.ReplaceAll(full, []byte("示"), []byte("\xE7\xA4x"))
		wide := widened(full, one.message.ProtoReflect().Descriptor())
		for _, data := range [][]byte{full, broken, wide, append(full, full...), nil} {
			fast, slow := one.rows(data)
			if fast == nil || fast != slow {
				t.Errorf("%s: read %+v, protobuf reads %+v", name, fast, slow)
			}
		}
		for cut := range len(full) {
			if fast, slow := one.rows(full[:cut]); fast != nil && fast != slow {
				t.Errorf("%s cut to %d bytes: read %+v, protobuf reads %+v", name, cut, fast, slow)
			}
		}
	}
}

// A field without a column is for protobuf: nothing of it is left out.
func TestOrdinaryLeavesTheRest(t *testing.T) {
	for name, one := range fasts() {
		full := encoded(t, filled(one.message.ProtoReflect().Type()))
		unknown := append(encoded(t, columnsOf(one)), 0xF8, 0x7F, 0x01)
		for _, data := range [][]byte{full, unknown} {
			if fast, slow := one.rows(data); fast != nil || slow == nil {
				t.Errorf("%s: read %+v, protobuf reads %+v", name, fast, slow)
			}
		}
	}
}

// columnsOf is the message with every field set that has a column, and no other.
func columnsOf(f fast) proto.Message {
	full := filled(f.message.ProtoReflect().Type())
	strip(full, f.left)
	return full
}

// strip leaves of a message what has a column.
func strip(message proto.Message, left rest) {
	m := message.ProtoReflect()
	for _, field := range left {
		if field.inside == nil {
			m.Clear(field.FieldDescriptor)
		} else if m.Has(field.FieldDescriptor) {
			strip(m.Mutable(field.FieldDescriptor).Message().Interface(), field.inside)
		}
	}
}

func TestVarint(t *testing.T) {
	for _, want := range []uint64{0, 1, 127, 128, 300, 1 << 32, 1<<63 + 5, 1<<64 - 1} {
		encoded := string(protowire.AppendVarint(nil, want))
		if got, n := varint(encoded + "x"); got != want || n != len(encoded) {
			t.Errorf("%d: read %d of %d bytes", want, got, n)
		}
		for cut := range len(encoded) {
			if _, n := varint(encoded[:cut]); n != 0 {
				t.Errorf("%d cut to %d bytes is read", want, cut)
			}
		}
	}
	for _, bad := range []string{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		if _, n := varint(bad); n != 0 {
			t.Errorf("%x is read", bad)
		}
	}
}
