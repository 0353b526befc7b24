package main

import (
	"errors"
	"strings"
)

// splitCommand splits a command line at spaces into a program and its arguments.
// What stands between two quotes of a kind, single or double, belongs together;
// nothing else is special, backslashes neither.
func splitCommand(line string) (words []string, err error) {
	var word strings.Builder
	quote, begun := rune(0), false
	for _, r := range line {
		switch {
		case r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, begun = r, true
		case quote == 0 && strings.ContainsRune(" \t\r\n", r):
			if begun {
				words = append(words, word.String())
				word.Reset()
			}
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 {
		return nil, errors.New("a quote is opened and not closed")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
