package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"kslive/ingest"
	"kslive/migrations"
	"kslive/schema"
)

type exportCommand struct {
	engineFlags
	storeFlags
	httpFlags
	Live   []string `help:"Only this room: a live ID, or its address. Repeat it for more." sep:"none" placeholder:"LIVE"`
	Since  string   `help:"Only what happened from then on: a time such as 2026-01-31T20:00:00+08:00, or how long ago, such as 36h." placeholder:"TIME"`
	Until  string   `help:"Only what happened before then." placeholder:"TIME"`
	Table  []string `help:"Only these tables, separated by commas; default: all of events." placeholder:"TABLE"`
	Format string   `help:"jsonl: a line an event, one file a table. parquet: files of about 200,000 events." enum:"jsonl,parquet" default:"jsonl"`
	Out    string   `short:"o" help:"Folder to write to, which is made; no file in it is replaced. -: standard output, for jsonl of one table." required:"" placeholder:"DIR"`
}

// httpFlags say where ClickHouse is asked for files and formats.
type httpFlags struct {
	HTTP string `name:"clickhouse-http" help:"When --clickhouse is a URL of the native protocol: the same server's http://user:password@host:8123/database, for ingest export to Parquet and ingest query. Put it into the environment or the config file when it holds a password." placeholder:"URL" secret:""`
}

// Help is what `ingest export --help` adds.
func (c *exportCommand) Help() string {
	return `Writes the rows of one or more tables to files, each event once, in the order of time. A file has its name only when it is whole.

What is written is personal data: of those who are erased later it is not taken out.`
}

// Run exports, and says on standard error how far it is.
func (c *exportCommand) Run(p *process) error {
	wanted, tables, err := c.wanted()
	if err != nil {
		return err
	}
	found, err := c.requireClickHouse(c.DataDir)
	if err != nil {
		return err
	}
	x := &exporter{exportCommand: c, p: p, export: wanted, view: newProgress(p.stderr, 0)}
	defer x.view.end()
	if c.Format == "parquet" {
		x.http, err = c.exporter(found)
		if err != nil {
			return err
		}
		defer x.http.Close()
	}
	if err := migrations.CheckClickHouse(p.taking, found.ClickHouse); err != nil {
		return err
	}
	if x.warehouse, err = ingest.OpenClickHouse(found.ClickHouse, 0); err != nil {
		return err
	}
	defer x.warehouse.Close()
	if c.Out != "-" {
		if err := os.MkdirAll(c.Out, 0o700); err != nil {
			return fmt.Errorf("making the folder: %w", err)
		}
	}
	for _, table := range tables {
		if err := x.table(p.taking, table); err != nil {
			if p.taking.Err() != nil {
				return exitError{exitFailed, "stopped; the files that have their names are whole"}
			}
			return err
		}
	}
	return nil
}

// wanted reads the flags.
func (c *exportCommand) wanted() (e ingest.Export, tables []string, err error) {
	found, err := archiveFlags{Since: c.Since, Until: c.Until, Live: c.Live}.frames("")
	if err != nil {
		return e, nil, err
	}
	for _, table := range schema.Tables {
		if len(c.Table) == 0 || slices.Contains(c.Table, table.Name) {
			tables = append(tables, table.Name)
		}
	}
	for _, table := range c.Table {
		if !slices.Contains(tables, table) {
			return e, nil, exitError{exitUsage, fmt.Sprintf("--table: there is no table %q of events", table)}
		}
	}
	switch {
	case c.Out == "-" && c.Format == "parquet":
		return e, nil, exitError{exitUsage, "parquet is written to files: give -o DIR"}
	case c.Out == "-" && len(tables) != 1:
		return e, nil, exitError{exitUsage, "standard output takes one table: give --table TABLE, or -o DIR"}
	}
	return ingest.Export{Since: found.since, Until: found.until, Lives: found.lives}, tables, nil
}

// exporter is the way to ask for Parquet.
func (c *exportCommand) exporter(found stores) (*ingest.Exporter, error) {
	dsn := c.HTTP
	if dsn == "" {
		dsn = found.ClickHouse
	}
	x, err := ingest.OpenExporter(dsn)
	if errors.Is(err, ingest.ErrNotHTTP) {
		return nil, exitError{exitUsage, fmt.Sprintf("%v: give --clickhouse-http http://user:password@host:8123/database (or INGEST_CLICKHOUSE_HTTP), or --format jsonl", err)}
	}
	return x, err
}

// exporter is one run of the command.
type exporter struct {
	*exportCommand
	p         *process
	export    ingest.Export
	warehouse *ingest.ClickHouse
	http      *ingest.Exporter // for parquet only
	view      *progress
}

// table exports one table.
func (x *exporter) table(ctx context.Context, table string) error {
	parts, err := x.warehouse.Parts(ctx, table, x.export)
	if err != nil {
		return err
	}
	switch {
	case len(parts) == 0:
		x.say(table, 0, 0, "nothing in that time")
		return nil
	case x.Format == "parquet":
		return x.parquet(ctx, table, parts)
	case x.Out == "-":
		return x.lines(ctx, table, parts, x.p.stdout)
	}
	return x.write(table+".jsonl", func(w io.Writer) error { return x.lines(ctx, table, parts, w) })
}

// lines writes all parts as JSON lines.
func (x *exporter) lines(ctx context.Context, table string, parts []ingest.ExportPart, w io.Writer) error {
	var events uint64
	for i, part := range parts {
		lines, err := x.warehouse.ExportJSON(ctx, table, x.export, part, w)
		if err != nil {
			return err
		}
		events += lines
		x.say(table, i+1, len(parts), fmt.Sprintf("%d events", events))
	}
	return nil
}

// parquet writes each part into a file of its own.
func (x *exporter) parquet(ctx context.Context, table string, parts []ingest.ExportPart) error {
	for i, part := range parts {
		name := fmt.Sprintf("%s-%05d.parquet", table, i+1)
		err := x.write(name, func(w io.Writer) error { return x.http.Parquet(ctx, table, x.export, part, w) })
		if err != nil {
			return err
		}
		x.say(table, i+1, len(parts), name)
	}
	return nil
}

// write makes a file that has its name only when it is whole, and replaces none.
func (x *exporter) write(name string, fill func(io.Writer) error) (err error) {
	path := filepath.Join(x.Out, name)
	if _, err := os.Lstat(path); err == nil {
		return exitError{exitFailed, fmt.Sprintf("%s is there already: name another folder, or remove it", path)}
	}
	file, err := os.CreateTemp(x.Out, "."+name+".*") // for its owner only
	if err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if err = errors.Join(fill(file), file.Sync(), file.Close()); err != nil {
		return err
	}
	// A link fails where a rename would replace what has come meanwhile.
	if err = os.Link(file.Name(), path); err != nil {
		return fmt.Errorf("exporting: %w", err)
	}
	return os.Remove(file.Name())
}

// say tells how far a table is. On a terminal what is done of it is drawn anew, and
// the line of its last part stays.
func (x *exporter) say(table string, done, of int, what string) {
	line := fmt.Sprintf("%s %s: %d of %d parts, %s", time.Now().Format(time.TimeOnly), table, done, of, what)
	if done < of && x.view.terminal {
		x.view.show(func(time.Time) string { return bar(float64(done)/float64(of)) + "  " + line })
		return
	}
	x.view.end()
	fmt.Fprintln(x.p.stderr, line)
}
