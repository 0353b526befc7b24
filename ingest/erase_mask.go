package ingest

import (
	"bytes"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	kuaishou "kslive/proto"
)

// masker takes a person out of what others sent, in place: each byte of a name or
// an ID becomes an asterisk, or a zero in a number. All keeps its length and its
// form, so that what is around it is decoded as before. One is for one payload.
type masker struct {
	*Person
	rich richAuthor
}

// richAuthor says where in a CommentRichTextMessage the name of its author is: the
// first text among the segments, see readRichText.
type richAuthor int

const (
	richAuthorAhead richAuthor = iota
	richAuthorHere
	richAuthorPassed
)

var (
	richComment     = (*kuaishou.CommentRichTextMessage)(nil).ProtoReflect().Descriptor()
	richSegment     = (*kuaishou.RichTextSegment)(nil).ProtoReflect().Descriptor()
	richTextSegment = (*kuaishou.RichTextSegment_TextSegment)(nil).ProtoReflect().Descriptor()
)

// enters keeps rich up to date; message is that of the field just read.
func (m *masker) enters(message protoreflect.MessageDescriptor, raw []byte) {
	switch message {
	case richComment:
		m.rich = richAuthorAhead
	case richSegment:
		var segment kuaishou.RichTextSegment
		if m.rich == richAuthorHere {
			m.rich = richAuthorPassed
		}
		if m.rich == richAuthorAhead && proto.Unmarshal(raw, &segment) == nil && segment.GetTextSegment() != nil {
			m.rich = richAuthorHere
		}
	}
}

// ofAnother says whether a text names somebody else, or where they are found.
func (m *masker) ofAnother(field protoreflect.FieldDescriptor) bool {
	treatment := treatmentOf(field)
	return treatment == isName || treatment == isAddress ||
		m.rich == richAuthorHere && field.ContainingMessage() == richTextSegment
}

// fields masks the fields of a message; of one that nobody has declared when
// message is nil.
func (m *masker) fields(data []byte, message protoreflect.MessageDescriptor, depth int) {
	fields := fieldReader{rest: data}
	for fields.next() {
		m.field(&fields, message, depth)
	}
	m.text(fields.rest) // where it breaks off
}

func (m *masker) field(fields *fieldReader, message protoreflect.MessageDescriptor, depth int) {
	var field protoreflect.FieldDescriptor
	if message != nil {
		field = fields.declared(message)
	}
	switch {
	case fields.wire == protowire.StartGroupType:
		if depth < maxUnknownDepth {
			m.fields(fields.raw, nil, depth+1)
		}
	case fields.wire != protowire.BytesType:
		m.number(fields)
	case field == nil || field.Kind() == protoreflect.BytesKind:
		m.unknown(fields.raw, depth)
	case field.Kind() == protoreflect.MessageKind:
		m.enters(field.Message(), fields.raw)
		m.fields(fields.raw, field.Message(), depth+1)
	case !m.ofAnother(field):
		m.text(fields.raw)
	}
}

// unknown masks bytes that nobody has declared: text, or fields, or neither.
func (m *masker) unknown(data []byte, depth int) {
	if depth < maxUnknownDepth && !printable(data) && isMessage(data) {
		m.fields(data, nil, depth+1)
		return
	}
	m.text(data)
}

func (m *masker) text(text []byte) {
	for _, mask := range slices.Concat(m.Names, m.IDs) {
		if len(mask) < minRaw && !printable(text) {
			continue
		}
		for rest := text; ; {
			at := bytes.Index(rest, []byte(mask))
			if at < 0 {
				break
			}
			copy(rest[at:], asterisks(mask))
			rest = rest[at+len(mask):]
		}
	}
	for _, decimal := range m.decimals() {
		for from := 0; ; {
			at := bytes.Index(text[from:], []byte(decimal))
			if at < 0 {
				break
			}
			begin, end := from+at, from+at+len(decimal)
			if !digitAt(text, begin-1) && !digitAt(text, end) {
				copy(text[begin:end], strings.Repeat("0", len(decimal)))
			}
			from = begin + 1
		}
	}
}

func digitAt(text []byte, i int) bool {
	return i >= 0 && i < len(text) && text[i] >= '0' && text[i] <= '9'
}

func asterisks(text string) string { return strings.Repeat("*", len(text)) }

// number makes a numeric ID 0, as long as it was.
func (m *masker) number(fields *fieldReader) {
	for _, n := range m.Numbers {
		if fields.value != n || n == 0 {
			continue
		}
		clear(fields.raw)
		if fields.wire == protowire.VarintType {
			for i := range len(fields.raw) - 1 {
				fields.raw[i] = 0x80
			}
		}
	}
}
