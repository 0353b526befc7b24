package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// looseValue reads JSON whose shape nobody promises: a field that is not there,
// or is of another type than expected, reads as the zero value.
type looseValue struct{ any }

func parseLoose(data []byte) (looseValue, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return looseValue{}, fmt.Errorf("reading JSON: %w", err)
	}
	return looseValue{v}, nil
}

// at goes down the fields of path.
func (v looseValue) at(path ...string) looseValue {
	for _, name := range path {
		fields, _ := v.any.(map[string]any)
		v = looseValue{fields[name]}
	}
	return v
}

// list returns the elements of an array.
func (v looseValue) list() []looseValue {
	elements, _ := v.any.([]any)
	list := make([]looseValue, len(elements))
	for i, element := range elements {
		list[i] = looseValue{element}
	}
	return list
}

// text returns a string, or a number's digits.
func (v looseValue) text() string {
	switch v := v.any.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// json returns v as JSON again.
func (v looseValue) json() []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v.any) // what was read from JSON can be written
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// number returns a whole number, also one that was sent as a string.
func (v looseValue) number() int {
	n, err := strconv.Atoi(v.text())
	if err != nil {
		return 0
	}
	return n
}

func (v looseValue) truth() bool {
	truth, _ := v.any.(bool)
	return truth
}

// filled says whether v is an object with at least one field.
func (v looseValue) filled() bool {
	fields, _ := v.any.(map[string]any)
	return len(fields) > 0
}
