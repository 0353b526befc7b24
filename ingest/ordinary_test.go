package ingest

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// ordinaries are the messages that ordinary reads.
func ordinaries(o *ordinary) map[string]struct {
	message proto.Message
	read    func(string) bool
} {
	var (
		comment kuaishou.WebCommentFeed
		like    kuaishou.WebLikeFeed
		gift    kuaishou.WebGiftFeed
		viewer  kuaishou.WebWatchingUserInfo
	)
	return map[string]struct {
		message proto.Message
		read    func(string) bool
	}{
		"comment": {&comment, func(s string) bool { return o.comment(s, &comment) }},
		"like":    {&like, func(s string) bool { return o.like(s, &like) }},
		"gift":    {&gift, func(s string) bool { return o.gift(s, &gift) }},
		"viewer":  {&viewer, func(s string) bool { return o.viewer(s, &viewer) }},
	}
}

// What ordinary says that it has read is what protobuf reads.
func FuzzOrdinary(f *testing.F) {
	var o ordinary
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
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, one := range ordinaries(&o) {
			if !one.read(string(data)) {
				continue
			}
			want := one.message.ProtoReflect().New().Interface()
			if err := proto.Unmarshal(data, want); err != nil {
				t.Errorf("%s: read what protobuf refuses: %v", name, err)
			} else if !proto.Equal(want, one.message) {
				t.Errorf("%s: read %v, protobuf reads %v", name, one.message, want)
			}
		}
	})
}

// Every field that has a column is read quickly.
func TestOrdinaryReadsColumns(t *testing.T) {
	var o ordinary
	left := map[string]rest{"comment": commentRest, "like": likeRest, "gift": giftRest, "viewer": viewerRest}
	for name, one := range ordinaries(&o) {
		full := filled(one.message.ProtoReflect().Type())
		strip(full, left[name])
		encoded := string(encoded(t, full))
		if !one.read(encoded) {
			t.Errorf("%s: not read: %v", name, full)
		} else if !proto.Equal(full, one.message) {
			t.Errorf("%s: read %v of %v", name, one.message, full)
		}
		for cut := range len(encoded) {
			one.read(encoded[:cut]) // does not panic
		}
	}
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
