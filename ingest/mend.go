package ingest

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// mend reads into m what can be read of a message that protobuf refuses as a
// whole: a field whose content is not what m declares becomes an unknown field,
// as one with another wire type does. Senders disagree on what some fields are.
// It is false when the fields cannot be told apart. No message holds itself, so
// it goes no deeper than the .proto.
func mend(m protoreflect.Message, data []byte) bool {
	proto.Reset(m.Interface())
	fields := fieldReader{rest: data}
	for fields.next() {
		one := m.New()
		if proto.Unmarshal(fields.whole, one.Interface()) != nil {
			one = m.New() // without what was read until it failed
			if !mendField(one, fields) {
				one.SetUnknown(fields.whole)
			}
		}
		proto.Merge(m.Interface(), one.Interface())
	}
	return fields.err == nil
}

// mendField mends the message in the field just read into that field of m. It
// leaves m as it is when there is no message, or none to be mended.
func mendField(m protoreflect.Message, read fieldReader) bool {
	field := read.declared(m.Descriptor())
	if field == nil || field.Kind() != protoreflect.MessageKind {
		return false
	}
	var value protoreflect.Value
	if field.IsList() {
		value = m.NewField(field).List().NewElement()
	} else {
		value = m.NewField(field)
	}
	if !mend(value.Message(), read.raw) {
		return false
	}
	if field.IsList() {
		m.Mutable(field).List().Append(value)
	} else {
		m.Set(field, value)
	}
	return true
}
