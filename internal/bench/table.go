package main

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// pageFile is what --write writes, in the root of the checkout.
const pageFile = "docs/performance.md"

const pageHead = `# Performance

Written by ` + "`make bench ARGS=--write`" + ` (` + "`make bench-full`" + ` for all of it, within an hour). Do not edit it by hand.

Figures of decode, spool and insert are medians of at least five rounds, those of queries of eleven; the others are of one run, or
medians of as many as the note says, each figure by itself. CPU time is what processes used, all their threads together. What is
compared was measured in turn in one run: the ratios say more than the figures, which are those of the machine named.
`

// limits is what the page ends with: why what is missed is.
//
//go:embed limits.md
var limits string

// medians are the medians of the results of several runs, with how far apart these
// were.
func medians(runs [][]result) (all []result) {
	for _, first := range runs[0] {
		var same []result
		for _, run := range runs {
			for _, r := range run {
				if r.What == first.What && r.Against == first.Against {
					same = append(same, r)
				}
			}
		}
		slices.SortFunc(same, func(a, b result) int { return cmp.Compare(a.Value, b.Value) })
		r := same[len(same)/2]
		if len(same) > 1 {
			r.Note = strings.TrimPrefix(fmt.Sprintf("%s; %d runs, %s to %s", r.Note, len(same), figure(same[0].Value), figure(same[len(same)-1].Value)), "; ")
		}
		all = append(all, r)
	}
	return all
}

// print writes the results for a terminal, or as JSON, one a line.
func print(w io.Writer, done []*bench, asJSON bool) error {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(table, "benchmark\twhat\tvalue\tunit\tratio\tagainst\ttarget\tnote")
	}
	for _, b := range done {
		for _, r := range b.results {
			if !asJSON {
				fmt.Fprintf(table, "%s\t%s\n", r.Benchmark, strings.Join(r.cells(), "\t"))
			} else if err := lines.Encode(r); err != nil {
				return err
			}
		}
	}
	return table.Flush()
}

func (r result) cells() []string {
	ratio := ""
	if r.Ratio > 0 {
		ratio = strconv.FormatFloat(r.Ratio, 'f', 2, 64)
	}
	return []string{r.What, figure(r.Value), r.Unit, ratio, r.Against, r.Target, r.Note}
}

// figure is a number with three digits or more that say something.
func figure(n float64) string {
	switch {
	case n >= 100 || n == 0:
		return strconv.FormatFloat(n, 'f', 0, 64)
	case n >= 10:
		return strconv.FormatFloat(n, 'f', 1, 64)
	case n >= 1:
		return strconv.FormatFloat(n, 'f', 2, 64)
	}
	return strconv.FormatFloat(n, 'g', 3, 64)
}

// pageWith is the page with a new section for each benchmark that has results,
// and those that it had for the others.
func pageWith(old string, done []*bench, command string) string {
	sections := make(map[string]string)
	for _, section := range strings.Split(old, "\n## ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		sections[name] = strings.TrimSpace(body)
	}
	for _, b := range done {
		if len(b.results) > 0 {
			sections[b.name] = b.section(command)
		}
	}
	var page strings.Builder
	page.WriteString(pageHead)
	for _, bm := range benchmarks {
		if section := sections[bm.name]; section != "" {
			fmt.Fprintf(&page, "\n## %s\n%s\n", bm.name, section)
		}
	}
	page.WriteString("\n" + limits)
	return page.String()
}

// section is what the page says of a benchmark.
func (b *bench) section(command string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s\n\n%s\n\n", b.about, b.measuredOn(command))
	s.WriteString("| what | value | unit | ratio | against | target | note |\n|---|--:|---|--:|---|---|---|\n")
	for _, r := range b.results {
		fmt.Fprintf(&s, "| %s |\n", strings.Join(r.cells(), " | "))
	}
	return strings.TrimSpace(s.String())
}
