package ingest

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// UnknownField is a field met inside a known message that does not declare it.
type UnknownField struct {
	Message string // its name, without the package
	Number  int32
	Raw     []byte // the field's encoding without its tag; valid during the call only
}

// unknownFields finds the unknown fields of messages, those inside of them
// included: a protocol change shows there first.
type unknownFields struct {
	report func(UnknownField)
	// The fields of each message type that hold messages.
	nested map[protoreflect.FullName][]protoreflect.FieldDescriptor
}

func (u *unknownFields) visit(m protoreflect.Message) {
	descriptor := m.Descriptor()
	for fields := (fieldReader{rest: m.GetUnknown()}); fields.next(); {
		u.report(UnknownField{messageName(descriptor), int32(fields.number), fields.encoded})
	}
	for _, field := range u.nestedOf(descriptor) {
		switch {
		case !m.Has(field):
		case field.IsList():
			list := m.Get(field).List()
			for i := range list.Len() {
				u.visit(list.Get(i).Message())
			}
		default:
			u.visit(m.Get(field).Message())
		}
	}
}

func (u *unknownFields) nestedOf(message protoreflect.MessageDescriptor) []protoreflect.FieldDescriptor {
	nested, ok := u.nested[message.FullName()]
	if ok {
		return nested
	}
	for i := range message.Fields().Len() {
		if field := message.Fields().Get(i); field.Kind() == protoreflect.MessageKind {
			nested = append(nested, field)
		}
	}
	u.nested[message.FullName()] = nested
	return nested
}

// messageName is a message's name without the package: WebLikeFeed, or
// RichTextSegment.IconSegment.
func messageName(message protoreflect.MessageDescriptor) string {
	return strings.TrimPrefix(string(message.FullName()), string(message.ParentFile().Package())+".")
}
