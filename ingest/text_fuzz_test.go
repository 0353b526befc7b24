package ingest

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// A counter is exact when it is nothing but digits, and larger by its unit.
func FuzzCount(f *testing.F) {
	for _, text := range []string{"2735", "1.2万", "98.5万", "82.2w", "1.1亿", "50+", "10万+", "184467440737.09551615亿", "-5", "1万2", "\xE4\xB8"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		count, exact := parseCount(text)
		plain, err := strconv.ParseUint(text, 10, 64)
		if exact != (err == nil) || exact && count != plain {
			t.Errorf("%q: %d, exact %v", text, count, exact)
		}
		if spaced, _ := parseCount(" " + text + "\u3000"); spaced != count {
			t.Errorf("%q is %d, with spaces around it %d", text, count, spaced)
		}
		if !exact || count > 1<<30 {
			return
		}
		for _, unit := range countUnits {
			if larger, exact := parseCount(text + unit.name + "+"); larger != count*unit.value || exact {
				t.Errorf("%q is %d, with %s %d", text, count, unit.name, larger)
			}
		}
	})
}

// A merge key's user is the number that it begins with.
func FuzzMergeKey(f *testing.F) {
	for _, key := range []string{"904417733-0-10042-1", "3700112233-kqrM2J2S5Fh7CvbP_1694180000000-9-1", "3700112233-a-b-9-1", "x-0-9-1", "---"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		user := mergeKeyUser(key)
		if user == 0 {
			return
		}
		begin, _, _ := strings.Cut(key, "-")
		if got, err := strconv.ParseUint(begin, 10, 64); err != nil || got != user || strings.Count(key, "-") < 3 {
			t.Errorf("%q: %d", key, user)
		}
	})
}

// The author's name is the beginning of the text, and text is made UTF-8
// without losing what was.
func FuzzText(f *testing.F) {
	for _, text := range []string{"云梅ne： ", "a::", "", "cut \xE4\xBD", "\xFF\xFE", "海兰辰河赞了这个直播👍", "\xE0\x80\x80", "\xED\xA0\x80", "é한ก"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if name := authorName(text); !strings.HasPrefix(text, name) {
			t.Errorf("%q: the name is %q", text, name)
		}
		valid := validText(text)
		if !utf8.ValidString(valid) || utf8.ValidString(text) && valid != text {
			t.Errorf("%q became %q", text, valid)
		}
	})
}
