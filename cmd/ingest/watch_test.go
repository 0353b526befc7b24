package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"kslive/schema"
)

// tick is one tick of a combo, so many seconds into a live.
func tick(second int, key string, batch, count uint32) schema.Gift {
	at := time.UnixMilli(1_785_688_422_601).Add(time.Duration(second) * time.Second)
	user, _, _ := strings.Cut(key, "-")
	return schema.Gift{
		Event: schema.Event{LiveStreamID: "8SJgk6L-2iM", EventTime: at, ReceivedAt: at}, User: schema.User{UserID: user, UserName: "云" + user},
		GiftID: 9, GiftName: "啤酒", UnitPrice: 10, MergeKey: key, BatchSize: batch, ComboCount: count, ExpireDuration: 60_000,
	}
}

// However the ticks of combos come, what is told of each merge key in the end is
// its batch size times its largest count, and as many are added up.
func TestCombos(t *testing.T) {
	for name, ticks := range map[string][]schema.Gift{
		"one":          {tick(0, "1-a-9-10", 10, 1), tick(1, "1-a-9-10", 10, 4)},
		"joined late":  {tick(0, "1-a-9-1", 1, 40), tick(1, "1-a-9-1", 1, 42)},
		"repeated":     {tick(0, "1-a-9-1", 1, 3), tick(0, "1-a-9-1", 1, 3), tick(1, "1-a-9-1", 1, 2)},
		"two senders":  {tick(0, "1-a-9-1", 1, 1), tick(0, "2-b-9-1", 1, 1), tick(1, "1-a-9-1", 1, 2), tick(1, "2-b-9-1", 1, 5)},
		"interleaved":  {tick(0, "1-a-9-1", 1, 1), tick(1, "1-b-9-1", 1, 1), tick(2, "1-a-9-1", 1, 3), tick(3, "1-b-9-1", 1, 2)},
		"no combo":     {tick(0, "1-0-9-1", 1, 1), tick(5, "1-0-9-1", 1, 2), tick(9, "2-b-9-1", 1, 2)},
		"none at last": {},
	} {
		book := newCombos()
		told, want := map[string]uint64{}, map[string]uint64{}
		var added, sum uint64
		tell := func(over []gifts) {
			for _, g := range over {
				told[g.MergeKey] += g.number
				if g.whole != told[g.MergeKey] {
					t.Errorf("%s: %s is said to be %d in all, after %d", name, g.MergeKey, g.whole, told[g.MergeKey])
				}
			}
		}
		for _, g := range ticks {
			n, over := book.add(g)
			added += n
			tell(over)
			want[g.MergeKey] = max(want[g.MergeKey], uint64(g.BatchSize)*uint64(g.ComboCount))
		}
		tell(book.all())
		for key, n := range want {
			sum += n
			if told[key] != n {
				t.Errorf("%s: told %d of %s, want %d", name, told[key], key, n)
			}
		}
		if added != sum || len(book.open) != 0 || len(book.current) != 0 {
			t.Errorf("%s: added %d, want %d; %d are open still", name, added, sum, len(book.open))
		}
	}
}

// A combo is over when nothing was added for its life, when its sender begins
// another, and at the end; after its life the same key is a new one.
func TestCombosEnd(t *testing.T) {
	book := newCombos()
	_, over := book.add(tick(0, "1-a-9-1", 1, 5))
	if running, ok := book.running(); len(over) != 0 || !ok || running.UserName != "云1" || running.whole != 5 {
		t.Errorf("told %v, running %+v", over, running)
	}
	if over := book.expire(tick(60, "", 0, 0).ReceivedAt); len(over) != 0 {
		t.Errorf("told %v while it lived", over)
	}
	if over := book.expire(tick(61, "", 0, 0).ReceivedAt); len(over) != 1 || over[0].number != 5 {
		t.Errorf("told %v when its life was over", over)
	}
	if running, ok := book.running(); ok {
		t.Errorf("%+v still runs", running)
	}
	if added, over := book.add(tick(70, "1-a-9-1", 1, 2)); added != 2 || len(over) != 0 {
		t.Errorf("the same key later adds %d, told %v", added, over)
	}
	if _, over := book.add(tick(200, "1-a-9-1", 1, 1)); len(over) != 1 || over[0].number != 2 {
		t.Errorf("told %v when it began anew", over)
	}
	if _, over := book.add(tick(201, "1-b-9-1", 1, 1)); len(over) != 1 || over[0].number != 1 {
		t.Errorf("told %v when the sender began another", over)
	}
	endless := tick(300, "3-c-9-1", 1, 1)
	endless.ExpireDuration = 1 << 63
	book.add(endless)
	if book.expire(tick(300+601, "", 0, 0).ReceivedAt); len(book.open) != 0 {
		t.Errorf("%d combos live on", len(book.open))
	}
	for i := range maxCombos + 10 {
		book.add(tick(1000, fmt.Sprintf("%d-a-9-1", i), 1, 1))
	}
	if len(book.open) > maxCombos || len(book.current) > maxCombos {
		t.Errorf("%d combos are remembered", len(book.open))
	}
}

