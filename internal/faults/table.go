package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// printTable writes the results for a terminal.
func printTable(w io.Writer, results []*result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "fault\tevents\tfaults\tlost\tdoubled\taltered\tdestroyed\trecovery\tseconds\tverdict\t")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f s\t%.0f\t%s\t\n",
			r.Name, r.Events, r.Faults, r.Lost, r.Doubled, r.Altered, r.Destroyed, r.Recovery, r.Seconds, r.verdict())
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range results {
		for _, failure := range r.Failures {
			fmt.Fprintf(w, "%s: %s\n", r.Name, failure)
		}
		for _, note := range r.Notes {
			fmt.Fprintf(w, "%s: (%s)\n", r.Name, note)
		}
	}
	return nil
}

func (r *result) verdict() string {
	if len(r.Failures) > 0 {
		return "FAILED"
	}
	return "ok"
}

// markdown is the page docs/reliability.md.
func markdown(results []*result, o *options) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Reliability

Written by `+"`make faults`"+`, which starts real processes and real engines, breaks things while rooms push, and compares what was
sent, and what was on disk, with what is stored. Do not edit it: `+"`make faults ARGS=--write`"+` writes it anew.

- lost: rows that should be stored and are not. For faults that kill the worker, what was in its spool when it died.
- doubled: rows that readers see more than once.
- altered: stored rows that were never sent like this.
- destroyed: rows that the fault itself destroyed, in the socket of a process that was killed, of which the view `+"`gaps`"+` tells,
  or in a file that was damaged, of which the log tells.
- recovery: the longest time from the end of a fault until a row received after it is stored.

FAULTS_MINUTES=%v FAULTS_SEED=%d

| fault | what is broken | events | faults | lost | doubled | altered | destroyed | recovery | verdict |
|---|---|--:|--:|--:|--:|--:|--:|--:|---|
`, o.Minutes, o.Seed)
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %d | %d | %d | %.1f s | %s |\n",
			r.Name, r.Breaks, r.Events, r.Faults, r.Lost, r.Doubled, r.Altered, r.Destroyed, r.Recovery, r.verdict())
	}
	return b.String()
}
