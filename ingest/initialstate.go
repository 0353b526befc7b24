package ingest

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
)

var (
	stateAssignment   = regexp.MustCompile(`window\.__INITIAL_STATE__\s*=[^=]`)
	captchaAssignment = regexp.MustCompile(`window\.__CAPTCHA_INFO__\s*=[^=]`)

	errNoState  = errors.New("the page holds no __INITIAL_STATE__")
	errCutState = errors.New("the page's __INITIAL_STATE__ is not a whole object")
)

// initialState returns the JSON of window.__INITIAL_STATE__ in a page. What the
// page holds is a JavaScript expression: an object in which undefined and the
// like may stand for a value, or JSON.parse of a string.
func initialState(page []byte) ([]byte, error) {
	found := stateAssignment.FindIndex(page)
	if found == nil {
		return nil, errNoState
	}
	// The match ends one byte into the expression.
	expression := bytes.TrimLeft(page[found[1]-1:], " \t\r\n")
	if argument, ok := bytes.CutPrefix(expression, []byte("JSON.parse(")); ok {
		return parsedString(bytes.TrimLeft(argument, " \t\r\n"))
	}
	return objectLiteral(expression)
}

// parsedString undoes the quoting of the string literal that src begins with.
func parsedString(src []byte) ([]byte, error) {
	n := stringLength(src)
	if n == 0 {
		return nil, errCutState
	}
	var text string
	if err := json.Unmarshal(jsonString(src[:n]), &text); err != nil {
		return nil, errCutState
	}
	return []byte(text), nil
}

// jsonString turns a JavaScript string literal, which ends in the quote that it
// began with, into one of JSON.
func jsonString(literal []byte) []byte {
	quoted := []byte{'"'}
	inner := literal[1 : len(literal)-1]
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		if c == '"' {
			quoted = append(quoted, '\\', '"')
			continue
		}
		if c != '\\' {
			quoted = append(quoted, c)
			continue
		}
		i++ // a backslash is never last: it would have escaped the closing quote
		switch inner[i] {
		case '\'':
			quoted = append(quoted, '\'')
		case 'x':
			quoted = append(quoted, `\u00`...)
		default:
			quoted = append(quoted, '\\', inner[i])
		}
	}
	return append(quoted, '"')
}

// objectLiteral copies the object that src begins with up to its closing brace,
// with null for every bare word that JSON does not know, such as undefined.
func objectLiteral(src []byte) ([]byte, error) {
	if len(src) == 0 || src[0] != '{' {
		return nil, errCutState
	}
	object := make([]byte, 0, min(len(src), 64<<10))
	depth := 0
	for i := 0; i < len(src); {
		switch c := src[i]; {
		case c == '"' || c == '\'':
			n := stringLength(src[i:])
			if n == 0 {
				return nil, errCutState
			}
			object = append(object, jsonString(src[i:i+n])...)
			i += n
		case isWordByte(c):
			n := wordLength(src[i:])
			object = append(object, knownWord(src[i:i+n])...)
			i += n
		default:
			object = append(object, c)
			i++
			switch c {
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			if depth == 0 {
				return object, nil
			}
		}
	}
	return nil, errCutState
}

// stringLength returns the length of the string literal that src begins with,
// quotes included, or 0 when there is none that ends.
func stringLength(src []byte) int {
	if len(src) == 0 || (src[0] != '"' && src[0] != '\'') {
		return 0
	}
	for i := 1; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case src[0]:
			return i + 1
		}
	}
	return 0
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '_' || c == '$' || c == '.' || c == '+' || c == '-'
}

func wordLength(src []byte) int {
	for i, c := range src {
		if !isWordByte(c) {
			return i
		}
	}
	return len(src)
}

func knownWord(word []byte) []byte {
	switch string(word) {
	case "true", "false", "null":
		return word
	}
	if c := word[0]; c == '-' && len(word) > 1 && word[1] != 'I' || c >= '0' && c <= '9' {
		return word // a number; JSON judges its form
	}
	return []byte("null")
}
