package ingest

import (
	"strings"
	"testing"
	"time"
)

func TestParseAccounts(t *testing.T) {
	specs, err := parseAccounts([]byte(`
		[[account]]
		name = "main"
		cookie_file = "main.txt"
		[[account]]
		name = "二号"
		cookie = "a=b"
		proxy = "socks5h://user:secret@proxy.example:1080"
		rate = 0.5
		[[account]]
		name = "no-cookies"
		proxy = "http://proxy.example"
		rate = 2
	`), "/etc/ingest")
	if err != nil {
		t.Fatal(err)
	}
	want := []accountSpec{
		{name: "main", file: "/etc/ingest/main.txt", interval: time.Second},
		{name: "二号", cookies: "a=b", proxy: "socks5h://user:secret@proxy.example:1080", interval: 2 * time.Second},
		{name: "no-cookies", proxy: "http://proxy.example", interval: time.Second / 2},
	}
	for i, spec := range specs {
		if spec != want[i] {
			t.Errorf("%+v, want %+v", spec, want[i])
		}
	}
	if len(specs) != len(want) {
		t.Errorf("%d accounts", len(specs))
	}
}

func TestParseAccountsRefuses(t *testing.T) {
	const secret = "SeCrEtVaLuE"
	for _, test := range []struct{ text, want string }{
		{"", "no [[account]]"},
		{"[[account]]\nname = \"a\"\n\ncooky = \"" + secret + "\"", "line 4: unknown key account.cooky"},
		{"interval = 3", "line 1: unknown key interval"},
		{"[[account]]\nname = \"a\"\ncookie = did=" + secret, "line 3, column"},
		{"[[account]]\nname = \"a\"\ncookie = \"did=" + secret, "line 3, column"},
		{"[[account]]\nname = \"a\"\nrate = \"" + secret + "\"", "line 3"},
		{"[[account]]\ncookie = \"" + secret + "\"", "number 1: its name"},
		{"[[account]]\nname = \"a b\"", "number 1: its name"},
		{"[[account]]\nname = \"" + strings.Repeat("x", 33) + "\"", "number 1: its name"},
		{"[[account]]\nname = \"a\"\n[[account]]\nname = \"a\"", `two accounts are named "a"`},
		{"[[account]]\nname = \"a\"\ncookie = \"" + secret + "\"\ncookie_file = \"x\"", "not both"},
		{"[[account]]\nname = \"a\"\nrate = 0", "above 0"},
		{"[[account]]\nname = \"a\"\nrate = nan", "above 0"},
		{"[[account]]\nname = \"a\"\nrate = 11", "at most 10"},
		{"[[account]]\nname = \"a\"\nproxy = \"" + secret + ":1080\"", "its proxy must be"},
		{"[[account]]\nname = \"a\"\nproxy = \"ftp://" + secret + "@host\"", "its proxy must be"},
		{"[[account]]\nname = \"a\"\nproxy = \"http://" + secret + "@\"", "its proxy must be"},
		{"[[account]]\nname = \"a\"\nproxy = \"http://u:" + secret + "%zz@host\"", "its proxy must be"},
	} {
		specs, err := parseAccounts([]byte(test.text), ".")
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, %v; want an error of one line with %q and without the secret", test.text, specs, err, test.want)
		}
	}
}
