package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// The colours of a terminal.
const (
	plain  = ""
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
	normal = "\x1b[0m"
)

// eraseLine takes the last line away.
const eraseLine = "\r\x1b[K"

// redraws says whether w is a terminal on which a line can be drawn anew.
func redraws(w io.Writer) bool { return isTerminal(w) && os.Getenv("TERM") != "dumb" }

// coloured says whether what is written to w may have colours: see no-color.org.
func coloured(w io.Writer) bool { return redraws(w) && os.Getenv("NO_COLOR") == "" }

// terminalSize is that of a terminal in cells.
func terminalSize(w io.Writer) (width, height int) {
	if file, ok := w.(*os.File); ok {
		width, height, err := term.GetSize(int(file.Fd()))
		if err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return 80, 24 // it does not know
}

// progress shows how far something long is: on a terminal as a line that is drawn
// anew, otherwise as a line now and then.
type progress struct {
	out      io.Writer
	terminal bool
	every    time.Duration
	last     time.Time
	drawn    bool
}

// newProgress shows on out; where that is no terminal, at most once in every.
func newProgress(out io.Writer, every time.Duration) *progress {
	p := &progress{out: out, terminal: redraws(out), every: every, last: time.Now()}
	if p.terminal {
		p.every = 100 * time.Millisecond
	}
	return p
}

// show draws the line that is answered, if it is time to.
func (p *progress) show(line func(now time.Time) string) {
	now := time.Now()
	if now.Sub(p.last) < p.every {
		return
	}
	p.last, p.drawn = now, true
	if p.terminal {
		width, _ := terminalSize(p.out)
		fmt.Fprint(p.out, eraseLine, fitting(line(now), width-1))
	} else {
		fmt.Fprintln(p.out, line(now))
	}
}

// end takes the line away that is drawn on a terminal.
func (p *progress) end() {
	if p.terminal && p.drawn {
		fmt.Fprint(p.out, eraseLine)
	}
	p.drawn = false
}

// bar draws a share from 0 to 1.
func bar(share float64) string {
	const width = 20
	filled := int(min(max(share, 0), 1) * width)
	return fmt.Sprintf("[%s%s] %3.0f%%", strings.Repeat("#", filled), strings.Repeat(".", width-filled), 100*share)
}
