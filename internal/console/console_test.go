package console

import (
	"context"
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"kslive/ingest"
)

// Every text that a page can show has a Chinese one, and no other is kept.
func TestEveryTextIsTranslated(t *testing.T) {
	p, err := newPages()
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	use := func(text string) {
		used[text] = true
		if p.chinese[text] == "" {
			t.Errorf("zh.json has nothing for %q", text)
		}
	}
	quoted := regexp.MustCompile(`\bt ("(?:[^"\\]|\\.)*")`)
	for name := range p.byName[0] {
		for _, file := range []string{"templates/" + name + ".html", "templates/layout.html"} {
			source, err := files.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, found := range quoted.FindAllSubmatch(source, -1) {
				var text string
				if err := json.Unmarshal(found[1], &text); err != nil {
					t.Fatal(err)
				}
				use(text)
			}
		}
	}
	for _, text := range saidByCode() {
		use(text)
	}
	rooms, _ := saidByRooms(t)
	for text := range p.chinese {
		if !used[text] && !slices.Contains(rooms, text) {
			t.Errorf("zh.json has %q, which nothing shows", text)
		}
		if strings.Count(text, "%d") != strings.Count(p.chinese[text], "%d") || strings.Count(text, "%s") != strings.Count(p.chinese[text], "%s") {
			t.Errorf("%q takes other arguments in Chinese", text)
		}
	}
}

// saidByCode are the texts that are in no template.
func saidByCode() []string {
	texts := []string{
		"Not done", "Remove a room", "Write at least one room.", "This form is too large, or cannot be read. Add fewer rooms at a time.",
		"There is no such page.", "There is no such room; it was removed.", "This was sent by another site, and was not done.",
		"Without a token the console answers only to names of this machine, such as localhost.", "Log in first.", "This is not the token.",
		// From Postgres: states that ingest.State has not, and their reasons.
		"finished", "disabled", "scheduled", "lost", "enabled is false", "stop_at has passed", "start_at is still to come",
		"ok", "backing_off", // of accounts
	}
	for _, state := range []ingest.State{
		ingest.StateQueued, ingest.StateResolving, ingest.StateConnecting, ingest.StateLive, ingest.StateRecall, ingest.StateOffline,
		ingest.StateEnded, ingest.StateRateLimited, ingest.StateCaptcha, ingest.StateLoginRequired, ingest.StatePassword, ingest.StateBanned,
		ingest.StateNotFound, ingest.StateUnreachable, ingest.StateInvalid, ingest.StateFailed, ingest.StateStopped,
	} {
		texts = append(texts, string(state), state.Sentence())
	}
	for _, fact := range (readings{}).facts(0) {
		texts = append(texts, fact.Name)
	}
	for _, p := range everyProblem {
		texts = append(texts, p.What, p.Do)
	}
	return texts
}

func TestLocal(t *testing.T) {
	for address, local := range map[string]bool{
		"localhost": true, "LOCALHOST:9110": true, "127.0.0.1": true, "127.8.9.1:80": true, "[::1]:9110": true, "[::1]": true, "::1": true,
		"": false, ":9110": false, "0.0.0.0:9110": false, "[::]:1": false, "10.0.0.1:9110": false, "localhost.evil.example": false,
		"127.0.0.1.evil.example:9110": false, "evil.example": false, "[::1": true,
	} {
		if Local(address) != local {
			t.Errorf("%q: %v", address, !local)
		}
	}
}

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"主播好": "主播好", "a\x1b[31mb\n\x00c": "a[31mbc", "\u202eevil\u2066": "evil", "一二三四五六七八": "一二三四五六七…", "<b>&": "<b>&", "\xff": "\ufffd",
	} {
		if got := clean(text, 7); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestSpark(t *testing.T) {
	if got := spark([]uint32{0, 0, 0, 0, 5, 5, 5, 10}); got != "0,19.0 26,19.0 34,10.0 51,10.0 60,1.0" {
		t.Error(got)
	}
	if got := spark(make([]uint32, 59)); got != "0,19.0 60,19.0" {
		t.Error(got)
	}
}

// The list shows what needs a look first, a hundred rooms a page.
func TestChoose(t *testing.T) {
	var list []ingest.LiveStatus
	states := []string{"live", "offline", "captcha", "connecting"}
	for i := range 1000 {
		list = append(list, ingest.LiveStatus{ID: int64(i), LiveID: "3x", State: states[i%4]})
	}
	list[7].Author = "Needle"
	var first, last, beyond, one roomsPage
	first.choose(list, "")
	last.choose(list, "10")
	beyond.choose(list, "99")
	if first.Pages != 10 || len(first.Rows) != 100 || first.Rows[0].State != "captcha" || first.Rows[0].ID != 2 || last.Rows[99].State != "offline" || beyond.Page != 10 {
		t.Errorf("%d pages, from %+v to %+v, then %d", first.Pages, first.Rows[0], last.Rows[99], beyond.Page)
	}
	one.Query = "needle"
	one.choose(list, "-3")
	if len(one.Rows) != 1 || one.Rows[0].ID != 7 || one.Page != 1 || one.All != 1000 {
		t.Errorf("%+v", one)
	}
}

func TestLog(t *testing.T) {
	var passed strings.Builder
	log := NewLog(slog.NewTextHandler(&passed, nil))
	logger := slog.New(log).With("live", "3x\n")
	logger.Info("well")
	for range keptLines + 5 {
		logger.Warn("worse", "n", 1)
	}
	logger.Error("worst", "err", context.Canceled)
	lines := log.Lines()
	if len(lines) != keptLines || lines[0].Message != "worst" || lines[0].Details != "live=3x err=context canceled" || lines[1].Message != "worse" {
		t.Errorf("%d lines: %+v", len(lines), lines[:2])
	}
	if !strings.Contains(passed.String(), "well") {
		t.Error("what is logged is not passed on")
	}
}

func TestSpanAndSize(t *testing.T) {
	for d, want := range map[time.Duration]string{-1: "0 s", 59 * time.Second: "59 s", 90 * time.Second: "1 min", 25 * time.Hour: "25 h 0 min", 72 * time.Hour: "3 d"} {
		if got := span(d); got != want {
			t.Errorf("%v is %q", d, got)
		}
	}
	for n, want := range map[float64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 KiB", 20 << 30: "20.0 GiB"} {
		if got := size(n); got != want {
			t.Errorf("%v is %q", n, got)
		}
	}
	if got := whole(1234567); got != "1\u2009234\u2009567" {
		t.Error(got)
	}
}