func TestWorth(t *testing.T) {
	var w worth
	unpriced := tick(0, "1-a-9-66", 66, 1)
	unpriced.UnitPrice = 0
	w.add(unpriced, 66)
	if value, exact := w.sum(); value != 0 || exact {
		t.Errorf("%d, %v", value, exact)
	}
	if got := w.name(9) + w.name(10); got != "啤酒gift 10" {
		t.Errorf("they are called %s", got)
	}
	w.add(tick(0, "2-a-9-1", 1, 1), 1)
	unpriced.GiftID, unpriced.BatchSize, unpriced.Rank = 10042, 1, 2
	w.add(unpriced, 3)
	if value, exact := w.sum(); value != 67*10+3 || !exact {
		t.Errorf("%d, %v", value, exact)
	}
}

// batchOf is a frame's rows of a comment, a combo and the counters.
func batchOf(second int) *schema.Batch {
	gift := tick(second, "1-a-9-1", 1, uint32(second)+1)
	return &schema.Batch{
		Comments:  []schema.Comment{{Event: gift.Event, User: schema.User{UserName: "海\x1b[2J兰"}, Content: "主播好: 啊"}, {Event: gift.Event, ShowType: "hidden", Content: "twin"}},
		Gifts:     []schema.Gift{gift},
		RoomStats: []schema.RoomStat{{Event: gift.Event, DisplayWatchingCount: "2735", DisplayLikeCount: "26万"}},
	}
}

// On a pipe there are lines and nothing else, and the counters once a minute.
func TestWatchViewOnAPipe(t *testing.T) {
	var out, notes bytes.Buffer
	view := newWatchView(&out, &notes)
	for second := range 90 {
		if err := view.show(batchOf(second)); err != nil {
			t.Fatal(err)
		}
		view.tick(tick(second, "", 0, 0).ReceivedAt)
	}
	fmt.Fprintln(view, "ended: the live has ended")
	if err := view.close(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.ContainsAny(text, "\x1b\r") || strings.Contains(text, "twin") {
		t.Errorf("it has what is for terminals or for nobody: %q", text)
	}
	if n := strings.Count(text, "海[2J兰: 主播好: 啊\n"); n != 90 {
		t.Errorf("%d comments", n)
	}
	if !strings.Contains(text, "* 云1 送出 啤酒 ×90\n") || strings.Count(text, "送出") != 1 {
		t.Errorf("the combo is told otherwise: %s", text)
	}
	if n := strings.Count(text, "在线 2735 · 点赞 26万"); n != 3 || !strings.Contains(text, "评论 90 · 礼物 900 快币") {
		t.Errorf("%d lines of counters: %s", n, text)
	}
	if notes.String() != "ended: the live has ended\n" {
		t.Errorf("notes %q", notes.String())
	}
}

// escapes are what colours and moves on a terminal.
var escapes = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// On a terminal the last line is taken away before each other line, stays within
// the width, and is gone in the end.
func TestWatchViewOnATerminal(t *testing.T) {
	for _, colour := range []bool{true, false} {
		var out, notes bytes.Buffer
		view := newWatchView(&out, &notes)
		view.terminal, view.colour, view.width = true, colour, func() int { return 80 }
		for second := range 3 {
			if err := view.show(batchOf(second)); err != nil {
				t.Fatal(err)
			}
		}
		last := out.String()[strings.LastIndex(out.String(), eraseLine):]
		if !strings.Contains(last, "在线 2735 · 点赞 26万 · 评论 3 · 礼物 30 快币 · 云1 啤酒 ×3") || strings.HasSuffix(last, "\n") {
			t.Errorf("the last line is %q", last)
		}
		fmt.Fprintln(view, "a note")
		view.tick(time.Now().Add(time.Minute))
		if err := view.close(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(out.String(), "\n") {
			shown := line[strings.LastIndex(line, eraseLine)+1:]
			if cells := len([]rune(escapes.ReplaceAllString(shown, ""))); cells > 80 {
				t.Errorf("a line of %d characters at least: %q", cells, line)
			}
		}
		if !strings.HasSuffix(out.String(), "\n") || strings.Contains(out.String(), yellow) != colour {
			t.Errorf("colour %v: it ends with %q", colour, out.String()[max(0, out.Len()-200):])
		}
		if notes.String() != "a note\n" {
			t.Errorf("notes %q", notes.String())
		}
	}
}

func TestFitting(t *testing.T) {
	for cells, want := range []string{"", "a", "a", "a主", "a主", "a主播", "a主播b", "a主播b"} {
		if got := fitting("a主播b", cells); got != want {
			t.Errorf("%d cells: %q, want %q", cells, got, want)
		}
	}
	if got := fitting("abc", -1); got != "" {
		t.Errorf("in no cells: %q", got)
	}
}

// soldBy adds up the lines of gifts in what watch printed.
func soldBy(text string) (total uint64) {
	for _, found := range regexp.MustCompile(`送出 .* ×(\d+)`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.ParseUint(found[1], 10, 64)
		total += n
	}
	return total
}
