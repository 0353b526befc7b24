package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// demoView shows the ingester's own metrics: on a terminal as a screen that is
// drawn anew, otherwise a line every five seconds.
type demoView struct {
	out      io.Writer
	stage    *stage
	total    time.Duration
	spare    string // a room that nobody watches yet
	terminal bool

	last   reading
	lastAt time.Duration
}

func newDemoView(out io.Writer, s *stage, total time.Duration, spare string) *demoView {
	v := &demoView{out: out, stage: s, total: total, spare: spare, terminal: isTerminal(out)}
	if !v.terminal {
		fmt.Fprint(out, v.hints())
	}
	return v
}

// hints are what to open in a browser, and three lines to paste into another
// terminal.
func (v *demoView) hints() string {
	hints := ""
	if v.stage.console != "" {
		hints = "  console:     http://" + v.stage.console + "/\n"
	}
	return hints + fmt.Sprintf("  query rows:  %s query --data-dir '%s' \"SELECT user_name, content FROM comments ORDER BY event_time DESC LIMIT 5\"\n"+
		"  add a live:  %s lives add --data-dir '%s' %s\n"+
		"  or in SQL:   psql '%s' -c \"INSERT INTO lives (live_id) VALUES ('%s')\"\n",
		os.Args[0], v.stage.dataDir, os.Args[0], v.stage.dataDir, v.spare, v.stage.engines.Postgres, v.spare)
}

// show draws what has happened since the last call.
func (v *demoView) show(elapsed time.Duration) {
	if !v.terminal && elapsed-v.lastAt < 5*time.Second {
		return
	}
	now, err := v.stage.read()
	if err != nil {
		fmt.Fprintln(v.out, "reading the metrics:", err)
		return
	}
	seconds := (elapsed - v.lastAt).Seconds()
	rate := func(now, last float64) float64 { return (now - last) / seconds }
	line := fmt.Sprintf("%4.0fs of %.0fs  rooms %s  frames/s %.0f  rows/s %.0f  lag p99 %s  spool %.1f MiB",
		elapsed.Seconds(), v.total.Seconds(), counts(now.rooms), rate(now.frames, v.last.frames),
		rate(sum(now.rows), sum(v.last.rows)), milliseconds(now.lag.minus(v.last.lag).quantile(0.99)), now.spoolBytes/(1<<20))
	if v.terminal {
		fmt.Fprint(v.out, "\x1b[H\x1b[2J", "ingest demo: a simulated Kuaishou -> spool -> ClickHouse\n\n", line, "\n\n", table(now.rows), "\n", v.hints())
	} else {
		fmt.Fprintln(v.out, line)
	}
	v.last, v.lastAt = now, elapsed
}

func (v *demoView) note(text string) { fmt.Fprintln(v.out, text) }

// counts prints a few numbers by name.
func counts(byName map[string]float64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if byName[name] > 0 {
			parts = append(parts, fmt.Sprintf("%s %.0f", name, byName[name]))
		}
	}
	return strings.Join(parts, ", ")
}

// table prints many numbers by name, one a line.
func table(byName map[string]float64) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		fmt.Fprintf(&b, "  %-16s %12.0f\n", name, byName[name])
	}
	return b.String()
}

func sum(byName map[string]float64) (total float64) {
	for _, n := range byName {
		total += n
	}
	return total
}

func milliseconds(seconds float64) string { return fmt.Sprintf("%.0f ms", seconds*1000) }

// reading is what the view needs of the metrics at one moment.
type reading struct {
	rooms      map[string]float64 // by state
	rows       map[string]float64 // by table
	frames     float64
	spoolBytes float64
	lag        histogram
	lagByTable map[string]histogram
}

// read gathers the metrics.
func (s *stage) read() (reading, error) {
	r := reading{rooms: map[string]float64{}, rows: map[string]float64{}, lag: histogram{}, lagByTable: map[string]histogram{}}
	families, err := s.registry.Gather()
	if err != nil {
		return r, err
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			switch family.GetName() {
			case "ingest_rooms":
				r.rooms[label(metric)] = metric.GetGauge().GetValue()
			case "ingest_rows_total":
				r.rows[label(metric)] = metric.GetCounter().GetValue()
			case "ingest_frames_total":
				r.frames += metric.GetCounter().GetValue()
			case "ingest_spool_bytes":
				r.spoolBytes = metric.GetGauge().GetValue()
			case "ingest_lag_seconds":
				one := newHistogram(metric.GetHistogram())
				r.lagByTable[label(metric)] = one
				r.lag = r.lag.plus(one)
			}
		}
	}
	return r, nil
}

// label is the value of a metric's only label.
func label(metric *dto.Metric) string { return metric.GetLabel()[0].GetValue() }
