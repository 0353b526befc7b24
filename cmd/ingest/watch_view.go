package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"kslive/schema"
)

// countersEvery is how often the room's counters are a line where there is no
// last line to show them.
const countersEvery = time.Minute

// quiet is how long a room must be silent for it to be mentioned.
const quiet = 5 * time.Second

// watchView shows a person one room, a line an event. On a terminal there is a
// last line with the counters, which is drawn anew below all others. It is safe
// for concurrent use.
type watchView struct {
	out, notes       io.Writer
	terminal, colour bool
	width            func() int // of the terminal in cells

	mu       sync.Mutex
	lines    strings.Builder // to be printed
	drawn    bool            // the last line is there
	combos   *combos
	worth    worth
	comments uint64
	online   string
	likes    string
	counted  time.Time // when the counters were last a line
	heard    time.Time // when something last happened
	failed   error     // of out, until it is told
}

// newWatchView shows on out, with notes beside it.
func newWatchView(out, notes io.Writer) *watchView {
	v := &watchView{out: out, notes: notes, combos: newCombos(), heard: time.Now(), width: func() int { return 0 }}
	if redraws(out) {
		v.terminal, v.colour = true, coloured(out)
		v.width = func() int { width, _ := terminalSize(out); return width }
	}
	return v
}

// show prints the rows of a frame.
func (v *watchView) show(batch *schema.Batch) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, c := range batch.Comments {
		if c.ShowType != "hidden" {
			v.comments++
			v.line(c.EventTime, plain, "%s: %s", c.UserName, c.Content)
		}
	}
	for _, g := range batch.Gifts {
		added, over := v.combos.add(g)
		v.worth.add(g, added) // before what is over is told, which it may name
		v.gifts(over)
	}
	for _, l := range batch.Likes {
		v.line(l.EventTime, faint, "♥ %s 点赞", l.UserName)
	}
	for _, e := range batch.Entries {
		v.line(e.EventTime, faint, "→ %s 进入直播间", e.UserName)
	}
	for _, s := range batch.Shares {
		v.line(s.EventTime, faint, "↗ %s 分享了直播间", s.UserName)
	}
	for _, n := range batch.Notices {
		v.line(n.EventTime, red, "! %s", n.Content)
	}
	for _, e := range batch.RoomEvents {
		v.line(e.EventTime, faint, "  %s %s %s", e.PayloadType, e.Part, e.Message)
	}
	for _, s := range batch.RoomStats {
		v.counters(s)
	}
	if v.lines.Len() > 0 || len(batch.RoomStats) > 0 || len(batch.Gifts) > 0 {
		v.heard = time.Now()
	}
	return v.print(time.Now())
}

// counters notes the room's counters.
func (v *watchView) counters(s schema.RoomStat) {
	if s.DisplayWatchingCount != "" {
		v.online = s.DisplayWatchingCount
	}
	if s.DisplayLikeCount != "" {
		v.likes = s.DisplayLikeCount
	}
	if !v.terminal && s.ReceivedAt.Sub(v.counted) >= countersEvery {
		v.counted = s.ReceivedAt
		v.line(s.EventTime, plain, "  %s", v.status(s.ReceivedAt))
	}
}

// gifts prints what combos came to.
func (v *watchView) gifts(over []gifts) {
	for _, g := range over {
		whole := ""
		if g.whole > g.number {
			whole = fmt.Sprintf(" (共 %d)", g.whole)
		}
		v.line(g.EventTime, yellow, "* %s 送出 %s ×%d%s", g.UserName, v.worth.name(g.GiftID), g.number, whole)
	}
}

// line adds a line to be printed.
func (v *watchView) line(at time.Time, colour, format string, args ...any) {
	text := printable(fmt.Sprintf(format, args...))
	clock := at.Local().Format("15:04:05 ")
	switch {
	case !v.colour:
		v.lines.WriteString(clock + text)
	default:
		name, said, comment := strings.Cut(text, ": ")
		if colour == plain && comment {
			text = cyan + name + normal + ": " + said
		} else {
			text = colour + text + normal
		}
		v.lines.WriteString(faint + clock + normal + text)
	}
	v.lines.WriteByte('\n')
}

// tick is to be called about every second.
func (v *watchView) tick(now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gifts(v.combos.expire(now))
	if err := v.print(now); err != nil {
		v.failed = err // whoever shows the next rows is told
	}
}

// Write prints a note, which is whole lines, beside what is shown.
func (v *watchView) Write(note []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.drawn {
		v.drawn = false
		if _, err := io.WriteString(v.out, eraseLine); err != nil {
			return 0, err
		}
	}
	return v.notes.Write(note)
}

// close prints what is left, and what there was in all.
func (v *watchView) close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.gifts(v.combos.all())
	if v.online != "" || v.comments > 0 {
		v.line(time.Now(), plain, "  %s", v.status(v.heard))
	}
	v.terminal = false // no last line any more
	return v.print(time.Now())
}

// print prints the lines that wait, and draws the last line.
func (v *watchView) print(now time.Time) error {
	text := v.lines.String()
	v.lines.Reset()
	if v.drawn {
		text = eraseLine + text
	}
	if v.drawn = v.terminal; v.drawn {
		text += v.lastLine(now)
	}
	if v.failed != nil {
		return v.failed
	}
	_, err := io.WriteString(v.out, text)
	return err
}

// lastLine is the counters, no longer than the terminal is wide.
func (v *watchView) lastLine(now time.Time) string {
	text := v.status(now)
	if g, ok := v.combos.running(); ok {
		text += fmt.Sprintf(" · %s %s ×%d", g.UserName, v.worth.name(g.GiftID), g.whole)
	}
	text = fitting(printable(text), v.width()-1)
	if v.colour {
		text = faint + text + normal
	}
	return text
}

// status is the counters in a line.
func (v *watchView) status(now time.Time) string {
	value, exact := v.worth.sum()
	atLeast := ""
	if !exact {
		atLeast = "≥"
	}
	text := fmt.Sprintf("在线 %s · 点赞 %s · 评论 %d · 礼物 %s%d 快币", v.online, v.likes, v.comments, atLeast, value)
	if silence := now.Sub(v.heard); silence >= quiet {
		text += " · 静默 " + silence.Truncate(time.Second).String()
	}
	return text
}

// fitting is as much of a text as fits into so many cells. It takes all that is
// not of the Latin, Greek and Cyrillic scripts for two cells wide, so that a line
// may come out shorter, and never longer.
func fitting(text string, cells int) string {
	for i, r := range text {
		cells--
		if r >= 0x1100 {
			cells--
		}
		if cells < 0 {
			return text[:i]
		}
	}
	return text
}

// printable takes out control characters: names and comments are written by
// strangers, and a terminal obeys some of them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
