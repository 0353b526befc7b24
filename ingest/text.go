package ingest

import (
	"strconv"
	"strings"
	"unicode/utf8"

	kuaishou "kslive/proto"
)

// validText is s with U+FFFD in place of what is not UTF-8: text that users
// type is cut inside a character now and then. Control characters stay.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// parseCount reads a counter as the player shows it: "2735", "1.2万", "82.2w",
// "1.1亿", "50+". exact is true for plain digits only. What is no counter or
// does not fit is 0 and not exact.
func parseCount(text string) (count uint64, exact bool) {
	if count, err := strconv.ParseUint(text, 10, 64); err == nil {
		return count, true
	}
	number := strings.TrimSuffix(strings.TrimSpace(text), "+")
	unit := uint64(1)
	for suffix, value := range countUnits {
		if rest, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = rest, value
			break
		}
	}
	whole, fraction, _ := strings.Cut(number, ".")
	count, err := strconv.ParseUint(whole, 10, 64)
	if err != nil || count > (1<<64-1)/unit {
		return 0, false
	}
	count *= unit
	for _, digit := range fraction {
		if digit < '0' || digit > '9' {
			return 0, false
		}
		unit /= 10
		more := uint64(digit-'0') * unit
		if count+more < count {
			return 0, false
		}
		count += more
	}
	return count, false
}

var countUnits = map[string]uint64{"万": 1e4, "w": 1e4, "W": 1e4, "亿": 1e8}

// mergeKeyUser is the sender's numeric ID, which a gift's merge key begins
// with: <user>-<combo key>-<gift>-<batch size>. The combo key may itself hold
// dashes. It is 0 when key is not of this form.
func mergeKeyUser(key string) uint64 {
	user, rest, ok := strings.Cut(key, "-")
	if !ok {
		return 0
	}
	for range 2 { // batch size, gift
		i := strings.LastIndexByte(rest, '-')
		if i < 0 {
			return 0
		}
		if _, err := strconv.ParseUint(rest[i+1:], 10, 64); err != nil {
			return 0
		}
		rest = rest[:i]
	}
	id, err := strconv.ParseUint(user, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// The words that the columns have for enum values, by number.
var (
	assistantWords = []string{"", "super", "junior"}
	showWords      = []string{"unknown", "normal", "hidden"}
	styleWords     = []string{
		"", "batch_star_0", "batch_star_1", "batch_star_2", "batch_star_3", "batch_star_4", "batch_star_5", "batch_star_6",
	}
	displayWords = []string{"", "comment", "alert", "toast"}
	coverWords   = []string{"", "normal", "pretty"}
)

// word is the word for an enum's number, or the number itself when it has none.
func word[E ~int32](words []string, number E) string {
	if number >= 0 && int(number) < len(words) {
		return words[number]
	}
	return strconv.Itoa(int(number))
}

// payloadTypeName is the name of a payload type, such as SC_FEED_PUSH; empty
// when it is not known.
func payloadTypeName(t kuaishou.PayloadType) string {
	return kuaishou.PayloadType_name[int32(t)]
}
