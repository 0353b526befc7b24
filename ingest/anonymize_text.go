package ingest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// disguise replaces texts and numbers by others that look alike: of the same
// length in bytes, letters by letters of the same script and case, digits by
// digits. Equal ones become equal ones, for as long as the key is the same, and
// also where they are a part of another: a text is replaced run by run of its
// letters and digits. Not for concurrent use.
//
// The other of a run depends on all of the run and on the key, by HMAC-SHA256.
// So whoever knows what one run stands for knows nothing about any other, and
// whoever has not the key can try no names.
type disguise struct {
	mac hash.Hash
}

func newDisguise(key []byte) *disguise {
	return &disguise{hmac.New(sha256.New, key)}
}

// random is the random numbers that belong to a value, and to which attempt.
func (d *disguise) random(value []byte, attempt byte) *rand.Rand {
	d.mac.Reset()
	_, _ = d.mac.Write([]byte{attempt}) // never fails
	_, _ = d.mac.Write(value)
	var seed [32]byte
	d.mac.Sum(seed[:0])
	return rand.New(rand.NewChaCha8(seed))
}

// text replaces text in place, but for punctuation, spaces and the emoji of the
// player. Each of names within it becomes what it becomes by itself.
func (d *disguise) text(text []byte, names ...string) {
	for i, name := range names {
		before, after, found := strings.Cut(string(text), name)
		if found && name != "" {
			d.text(text[:len(before)], names[i+1:]...)
			d.text(text[len(before) : len(text)-len(after)])
			d.text(text[len(text)-len(after):], names[i:]...)
			return
		}
	}
	for len(text) > 0 {
		n := emojiLength(text)
		if n == 0 {
			class := classAt(text)
			n = runLength(text, class)
			d.run(text[:n], class)
		}
		text = text[n:]
	}
}

// named replaces, in place, names in what somebody says, and whom it mentions: what
// follows an @, up to a space.
func (d *disguise) named(text []byte, names ...string) {
	for i, name := range names {
		before, after, found := strings.Cut(string(text), name)
		if found && name != "" {
			d.named(text[:len(before)], names[i+1:]...)
			d.text(text[len(before) : len(text)-len(after)])
			d.named(text[len(text)-len(after):], names[i:]...)
			return
		}
	}
	for {
		at := strings.IndexAny(string(text), "@＠")
		if at < 0 {
			return
		}
		_, size := utf8.DecodeRune(text[at:])
		text = text[at+size:]
		end := strings.IndexFunc(string(text), unicode.IsSpace)
		if end < 0 {
			end = len(text)
		}
		d.text(text[:end])
		text = text[end:]
	}
}

// address replaces a URL or a path in place, but for the words that all share.
func (d *disguise) address(address []byte) {
	for len(address) > 0 {
		class := classAt(address)
		n := runLength(address, class)
		if !addressWords[string(address[:n])] {
			d.run(address[:n], class)
		}
		address = address[n:]
	}
}

// emojiLength is the length in bytes of the player's emoji that text begins
// with, such as [笑哭]; 0 when it begins with none. What else is in brackets may
// be a name.
func emojiLength(text []byte) int {
	if len(text) == 0 || text[0] != '[' {
		return 0
	}
	end := strings.IndexByte(string(text[:min(len(text), 32)]), ']')
	if end < 0 || !emoji[string(text[1:end])] {
		return 0
	}
	return end + 1
}

// addressWords are in addresses of pictures, and tell nothing about anybody.
var addressWords = map[string]bool{
	"http": true, "https": true, "com": true, "cn": true, "www": true, "jpg": true, "png": true, "webp": true, "gif": true,
	"kuaishou": true, "gifshow": true, "yximgs": true, "uhead": true, "fans": true, "wealth": true, "grade": true,
}

// charClass is the kinds of characters that stand in for each other.
type charClass int

const (
	kept  charClass = iota // punctuation and spaces
	ascii                  // letters and digits
	han                    // of three bytes, and what of three bytes is nothing else
	kana
	hangul
	twoBytes
	fourBytes
	broken // bytes that are no UTF-8
)

func classAt(text []byte) charClass {
	r, size := utf8.DecodeRune(text)
	switch {
	case r == utf8.RuneError && size < 2:
		return broken
	case size == 1 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'):
		return ascii
	case size == 1 || r >= 0x2000 && r < 0x2070 || r >= 0x3000 && r < 0x3020 || r >= 0xFF00 && r < 0xFF10 || unicode.Is(commonPunctuation, r):
		return kept
	case size == 2:
		return twoBytes
	case size == 4:
		return fourBytes
	case unicode.In(r, unicode.Hiragana, unicode.Katakana):
		return kana
	case unicode.Is(unicode.Hangul, r):
		return hangul
	}
	return han
}

