package ingest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// wireSamples is a field with each wire type.
func wireSamples(number protowire.Number) map[protowire.Type][]byte {
	tag := func(wire protowire.Type) []byte { return protowire.AppendTag(nil, number, wire) }
	return map[protowire.Type][]byte{
		protowire.VarintType:     protowire.AppendVarint(tag(protowire.VarintType), 1<<63),
		protowire.Fixed32Type:    protowire.AppendFixed32(tag(protowire.Fixed32Type), 1<<31),
		protowire.Fixed64Type:    protowire.AppendFixed64(tag(protowire.Fixed64Type), 1<<63),
		protowire.BytesType:      protowire.AppendBytes(tag(protowire.BytesType), []byte{0xFF, 0xFF}),
		protowire.StartGroupType: protowire.AppendGroup(tag(protowire.StartGroupType), number, []byte{0x08, 0x01}),
	}
}

// Every field of every message, wherever it can stand, may arrive with any
// other wire type: it is an unknown field then, which is kept in JSON, and what is
// around it is decoded as if it were not there.
func TestWrongWireTypes(t *testing.T) {
	tried := 0
	for kind, root := range messageOf() {
		switch kind {
		case kuaishou.PayloadType_CS_HEARTBEAT, kuaishou.PayloadType_CS_ENTER_ROOM, kuaishou.PayloadType_CS_USER_EXIT:
			continue // not looked at
		}
		var visit func(message protoreflect.MessageDescriptor, wrap func([]byte) []byte)
		visit = func(message protoreflect.MessageDescriptor, wrap func([]byte) []byte) {
			clean := decoded(sampleFrame(t, kind, wrap(nil)))
			for i := range message.Fields().Len() {
				field := message.Fields().Get(i)
				for wire, sample := range wireSamples(field.Number()) {
					packed := field.IsList() && wire == protowire.BytesType && wireType(field.Kind()) == protowire.VarintType
					if wire == wireType(field.Kind()) || packed {
						continue
					}
					tried++
					checkTolerated(t, clean, kind, field, sampleFrame(t, kind, wrap(sample)))
				}
				if field.Kind() == protoreflect.MessageKind {
					visit(field.Message(), func(inner []byte) []byte { return wrap(nested(field.Number(), inner)) })
				}
			}
		}
		visit(root.Descriptor(), func(inner []byte) []byte { return inner })
	}
	if tried < 1000 {
		t.Errorf("only %d fields were tried", tried)
	}
}

// checkTolerated decodes a frame in which one field has the wrong wire type and
// compares the numbers of its rows with those of the frame without the field.
func checkTolerated(t *testing.T, clean *schema.Batch, kind kuaishou.PayloadType, field protoreflect.FieldDescriptor, frame *kuaishou.Frame) {
	t.Helper()
	reported := make(map[string]int)
	var batch schema.Batch
	NewDecoder(func(u UnknownField) { reported[fmt.Sprint(u.Message, ".", u.Number)]++ }).Decode(frame, 0, &batch)
	name := messageName(field.ContainingMessage())
	if want := fmt.Sprint(name, ".", field.Number()); len(reported) != 1 || reported[want] != 1 {
		t.Errorf("%v, %s: reported %v", kind, field.FullName(), reported)
	}
	// What stands beside feeds becomes a row of its own.
	rows, undecoded := clean.Len(), 0
	switch name {
	case "SCActionSignal":
		rows, undecoded = rows+1, 1
	case "SCWebFeedPush", "SCWebLiveWatchingUsers", "SCWebCurrentRedPackFeed", "SCCommentZoneRichText":
		rows++
	}
	if batch.Len() != rows || len(batch.Undecoded) != undecoded {
		t.Errorf("%v, %s: rows are %s", kind, field.FullName(), rowsJSON(t, &batch))
	}
	key := fmt.Sprintf(`\"?%d\":`, field.Number())
	hasRow := kind != kuaishou.PayloadType_SC_HEARTBEAT_ACK && undecoded == 0
	if hasRow && !strings.Contains(string(rowsJSON(t, &batch)), key) {
		t.Errorf("%v, %s: lost from %s", kind, field.FullName(), rowsJSON(t, &batch))
	}
}

