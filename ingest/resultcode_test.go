package ingest

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// codesTable is the table of docs/kuaishou.md.
func codesTable() string {
	var b strings.Builder
	b.WriteString("| code | in Kuaishou's words, or as it is reported | state | looked at again after about | what it says | what to do |\n|--:|---|---|---|---|---|\n")
	for _, known := range resultCodes {
		sentence := known.sentence
		if sentence == "" {
			sentence = known.state.Sentence()
		}
		fmt.Fprintf(&b, "| %d | %s | `%s` | %s | %s | %s |\n", known.code, known.name, known.state, inWords(DefaultRetryDelays()[known.state]), sentence, known.cure)
	}
	return b.String()
}

func inWords(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%g h", d.Hours())
	case d >= time.Minute:
		return fmt.Sprintf("%g min", d.Minutes())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}

func TestResultCodesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/kuaishou.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, begins := strings.Cut(string(page), "<!-- result codes: TestResultCodesAreDocumented prints what belongs here -->\n")
	table, _, ends := strings.Cut(rest, "<!-- end of result codes -->")
	if !begins || !ends || table != codesTable() {
		t.Errorf("the table of result codes in docs/kuaishou.md should read\n%s", codesTable())
	}
}

func TestResultCodes(t *testing.T) {
	delays, seen := DefaultRetryDelays(), make(map[int]bool)
	for _, known := range resultCodes {
		if seen[known.code] || known.name == "" || known.cure == "" {
			t.Errorf("code %d comes twice, or has no name or cure", known.code)
		}
		seen[known.code] = true
		if delays[known.state] <= 0 {
			t.Errorf("code %d: after %s a room would be looked at again at once", known.code, known.state)
		}
		reason := reasonOfCode(known.code, "原因")
		if !strings.HasSuffix(reason, fmt.Sprintf(" (code %d: 原因)", known.code)) || strings.HasPrefix(reason, " ") {
			t.Errorf("code %d: reason %q", known.code, reason)
		}
	}
	for _, code := range []int{2, 10, 11, 15, 16, 22, 109, 601, 606, 671, 672, 677, 705, 999, 6001, 60200, 67601, 67606, 69101, 400002} {
		if !seen[code] {
			t.Errorf("code %d is not in the table", code)
		}
	}
	if stateOfCode(424242) != StateUnreachable || !strings.Contains(reasonOfCode(424242, ""), "code 424242") {
		t.Error("a code that is not known")
	}
}

func TestErrorsDelayBoundsTheRetry(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.entered()
		p.sendError(606, 7200_000, 7200_000) // two hours, of which ten minutes are believed
		p.closing()
	})
	r := &recorder{answers: []Resolution{{State: StateLive, Endpoint: s.endpoint("/")}}}
	heard := newRoom(r, quick(), nil)
	heard.retry = RetryDelays{StateBanned: time.Second}
	if last := heard.run(t.Context()); last.State != StateBanned || last.RetryAfter != 10*time.Minute {
		t.Errorf("ended with %+v", last)
	}
}