// commonPunctuation is that of Chinese comments beyond its own block: ：；？～
var commonPunctuation = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0xFF1A, Hi: 0xFF1B, Stride: 1}, {Lo: 0xFF1F, Hi: 0xFF1F, Stride: 1}, {Lo: 0xFF5E, Hi: 0xFF5E, Stride: 1}}}

// runLength is how many bytes at the beginning of text are of a class.
func runLength(text []byte, class charClass) int {
	_, n := utf8.DecodeRune(text)
	for n < len(text) && classAt(text[n:]) == class && emojiLength(text[n:]) == 0 {
		_, size := utf8.DecodeRune(text[n:])
		n += size
	}
	return n
}

// run replaces a run of one class by another. When there is one, it is not the
// same.
func (d *disguise) run(run []byte, class charClass) {
	if class == kept {
		return
	}
	if class == ascii {
		if number, ok := plainNumber(run); ok {
			strconv.AppendUint(run[:0], d.number(number), 10)
			return
		}
	}
	was := string(run)
	for attempt := byte(1); ; attempt++ { // 0 is for numbers
		random := d.random([]byte(was), attempt)
		for i := 0; i < len(run); {
			_, size := utf8.DecodeRuneInString(was[i:])
			replaceRune(run[i:i+size], was[i], class, random)
			i += size
		}
		if string(run) != was || attempt == 255 {
			return
		}
	}
}

// replaceRune writes a character of the class that is as long as to.
func replaceRune(to []byte, was byte, class charClass, random *rand.Rand) {
	between := func(first, last rune) {
		utf8.EncodeRune(to, first+rune(random.IntN(int(last-first+1))))
	}
	switch class {
	case ascii:
		switch {
		case was <= '9':
			between('0', '9')
		case was <= 'Z':
			between('A', 'Z')
		default:
			between('a', 'z')
		}
	case han:
		between(0x4E00, 0x9FA5)
	case kana:
		between(0x30A2, 0x30F3)
	case hangul:
		between(0xAC00, 0xD7A3)
	case twoBytes:
		between(0x0430, 0x044F)
	case fourBytes:
		between(0x1F400, 0x1F4FF)
	case broken: // a cut character stays one: of three bytes' first, or of the others
		to[0] = 0x80 | byte(random.IntN(0x40))
		if was >= 0xC0 {
			to[0] = 0xE4 | byte(random.IntN(4))
		}
	}
}

// plainNumber reads the digits of a number of our own writing.
func plainNumber(digits []byte) (uint64, bool) {
	if len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(digits), 10, 64)
	return n, err == nil
}

// number is the other of a number: with as many digits, and as long as a varint,
// so that an ID is replaced alike in a text and in a number of its own.
func (d *disguise) number(n uint64) uint64 {
	digits := len(strconv.FormatUint(n, 10))
	first, last := uint64(0), uint64(1<<64-1)
	if n > 0 {
		first = power10(digits - 1)
	}
	if digits < 20 {
		last = power10(digits) - 1
	}
	size := protowire.SizeVarint(n)
	if size > 1 {
		first = max(first, 1<<(7*(size-1)))
	}
	if size < protowire.SizeVarint(1<<64-1) {
		last = min(last, 1<<(7*size)-1)
	}
	if first == last {
		return n
	}
	random := d.random(binary.LittleEndian.AppendUint64(nil, n), 0)
	for {
		if other := first + random.Uint64N(last-first+1); other != n {
			return other
		}
	}
}

// power10 is 10 to the power of n, from 0 to 19.
func power10(n int) uint64 {
	power := uint64(1)
	for range n {
		power *= 10
	}
	return power
}

// mergeKey replaces who sends from <user>-<combo key>-<gift>-<batch size>, and
// leaves what is sent.
func (d *disguise) mergeKey(key []byte) {
	end := len(key)
	for range 2 {
		i := strings.LastIndexByte(string(key[:end]), '-')
		if i < 0 {
			d.text(key)
			return
		}
		if _, ok := plainNumber(key[i+1 : end]); !ok {
			d.text(key)
			return
		}
		end = i
	}
	user, combo, found := strings.Cut(string(key[:end]), "-")
	if !found || combo == "0" { // no combo
		d.text(key[:len(user)])
		return
	}
	d.text(key[:end])
}
