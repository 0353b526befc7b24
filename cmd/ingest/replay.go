package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"kslive/ingest"
	"kslive/migrations"
	"kslive/schema"
)

type replayCommand struct {
	engineFlags
	storeFlags
	archiveFlags
	pseudonymFlags
	Table  []string `help:"Only this table. Repeat it for more." sep:"none" placeholder:"TABLE"`
	DryRun bool     `help:"Count what is missing, changed and stale, and change nothing."`
	JSON   bool     `name:"json" help:"End with the summary as one JSON line on standard output."`
}

// Help is what `ingest replay --help` adds.
func (c *replayCommand) Help() string {
	return `Makes the tables equal to what a fresh ingest of the frames that the spool keeps would have produced: rows that are missing are inserted, rows that are otherwise replaced, rows that their frame does not produce any more deleted. Rows that are right are not written again; rows of other workers stay.

It may run beside ingest run. When it is cut short, the same command goes on where it was.`
}

// Run replays, and prints what it met.
func (c *replayCommand) Run(p *process) error {
	wanted, err := c.frames(c.DataDir)
	if err != nil {
		return err
	}
	for _, name := range c.Table {
		if !slices.ContainsFunc(schema.Tables, func(t schema.Table) bool { return t.Name == name }) {
			return exitError{exitUsage, fmt.Sprintf("--table: there is no table %q with decoded rows", name)}
		}
	}
	found, err := c.requireClickHouse(c.DataDir)
	if err != nil {
		return err
	}
	if err := migrations.CheckClickHouse(p.taking, found.ClickHouse); err != nil {
		return err
	}
	warehouse, err := ingest.OpenClickHouse(found.ClickHouse, 0)
	if err != nil {
		return err
	}
	defer warehouse.Close()
	key, err := c.key(p.logger)
	if err == nil {
		err = warehouse.CheckPseudonyms(p.taking, key, false)
	}
	if err != nil {
		return err
	}
	warehouse.Pseudonymize(key)
	view := newReplayView(p.stderr)
	met, err := ingest.Replay(p.taking, ingest.ReplayOptions{
		Spool: wanted.spool, Warehouse: warehouse, Since: wanted.since, Until: wanted.until, Lives: wanted.lives,
		Tables: c.Table, DryRun: c.DryRun, Pseudonyms: key, Arguments: c.arguments(), Progress: view.show, Logger: p.logger,
	})
	view.end()
	switch {
	case p.taking.Err() != nil && c.DryRun:
		return exitError{exitFailed, "stopped"}
	case p.taking.Err() != nil:
		return exitError{exitFailed, "stopped; the same command goes on from here"}
	case errors.Is(err, ingest.ErrReplayRuns):
		return fmt.Errorf("%w: wait for it, or stop it", err)
	case err != nil:
		return err
	}
	return c.print(p.stdout, met)
}

// arguments tell one replay from another, in a file beside the spool: no
// secrets, and the version, since another one decodes otherwise.
func (c *replayCommand) arguments() string {
	return fmt.Sprintf("version %s, clickhouse %x, since %q, until %q, live %q, table %q",
		ingest.Version(), sha256.Sum256([]byte(c.Clickhouse)), c.Since, c.Until, c.Live, c.Table)
}

func (c *replayCommand) print(w io.Writer, met ingest.ReplayProgress) error {
	if c.JSON {
		return json.NewEncoder(w).Encode(met)
	}
	inserted, replaced, deleted := "INSERTED", "REPLACED", "DELETED"
	if c.DryRun {
		inserted, replaced, deleted = "MISSING", "CHANGED", "STALE"
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "TABLE\tUNCHANGED\t%s\t%s\t%s\tREFUSED\n", inserted, replaced, deleted)
	for _, t := range schema.Tables {
		if n, met := met.Tables[t.Name]; met {
			fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\n", t.Name, n.Unchanged, n.Missing, n.Changed, n.Stale, n.Refused)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d frames of %d segments; %d were deleted meanwhile, %d cannot be read\n", met.Frames, met.Segments, met.Gone, met.Unreadable)
	return err
}

// replayView shows how far a replay is.
type replayView struct {
	*progress
	began time.Time
	first int64 // bytes that were done when it began
}

func newReplayView(out io.Writer) *replayView {
	return &replayView{progress: newProgress(out, 5*time.Second), began: time.Now(), first: -1}
}

func (v *replayView) show(r ingest.ReplayProgress) {
	if v.first < 0 {
		v.first = r.Bytes
	}
	v.progress.show(func(now time.Time) string { return v.line(r, now) })
}

func (v *replayView) line(r ingest.ReplayProgress, now time.Time) string {
	share := 1.0
	if r.OfBytes > 0 {
		share = float64(r.Bytes) / float64(r.OfBytes)
	}
	var sum ingest.TableReplay
	for _, t := range r.Tables {
		sum.Unchanged += t.Unchanged
		sum.Missing += t.Missing
		sum.Changed += t.Changed
		sum.Stale += t.Stale
	}
	left := ""
	if done := r.Bytes - v.first; done > 0 {
		rest := time.Duration(float64(now.Sub(v.began)) * float64(r.OfBytes-r.Bytes) / float64(done))
		left = ", " + rest.Round(time.Second).String() + " left"
	}
	return fmt.Sprintf("%s  %d of %d segments, %d frames, rows: %d unchanged, %d missing, %d changed, %d stale%s",
		bar(share), r.Segments, r.Of, r.Frames, sum.Unchanged, sum.Missing, sum.Changed, sum.Stale, left)
}
