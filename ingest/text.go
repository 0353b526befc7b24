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
	if count, rest, ok := leadingDigits(text); ok && rest == "" {
		return count, true
	}
	number, unit := strings.TrimSuffix(strings.TrimSpace(text), "+"), uint64(1)
	for _, suffix := range countUnits {
		if rest, ok := strings.CutSuffix(number, suffix.name); ok {
			number, unit = rest, suffix.value
			break
		}
	}
	count, rest, ok := leadingDigits(number)
	fraction, pointed := strings.CutPrefix(rest, ".")
	if !ok || !pointed && rest != "" || count > (1<<64-1)/unit {
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

// leadingDigits reads the digits that text begins with, and answers what follows
// them. It is false when there are none, or too many for the number.
func leadingDigits(text string) (number uint64, rest string, ok bool) {
	for i := range len(text) {
		digit := uint64(text[i] - '0')
		if digit > 9 {
			return number, text[i:], i > 0
		}
		if number > (1<<64-1-digit)/10 {
			return 0, "", false
		}
		number = number*10 + digit
	}
	return number, "", text != ""
}

var countUnits = []struct {
	name  string
	value uint64
}{{"万", 1e4}, {"w", 1e4}, {"W", 1e4}, {"亿", 1e8}}

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
