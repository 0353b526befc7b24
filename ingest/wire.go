package ingest

import (
	"errors"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What can be wrong with bytes that should be fields. The texts end up in the
// undecoded table; protobuf's own differ from one build to the next.
var (
	errCutOff    = errors.New("message is cut off")
	errMalformed = errors.New("message has an impossible field number, wire type or length")
)

// fieldReader reads the fields of one encoded message one after the other,
// without knowing what they mean. Nothing is copied.
type fieldReader struct {
	rest []byte // not read yet; from the broken field on when err is set
	err  error

	number  protowire.Number
	wire    protowire.Type
	value   uint64 // of a number
	raw     []byte // content of bytes or a group; encoding of a number
	encoded []byte // all that comes after the tag
	whole   []byte // the tag and encoded
}

// next reads a field and reports whether there was one.
func (r *fieldReader) next() bool {
	if len(r.rest) == 0 {
		return false
	}
	number, wire, tag := protowire.Number(r.rest[0]>>3), protowire.Type(r.rest[0]&7), 1
	if r.rest[0] >= 0x80 || number == 0 { // as a rule a tag is one byte
		if number, wire, tag = protowire.ConsumeTag(r.rest); tag < 0 {
			return r.fail(tag)
		}
	}
	if number > protowire.MaxValidNumber { // ConsumeTag lets it pass
		r.err = errMalformed
		return false
	}
	encoded := r.rest[tag:]
	var size int
	switch wire {
	case protowire.VarintType:
		r.value, size = protowire.ConsumeVarint(encoded)
	case protowire.BytesType:
		if len(encoded) > 0 && encoded[0] < 0x80 && int(encoded[0]) < len(encoded) { // and so is a length
			size = 1 + int(encoded[0])
			r.raw = encoded[1:size]
		} else {
			r.raw, size = protowire.ConsumeBytes(encoded)
		}
	case protowire.StartGroupType:
		r.raw, size = protowire.ConsumeGroup(number, encoded)
	case protowire.Fixed32Type:
		var value uint32
		value, size = protowire.ConsumeFixed32(encoded)
		r.value = uint64(value)
	case protowire.Fixed64Type:
		r.value, size = protowire.ConsumeFixed64(encoded)
	default: // says what is wrong with it
		size = min(-1, protowire.ConsumeFieldValue(number, wire, encoded))
	}
	if size < 0 {
		return r.fail(size)
	}
	if wire != protowire.BytesType && wire != protowire.StartGroupType {
		r.raw = encoded[:size]
	}
	r.number, r.wire = number, wire
	r.encoded, r.whole, r.rest = encoded[:size], r.rest[:tag+size], encoded[size:]
	return true
}

func (r *fieldReader) fail(code int) bool {
	r.err = errMalformed
	if errors.Is(protowire.ParseError(code), io.ErrUnexpectedEOF) {
		r.err = errCutOff
	}
	return false
}

// is reports whether the field just read has this number and wire type. The
// same number with another wire type is another, unknown field.
func (r *fieldReader) is(number protowire.Number, wire protowire.Type) bool {
	return r.number == number && r.wire == wire
}

// tag is what the field just read begins with.
func (r *fieldReader) tag() uint64 { return uint64(r.number)<<3 | uint64(r.wire) }

// declared finds the field just read in message, nil when it is not there or
// there with another wire type.
func (r *fieldReader) declared(message protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	field := message.Fields().ByNumber(r.number)
	if field == nil || r.wire != wireType(field.Kind()) {
		return nil
	}
	return field
}

// partNames are the names of the fields of a payload's message.
type partNames struct {
	protoreflect.MessageType
	fields []partName // by number
}

type partName struct {
	name string
	wire protowire.Type
}

func partNamesOf[M proto.Message]() *partNames {
	p := &partNames{MessageType: typeOf[M]()}
	declared := p.Descriptor().Fields()
	for i := range declared.Len() {
		field := declared.Get(i) // in the order of their numbers
		p.fields = append(p.fields, make([]partName, int(field.Number())+1-len(p.fields))...)
		p.fields[field.Number()] = partName{string(field.Name()), wireType(field.Kind())}
	}
	return p
}

// of is the name of the field just read; empty where declared would say nil.
func (p *partNames) of(r *fieldReader) string {
	if int(r.number) < len(p.fields) && p.fields[r.number].wire == r.wire {
		return p.fields[r.number].name
	}
	return ""
}

// wireType is how a single value of a kind is encoded.
func wireType(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	default:
		return protowire.VarintType
	}
}
