package ingest

import (
	"encoding/base64"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// appendMessageJSON appends m as JSON: names in lowerCamelCase, in the order of
// field numbers, without defaults; enums by name, 64-bit integers as numbers,
// bytes in base64. Unknown fields stand in their place as "?<number>": numbers
// as numbers, bytes as text where they are printable, else in base64. It goes
// as deep as the declared messages do; none of them can hold itself.
func appendMessageJSON(b []byte, m protoreflect.Message) []byte {
	unknown := unknownByNumber(m.GetUnknown())
	declared := m.Descriptor().Fields()
	b = append(b, '{')
	for i := range declared.Len() { // declared in the order of their numbers
		field := declared.Get(i)
		for len(unknown) > 0 && unknown[0].number < field.Number() {
			b, unknown = appendUnknownJSON(b, unknown[0]), unknown[1:]
		}
		if m.Has(field) {
			b = appendKey(b, field.JSONName())
			b = appendFieldJSON(b, field, m.Get(field))
		}
	}
	for _, field := range unknown {
		b = appendUnknownJSON(b, field)
	}
	return append(b, '}')
}

func appendFieldJSON(b []byte, field protoreflect.FieldDescriptor, value protoreflect.Value) []byte {
	if !field.IsList() {
		return appendValueJSON(b, field, value)
	}
	b = append(b, '[')
	for i := range value.List().Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValueJSON(b, field, value.List().Get(i))
	}
	return append(b, ']')
}

func appendValueJSON(b []byte, field protoreflect.FieldDescriptor, value protoreflect.Value) []byte {
	switch field.Kind() {
	case protoreflect.MessageKind:
		return appendMessageJSON(b, value.Message())
	case protoreflect.StringKind:
		return appendText(b, value.String())
	case protoreflect.BytesKind:
		return appendBase64(b, value.Bytes())
	case protoreflect.BoolKind:
		return strconv.AppendBool(b, value.Bool())
	case protoreflect.EnumKind:
		if known := field.Enum().Values().ByNumber(value.Enum()); known != nil {
			return appendText(b, string(known.Name()))
		}
		return strconv.AppendInt(b, int64(value.Enum()), 10)
	default: // integers: the protocol has no floating-point numbers
		return append(b, value.String()...)
	}
}

// unknownField is all that a message held under one unknown number.
type unknownField struct {
	number protowire.Number
	values []fieldReader
}

func unknownByNumber(unknown []byte) []unknownField {
	if len(unknown) == 0 {
		return nil
	}
	var all []unknownField
	index := make(map[protowire.Number]int)
	for fields := (fieldReader{rest: unknown}); fields.next(); {
		i, ok := index[fields.number]
		if !ok {
			i = len(all)
			index[fields.number] = i
			all = append(all, unknownField{number: fields.number})
		}
		all[i].values = append(all[i].values, fields)
	}
	slices.SortFunc(all, func(a, b unknownField) int { return int(a.number - b.number) })
	return all
}

func appendUnknownJSON(b []byte, field unknownField) []byte {
	b = appendKey(b, unknownName(field.number))
	if len(field.values) == 1 {
		return appendWireJSON(b, field.values[0])
	}
	b = append(b, '[')
	for i, value := range field.values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendWireJSON(b, value)
	}
	return append(b, ']')
}

func appendWireJSON(b []byte, field fieldReader) []byte {
	switch {
	case field.wire == protowire.BytesType && printable(field.raw):
		return appendText(b, string(field.raw))
	case field.wire == protowire.BytesType || field.wire == protowire.StartGroupType:
		return appendBase64(b, field.raw)
	default:
		return strconv.AppendUint(b, field.value, 10)
	}
}

// unknownName is how an unknown field is called in JSON and in undecoded.part.
func unknownName(number protowire.Number) string {
	return "?" + strconv.Itoa(int(number))
}

func printable(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	for _, r := range string(text) {
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
	}
	return true
}

// appendKey appends a name and its colon, after a comma unless it is the first.
func appendKey(b []byte, name string) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(appendText(b, name), ':')
}

// appendText appends s as a JSON string of valid UTF-8.
func appendText(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	s = validText(s)
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func appendBase64(b, data []byte) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, data)
	return append(b, '"')
}
