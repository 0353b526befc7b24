package ingest

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	kuaishou "kslive/proto"
)

// validText is s with U+FFFD in place of what is not UTF-8: text that users
// type is cut inside a character now and then. Control characters stay.
func validText(s string) string {
	if isValid(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// isValid is utf8.ValidString, faster where s is short and Chinese.
func isValid(s string) bool { return isPlain(s) || utf8.ValidString(s) }

// isPlain says whether s is nothing but ASCII and characters of three bytes, such as
// Chinese ones, that do not begin with E0 or ED, which forbid some second bytes; nor
// with E1 or EC, which are left out for the sake of a shorter question. It looks at
// eight bytes at once. Of what they are it asks only whether all are ASCII, as more
// than half are: IDs, hashes and lengths come in the same places each time, and a
// processor foretells them.
func isPlain(s string) bool {
	const top = 0x8080808080808080
	var bad uint64
	var due uint64 // those of the next bytes that continue a character: their top bit
	for at := 0; at < len(s); at += 8 {
		var w uint64
		switch left := len(s) - at; {
		case left >= 8:
			w = load8(s[at:])
		case len(s) >= 8: // the end, and 0 behind it
			w = load8(s[len(s)-8:]) >> (8 * (8 - left) & 63)
		default:
			w = loadShort(s)
		}
		if w&top|due == 0 {
			continue
		}
		// Of each byte the top bit counts, into which others of it are shifted.
		lead := w & (w << 1) & top                                 // 11......
		bad |= lead &^ (w << 2 &^ (w << 3) & (w<<4 ^ w<<5 | w<<6)) // of two or four bytes, 1110000. or 1110110.
		bad |= w&top ^ lead ^ (due | lead<<8 | lead<<16)           // 10...... where none is due, or the reverse
		due = lead>>56 | lead>>48
	}
	return bad|due == 0
}

// loadShort are the bytes of s, fewer than eight: the first lowest, and 0 behind the
// end.
func loadShort(s string) uint64 {
	if n := len(s); n >= 4 { // two halves that overlap
		return uint64(load4(s)) | uint64(load4(s[n-4:]))<<(8*(n-4)&63)
	}
	w := uint64(0)
	for i := len(s) - 1; i >= 0; i-- {
		w = w<<8 | uint64(s[i])
	}
	return w
}

func load8(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func load4(s string) uint32 {
	_ = s[3]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// parseCount reads a counter as the player shows it: "2735", "1.2万", "82.2w",
// "1.1亿", "50+". exact is true for plain digits only. What is no counter or
// does not fit is 0 and not exact.
func parseCount(text string) (count uint64, exact bool) {
	if count, ok := digits(text); ok {
		return count, true
	}
	number, unit := cutUnit(text)
	if unit > 1 {
		number = strings.TrimLeftFunc(number, unicode.IsSpace)
	} else {
		number, unit = cutUnit(strings.TrimSuffix(strings.TrimSpace(text), "+"))
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

// digits reads text that is nothing but digits; else it is 0 and false.
func digits(text string) (number uint64, ok bool) {
	number, rest, ok := leadingDigits(text)
	if rest != "" || !ok {
		return 0, false
	}
	return number, true
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

// cutUnit is what stands before the unit that text ends with; the unit is 1 when there
// is none.
func cutUnit(text string) (number string, unit uint64) {
	for _, suffix := range countUnits {
		if number, ok := strings.CutSuffix(text, suffix.name); ok {
			return number, suffix.value
		}
	}
	return text, 1
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
		if _, ok := digits(rest[i+1:]); !ok {
			return 0
		}
		rest = rest[:i]
	}
	id, _ := digits(user)
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