// The same in the envelope, where a payload or its type may be missing then.
func TestWrongWireTypesInEnvelope(t *testing.T) {
	declared := (&kuaishou.SocketMessage{}).ProtoReflect().Descriptor().Fields()
	for i := range declared.Len() {
		for wire, sample := range wireSamples(declared.Get(i).Number()) {
			if wire == wireType(declared.Get(i).Kind()) {
				continue
			}
			frame := sampleFrame(t, kuaishou.PayloadType_SC_FEED_PUSH, twinsSample(t))
			want := decoded(frame)
			frame.Data = append(sample, frame.Data...)
			got := decoded(frame)
			last := len(got.RoomEvents) - 1
			if last < 0 || got.RoomEvents[last].Part != "envelope" {
				t.Errorf("%s with wire type %d: lost from %s", declared.Get(i).Name(), wire, rowsJSON(t, got))
				continue
			}
			if got.RoomEvents = got.RoomEvents[:last]; string(rowsJSON(t, got)) != string(rowsJSON(t, want)) {
				t.Errorf("%s with wire type %d: rows are %s", declared.Get(i).Name(), wire, rowsJSON(t, got))
			}
			decoded(frameOf(sample))
		}
	}
}

// Numbers that do not fit are cut as protobuf cuts them, those of unknown enum values
// too, and make the rows that what is left of them makes: see TestEveryFieldLands.
func TestNumbersAreCut(t *testing.T) {
	messages := parseProtocol(t)
	for _, test := range protocolRows {
		filler := protocolFiller{messages: messages}
		payload := filler.payload(test.message, test.field)
		root := messageOf()[test.kind].Descriptor()
		var rows [2][]byte
		for i, data := range [][]byte{payload, widened(payload, root)} {
			batch := decoded(sampleFrame(t, test.kind, data))
			for all := range batch.All() {
				for i := range all.Len() {
					all.Event(i).EventID = 0 // of other bytes
				}
			}
			rows[i] = rowsJSON(t, batch)
		}
		if diff := cmp.Diff(string(rows[0]), string(rows[1])); diff != "" {
			t.Errorf("%d.%d %s (-want +got)\n%s", test.kind, test.field, test.message, diff)
		}
	}
}

// widened is an encoded message with numbers of more than 32 bits wherever these are
// declared, which are the same when they are cut. A bool is true still.
func widened(data []byte, message protoreflect.MessageDescriptor) (wide []byte) {
	const more = 1 << 40
	for fields := (fieldReader{rest: data}); fields.next(); {
		wide = protowire.AppendTag(wide, fields.number, fields.wire)
		field := fields.declared(message)
		switch {
		case field == nil:
			wide = append(wide, fields.encoded...)
		case field.Kind() == protoreflect.MessageKind:
			wide = protowire.AppendBytes(wide, widened(fields.raw, field.Message()))
		case field.Kind() == protoreflect.Uint32Kind, field.Kind() == protoreflect.EnumKind:
			wide = protowire.AppendVarint(wide, fields.value|more)
		case field.Kind() == protoreflect.BoolKind:
			wide = protowire.AppendVarint(wide, more)
		default:
			wide = append(wide, fields.encoded...)
		}
	}
	return wide
}

// The largest number is one wherever there is a number.
func TestLargestNumbers(t *testing.T) {
	for kind, root := range messageOf() {
		var payload []byte
		for i := range root.Descriptor().Fields().Len() {
			field := root.Descriptor().Fields().Get(i)
			if wireType(field.Kind()) == protowire.VarintType {
				payload = protowire.AppendVarint(protowire.AppendTag(payload, field.Number(), protowire.VarintType), 1<<64-1)
			}
		}
		if batch := decoded(sampleFrame(t, kind, payload)); len(batch.Undecoded) > 0 {
			t.Errorf("%v: rows are %s", kind, rowsJSON(t, batch))
		}
	}
}
