package ingest

import (
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

const (
	weekHabitualBound = time.Minute
	weekOtherBound    = 5 * time.Minute
)

// judge prints the figures and fails when a bound does not hold.
func (w *simulatedWeek) judge(t *testing.T) {
	var to io.Writer = io.Discard
	if testing.Verbose() {
		to = os.Stdout
	}
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	defer out.Flush()
	fmt.Fprintf(out, "%d rooms, %d addresses with a call a second each, %v days on a fake clock\n", len(w.rooms), len(w.site.exits), *weekDays)
	fmt.Fprintf(out, weekAssumptions, weekJitter, 100*weekOnAir, weekLimit, weekBeat)
	for _, trouble := range w.site.troubles {
		fmt.Fprintf(out, "%s: %v long, from hour %.1f\n", trouble.name, trouble.to.Sub(trouble.from), trouble.from.Sub(w.from).Hours())
	}
	fmt.Fprintln(out)
	w.judgeCalls(t, out)
	fmt.Fprintln(out)
	w.judgeStarts(t, out)
	fmt.Fprintln(out)
	w.judgeWords(t, out)
}

func (w *simulatedWeek) judgeCalls(t *testing.T, out io.Writer) {
	fmt.Fprintf(out, "address\tcalls\ta second\tmost in 1 s\tin 10 s\tin 60 s\trefused\n")
	for _, e := range w.site.exits {
		fmt.Fprintf(out, "%d\t%d\t%.2f\t%d\t%d\t%d\t%d\n", e.number, e.total, float64(e.total)/w.to.Sub(w.from).Seconds(), e.most[0], e.most[1], e.most[2], e.refused)
		for i, window := range weekWindows {
			if budget := int(window / time.Second); e.most[i] > budget {
				t.Errorf("address %d made %d calls in %v: its budget are %d", e.number, e.most[i], window, budget)
			}
		}
	}
}

// judgeStarts tells how long it took from on air to the first socket.
func (w *simulatedWeek) judgeStarts(t *testing.T, out io.Writer) {
	const habitual, other, back = "at its hour", "at another", "back after the restart"
	waits, missed := make(map[string][]time.Duration), make(map[string]int)
	closed, restart := 0, w.site.trouble(weekRestart)
	var onAir time.Duration
	for _, r := range w.rooms {
		for _, s := range r.shows {
			if s.over.Before(w.from) || s.over.After(w.to) {
				continue
			}
			onAir += s.over.Sub(s.began)
			closed += s.interrupted
			if again, ok := s.heardAfter(restart.to); ok && s.began.Before(restart.from.Add(-weekOtherBound)) {
				waits[back] = append(waits[back], again.Sub(restart.to))
			}
			if s.began.Before(w.from) {
				continue
			}
			kind := w.site.during(s.began)
			switch {
			case kind != "":
			case s.habitual:
				kind = habitual
			default:
				kind = other
			}
			if len(s.entered) == 0 {
				missed[kind]++
				waits[kind] = append(waits[kind], s.over.Sub(s.began)) // at least
			} else {
				waits[kind] = append(waits[kind], s.entered[0].Sub(s.began))
			}
		}
	}
	fmt.Fprintf(out, "on air to connected\tbroadcasts\tp50\tp95\tp99\tmost\tnever heard\n")
	for _, row := range []struct {
		kind  string
		bound time.Duration
	}{{habitual, weekHabitualBound}, {other, weekOtherBound}, {weekRateLimit, 0}, {weekRefused, 0}, {weekOutage, 0}, {weekRestart, 0}, {back, 0}} {
		all := waits[row.kind]
		if len(all) == 0 {
			continue
		}
		slices.Sort(all)
		at := func(part float64) time.Duration { return all[int(part*float64(len(all)-1))].Round(time.Second) }
		fmt.Fprintf(out, "%s\t%d\t%v\t%v\t%v\t%v\t%d\n", row.kind, len(all), at(0.5), at(0.95), at(0.99), at(1), missed[row.kind])
		if row.bound == 0 {
			continue
		}
		if at(1) > weekOtherBound {
			t.Errorf("%s: connected within %v, not within %v", row.kind, at(1), weekOtherBound)
		}
		if len(all) >= 100 && at(0.95) > row.bound { // of few a percentile says little
			t.Errorf("%s: connected within %v at p95, not within %v", row.kind, at(0.95), row.bound)
		}
	}
	fmt.Fprintf(out, "on air %.1f %% of the time\n", 100*float64(onAir)/float64(w.to.Sub(w.from))/float64(len(w.rooms)))
	fmt.Fprintf(out, "sockets closed by us during a broadcast, the restart aside: %d\n", closed)
	if closed > 0 {
		t.Errorf("%d sockets were closed by us during a broadcast", closed)
	}
}

func (w *simulatedWeek) judgeWords(t *testing.T, out io.Writer) {
	f := &w.figures
	fmt.Fprintf(out, "states told: %v\n", f.states)
	fmt.Fprintf(out, "rooms called offline when the last answer did not say so: %d\n", len(f.wrong))
	if len(f.wrong) > 0 {
		t.Errorf("%d times a room was called offline without having been told so, such as %s", len(f.wrong), f.wrong[0])
	}
	most, all := 0, 0
	for _, n := range f.due {
		most, all = max(most, n), all+n
	}
	fmt.Fprintf(out, "most rooms planned for one second: %d (%.1f on average)\n", most, float64(all)/w.to.Sub(w.from).Seconds())
	if herd := max(20, len(w.rooms)/40); most > herd {
		t.Errorf("%d rooms were due in the same second, more than %d", most, herd)
	}
}
