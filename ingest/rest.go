package ingest

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

type (
	names  = []protoreflect.Name
	partly = map[protoreflect.Name]columns
)

// columns names the fields of a message that stand in columns of its row.
type columns struct {
	plain  names
	clocks names  // as times, where timeOf knows one
	inside partly // not all of the message in that field
}

// rest is what of a message stands in no column and goes into other_fields: no
// field is left out because nobody thought of a column for it.
type rest []restField

type restField struct {
	protoreflect.FieldDescriptor
	clock  bool // a column has it when timeOf does
	inside rest // of the message in it; nil: all of it
}

// restOf is what of a message is not in columns.
func restOf[M proto.Message](in columns) rest { return in.rest(typeOf[M]().Descriptor()) }

func (in columns) rest(message protoreflect.MessageDescriptor) rest {
	left := rest{}
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		inside, parted := in.inside[field.Name()]
		switch {
		case slices.Contains(in.plain, field.Name()):
		case parted:
			left = append(left, restField{FieldDescriptor: field, inside: inside.rest(field.Message())})
		default:
			left = append(left, restField{FieldDescriptor: field, clock: slices.Contains(in.clocks, field.Name())})
		}
	}
	return left
}

// append appends m's rest as JSON, of the form that appendMessageJSON has: "{}"
// when there is none. Unknown fields are a part of it.
func (r rest) append(b []byte, m protoreflect.Message) []byte {
	unknown := unknownByNumber(m.GetUnknown())
	b = append(b, '{')
	for _, field := range r { // in the order of their numbers
		for len(unknown) > 0 && unknown[0].number < field.Number() {
			b, unknown = appendUnknownJSON(b, unknown[0]), unknown[1:]
		}
		if !m.Has(field.FieldDescriptor) {
			continue
		}
		value, begin := m.Get(field.FieldDescriptor), len(b)
		switch {
		case field.clock && !timeOf(value.Uint()).IsZero():
		case field.inside == nil:
			b = appendKey(b, field.JSONName())
			b = appendFieldJSON(b, field.FieldDescriptor, value)
		default:
			b = appendKey(b, field.JSONName())
			inner := len(b)
			if b = field.inside.append(b, value.Message()); len(b) == inner+len("{}") {
				b = b[:begin]
			}
		}
	}
	for _, field := range unknown {
		b = appendUnknownJSON(b, field)
	}
	return append(b, '}')
}

// without is r but for one field.
func without(r rest, name protoreflect.Name) rest {
	return slices.DeleteFunc(slices.Clone(r), func(field restField) bool { return field.Name() == name })
}
