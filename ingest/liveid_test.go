package ingest

import (
	"errors"
	"strings"
	"testing"
)

func TestParseLiveID(t *testing.T) {
	const id = "3xabcdefgh23456"
	for _, test := range []struct{ in, want string }{
		{id, id},
		{"KPL704668133", "KPL704668133"},
		{"xinghe666", "xinghe666"},
		{"a_b-c", "a_b-c"},
		{"  " + id + "\r\n", id},
		{"https://live.kuaishou.com/u/" + id, id},
		{"http://live.kuaishou.com/u/" + id + "/", id},
		{"https://LIVE.kuaishou.com/u/" + id + "?a=b#c", id},
		{"https://live.kuaishou.com/u/" + id + "/3xphoto", id},
		{"live.kuaishou.com/u/" + id, id},
		{"https://live.kuaishou.com/profile/" + id, id},
		{"https://www.kuaishou.com/profile/" + id, id},
		{"https://livev.m.chenzhongtech.com/fw/live/" + id + "?shareToken=x&kpn=y", id},
		{"https://m.gifshow.com/fw/live/" + id, id},
		{"https://v.m.chenzhongtech.com/fw/photo/" + id, id},
	} {
		got, err := ParseLiveID(test.in)
		if err != nil || got != test.want {
			t.Errorf("ParseLiveID(%q) = %q, %v; want %q", test.in, got, err, test.want)
		}
	}
}

func TestParseLiveIDRefuses(t *testing.T) {
	for _, in := range []string{
		"", "   ", "ab", "../etc", "3x abc", "直播", strings.Repeat("a", 65),
		"https://example.com/u/3xabcdefgh23456",
		"https://kuaishou.com.example.com/u/3xabcdefgh23456",
		"https://notkuaishou.com/u/3xabcdefgh23456",
		"https://live.kuaishou.com/", "https://live.kuaishou.com/u/", "https://live.kuaishou.com/u/a%2Fb",
		"ftp://live.kuaishou.com/u/3xabcdefgh23456", "https://", "://", "https://live.kuaishou.com/%zz",
	} {
		got, err := ParseLiveID(in)
		if err == nil {
			t.Errorf("ParseLiveID(%q) = %q, want an error", in, got)
			continue
		}
		if !strings.Contains(err.Error(), "https://live.kuaishou.com/u/<id>") {
			t.Errorf("ParseLiveID(%q): %v; does not say what is accepted", in, err)
		}
	}
	for _, in := range []string{"https://v.kuaishou.com/aBcD12", "v.kuaishou.com/aBcD12"} {
		if _, err := ParseLiveID(in); !errors.Is(err, ErrShortLink) {
			t.Errorf("ParseLiveID(%q): %v, want ErrShortLink", in, err)
		}
	}
}

func FuzzParseLiveID(f *testing.F) {
	for _, seed := range []string{
		"3xabcdefgh23456", "https://live.kuaishou.com/u/3xabcdefgh23456", "v.kuaishou.com/x",
		"https://livev.m.chenzhongtech.com/fw/live/3xabcdefgh23456?a=b", "\xff", "u/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseLiveID(s)
		if err != nil {
			if len(err.Error()) > 4096 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			return
		}
		// What is accepted is an ID itself, safe to put into a path.
		if again, err := ParseLiveID(id); err != nil || again != id {
			t.Errorf("ParseLiveID(%q) = %q, which parses to %q, %v", s, id, again, err)
		}
	})
}
