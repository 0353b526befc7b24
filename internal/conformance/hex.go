package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// message turns bytes as a person writes them into bytes: hexadecimal numbers;
// <name> for a text with its length before it, <now> for a varint; and { … }
// for what is between with its length before it.
func message(written string, texts map[string]string, now uint64) ([]byte, error) {
	groups := [][]byte{nil}
	for word := range strings.FieldsSeq(written) {
		top := len(groups) - 1
		switch {
		case word == "{":
			groups = append(groups, nil)
		case word == "}":
			if top == 0 {
				return nil, fmt.Errorf("in %q a } has no {", written)
			}
			groups[top-1] = protowire.AppendBytes(groups[top-1], groups[top])
			groups = groups[:top]
		case word == "<now>":
			groups[top] = protowire.AppendVarint(groups[top], now)
		case strings.HasPrefix(word, "<"):
			text, ok := texts[strings.Trim(word, "<>")]
			if !ok {
				return nil, fmt.Errorf("in %q nothing is known of %s", written, word)
			}
			groups[top] = protowire.AppendString(groups[top], text)
		default:
			raw, err := hex.DecodeString(word)
			if err != nil {
				return nil, fmt.Errorf("in %q %q is not hexadecimal", written, word)
			}
			groups[top] = append(groups[top], raw...)
		}
	}
	if len(groups) != 1 {
		return nil, fmt.Errorf("in %q a { has no }", written)
	}
	return groups[0], nil
}

// fields are the values of a message by field number, the last one of each:
// numbers, and bytes.
type fields struct {
	numbers map[protowire.Number]uint64
	bytes   map[protowire.Number][]byte
}

// readFields takes a message apart without a schema.
func readFields(data []byte) (fields, error) {
	f := fields{map[protowire.Number]uint64{}, map[protowire.Number][]byte{}}
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return f, protowire.ParseError(n)
		}
		data = data[n:]
		switch kind {
		case protowire.VarintType:
			f.numbers[number], n = protowire.ConsumeVarint(data)
		case protowire.BytesType:
			f.bytes[number], n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return f, protowire.ParseError(n)
		}
		data = data[n:]
	}
	return f, nil
}
