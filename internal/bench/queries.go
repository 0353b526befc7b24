package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kslive/internal/chdb"
)

var queriesBenchmark = benchmark{
	name: "queries",
	about: "Each panel of the Grafana dashboards, over the time range that it opens with and over 90 days, on a database that `make seed` has filled " +
		"(`--comments`); the measurement is that of `make panels`. Then searches for the newest comments that hold a text.",
	run: runQueries,
}

// asked is how often each query is.
const asked = 11

func runQueries(ctx context.Context, b *bench) (err error) {
	comments := b.comments
	if comments == 0 && b.full {
		comments = 100_000_000
	}
	comments = cmp.Or(comments, 1_000_000)
	engine, err := chdb.Start(ctx, chdb.Options{DataDir: filepath.Join(b.dir, "clickhouse"), Logger: b.log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	seed := filepath.Join(b.dir, "seed")
	if _, err := b.command(ctx, "", "go", "build", "-o", seed, "./internal/seed"); err != nil {
		return err
	}
	began := time.Now()
	count := func(n uint64) string { return strconv.FormatUint(n, 10) }
	_, err = b.command(ctx, "", seed, "--clickhouse", engine.DSN(), "--comments", count(comments), "--ticks", count(comments/20),
		"--lives", count(max(100, comments/100_000)), "--days=90", "--optimize")
	if err != nil {
		return err
	}
	b.report(result{What: fmt.Sprintf("%d comments, filling the database", comments), Value: time.Since(began).Seconds(), Unit: "s"})
	size, err := number(ctx, engine, "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND table = 'comments'")
	if err != nil {
		return err
	}
	b.report(result{What: fmt.Sprintf("%d comments, on disk after merges", comments), Value: size, Unit: "bytes/comment", Target: atMost(40, size)})
	for _, span := range []string{"", "2160h"} {
		said, err := b.command(ctx, "deploy/grafana/check", "go", "test", "-run=^$", "-bench=Panels", fmt.Sprintf("-benchtime=%dx", asked), "-timeout=2h",
			"-clickhouse", engine.DSN(), "-span", cmp.Or(span, "0"))
		if err != nil {
			return err
		}
		if err := b.reportPanels(comments, span != "", said); err != nil {
			return err
		}
	}
	return b.searches(ctx, engine, comments)
}

// searches measures searches in the room of which there is most, and in all.
func (b *bench) searches(ctx context.Context, engine *chdb.Engine, comments uint64) error {
	busiest, err := ask(ctx, engine, "SELECT live_id, count() AS n FROM comments GROUP BY live_id ORDER BY n DESC LIMIT 1 FORMAT TSV", nil, nil)
	if err != nil {
		return err
	}
	live, size, _ := strings.Cut(strings.TrimSpace(string(busiest)), "\t")
	for _, where := range []struct {
		name, query string
		target      float64
	}{
		{"in a room with " + size, "SELECT event_time, user_name, content FROM comments_unique WHERE live_id = '" + live + "' AND show_type != 'hidden' AND position(content, '%s') > 0 ORDER BY event_time DESC LIMIT 500", 300},
		{"in all rooms", "SELECT * FROM comment_search(text = '%s', most = 100)", 3000},
	} {
		for _, text := range []string{"火箭", "主播", "没有这个词"} { // now and then, of each tenth comment, never
			took := make([]time.Duration, 0, asked)
			for range cap(took) {
				began := time.Now()
				if _, err := ask(ctx, engine, fmt.Sprintf(where.query, text), nil, nil); err != nil {
					return err
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			slowest := took[len(took)-1].Seconds() * 1000
			b.report(result{
				What: fmt.Sprintf("%d comments, %s searched %s, slowest", comments, text, where.name), Value: slowest, Unit: "ms",
				Note: fmt.Sprintf("p50 %s ms", figure(took[len(took)/2].Seconds()*1000)), Target: atMost(where.target, slowest),
			})
		}
	}
	return nil
}

// command runs a program and answers what it prints.
func (b *bench) command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	output, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("running %s: %w: %s", filepath.Base(name), err, output[max(0, len(output)-1000):])
	}
	return string(output), nil
}

// panel is what one took, in ms.
type panel struct {
	name     string
	p50, p95 float64
}

// reportPanels reports what the benchmark of the panels printed.
func (b *bench) reportPanels(comments uint64, long bool, said string) error {
	of := ""
	if long {
		of = " over 90 days"
	}

	var panels []panel
	for line := range strings.Lines(said) {
		name, figures, _ := strings.Cut(line, "\t")
		name, ok := strings.CutPrefix(strings.TrimSpace(name), "BenchmarkPanels/")
		if !ok || figures == "" {
			continue
		}
		if cut := strings.LastIndexByte(name, '-'); cut > 0 {
			name = name[:cut] // the number of cores
		}
		p := panel{name: strings.ReplaceAll(name, "_", " ")}
		fields := strings.Fields(figures)
		for i := 1; i+1 < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			switch {
			case err != nil:
				return fmt.Errorf("reading what the panels took: %q", line)
			case fields[i+1] == "p50-ms":
				p.p50 = value
			case fields[i+1] == "p95-ms":
				p.p95 = value
			}
		}
		panels = append(panels, p)
	}
	if len(panels) == 0 {
		return fmt.Errorf("no panel was measured: %s", said)
	}
	slices.SortFunc(panels, func(a, b panel) int { return cmp.Compare(b.p95, a.p95) })
	for i, p := range panels {
		r := result{What: fmt.Sprintf("%d comments, %s%s, p95", comments, p.name, of), Value: p.p95, Unit: "ms", Note: fmt.Sprintf("p50 %s ms", figure(p.p50))}
		live := !long && strings.HasPrefix(p.name, "Live/") && !slices.ContainsFunc(panels[:i], func(p panel) bool { return strings.HasPrefix(p.name, "Live/") })
		switch {
		case live: // the slowest of that dashboard
			r.Target = atMost(300, p.p95)
		case i == 0:
			r.Target = atMost(1000, p.p95)
		case i >= 5:
			continue
		}
		b.report(r)
	}
	return nil
}
