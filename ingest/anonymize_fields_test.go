package ingest

import (
	"maps"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Every message that is decoded is known to the anonymizer, and the fields that
// its tables name are there.
func TestAnonymizeKnowsTheMessages(t *testing.T) {
	fields := make(map[protoreflect.Name]bool)
	var visit func(protoreflect.MessageDescriptor)
	visit = func(message protoreflect.MessageDescriptor) {
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			fields[field.Name()] = true
			if field.Kind() == protoreflect.MessageKind {
				visit(field.Message())
			}
		}
	}
	for kind, message := range messageOf() {
		if got := payloadMessage(kind); got != message.Descriptor() {
			t.Errorf("%v is taken for %v", kind, got)
		}
		visit(message.Descriptor())
	}
	for name := range maps.Keys(publicFields) {
		if !fields[name] || otherFields[name] != replace {
			t.Errorf("%s is no field, or in both tables", name)
		}
	}
	for name := range maps.Keys(otherFields) {
		if !fields[name] {
			t.Errorf("%s is no field", name)
		}
	}
}
