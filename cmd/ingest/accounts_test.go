package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kslive/ingest"
)

// A file is checked without a network, and what it holds is not printed.
func TestAccountsCheck(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cookies := func(expiry int64) string {
		return "# Netscape HTTP Cookie File\n.kuaishou.com\tTRUE\t/\tFALSE\t0\tdid\tweb_1\n" +
			fmt.Sprintf(".kuaishou.com\tTRUE\t/\tTRUE\t%d\tkuaishou.live.web_st\t%s\n", expiry, secretCookie)
	}
	ends := time.Date(2096, 1, 2, 3, 4, 5, 0, time.UTC)
	write("good.txt", cookies(ends.Unix()))
	good := "[[account]]\nname = \"good\"\ncookie_file = \"good.txt\"\nproxy = \"http://user:" + secretPassword + "@proxy.example:3128\"\nrate = 0.5\n" +
		"[[account]]\nname = \"nobody\"\n"
	out := runCommandLine(t, "accounts", "--check", "--json", "--accounts", write("good.toml", good))
	var first, second ingest.AccountCheck
	lines := json.NewDecoder(strings.NewReader(out))
	if err := lines.Decode(&first); err != nil {
		t.Fatal(err)
	}
	if err := lines.Decode(&second); err != nil {
		t.Fatal(err)
	}
	if first.Account != "good" || first.Exit != "proxy.example:3128" || first.Rate != 0.5 || first.Cookies != 2 || !first.LoggedIn || first.Expires == nil || !first.Expires.Equal(ends) {
		t.Errorf("%+v", first)
	}
	if second.Account != "nobody" || second.Exit != "direct" || second.LoggedIn || second.Cookies != 0 || second.Problem != "" {
		t.Errorf("%+v", second)
	}
	write("old.txt", cookies(1_000_000_000))
	bad := good + "[[account]]\nname = \"old\"\ncookie_file = \"old.txt\"\n[[account]]\nname = \"lost\"\ncookie_file = \"lost.txt\"\n"
	var stdout, stderr strings.Builder
	code := run(t.Context(), []string{"accounts", "--check", "--accounts", write("bad.toml", bad)}, strings.NewReader(""), &stdout, &stderr)
	for _, want := range []string{"has expired", "lost.txt", "no: a guest", "2096-01-0"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &stdout)
		}
	}
	if code != exitFailed || !strings.Contains(stderr.String(), "2 of 4 accounts") {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	for _, secret := range []string{secretCookie, secretPassword} {
		if strings.Contains(out+stdout.String()+stderr.String(), secret) {
			t.Errorf("%s shows:\n%s%s%s", secret, out, &stdout, &stderr)
		}
	}
}

func TestRoundInWords(t *testing.T) {
	one := ingest.AccountStatus{Account: "a", Exit: "direct", State: "ok", Rate: 1, ExitRate: 1}
	gone, resting := one, one
	gone.Stale, resting.State = true, "captcha"
	for _, test := range []struct {
		rooms int
		list  []ingest.AccountStatus
		want  []string // one a line
	}{
		{0, nil, []string{"No worker is running"}},
		{7, []ingest.AccountStatus{gone}, []string{"No worker is running. Rooms that wait to be looked up: 7."}},
		{7, []ingest.AccountStatus{resting}, []string{"No account can be used now", "solve the captcha"}},
		{299, []ingest.AccountStatus{one, resting}, []string{"299. At 1 calls a second, looking at each once takes 4m59s."}},
		{301, []ingest.AccountStatus{one}, []string{"takes 5m1s.", "Add accounts with addresses of their own"}},
	} {
		got := roundInWords(test.rooms, test.list)
		for i, want := range test.want {
			if len(got) != len(test.want) || !strings.Contains(got[i], want) {
				t.Errorf("%d rooms: %q, want %q", test.rooms, got, test.want)
				break
			}
		}
	}
}
