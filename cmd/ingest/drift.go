package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"kslive/ingest"
	"kslive/migrations"
)

type driftCommand struct {
	engineFlags
	storeFlags
	archiveFlags
	JSON bool `name:"json" help:"Print it as JSON."`
}

// Help is what `ingest drift --help` adds.
func (c *driftCommand) Help() string {
	return `Lists payloads that are not decoded, from the frames that the spool keeps and from the table undecoded, and fields that messages do not declare, from the frames. Where the table has more than the frames, the decoder has learnt since, or the frames are no longer kept: ingest replay makes good what it can.

Samples are the first 32 bytes, in hex. They hold what people wrote and who they are: do not publish them.`
}

// Run looks, and prints what it found.
func (c *driftCommand) Run(p *process) error {
	wanted, err := c.frames(c.DataDir)
	if err != nil {
		return err
	}
	found, err := c.locate(c.DataDir)
	if err != nil {
		return err
	}
	o := ingest.DriftOptions{Spool: wanted.spool, Since: wanted.since, Until: wanted.until, Lives: wanted.lives, Logger: p.logger}
	if found.ClickHouse == "" {
		fmt.Fprintln(p.stderr, "no ClickHouse is known, so the table undecoded is left out")
	} else {
		if err := migrations.CheckClickHouse(p.taking, found.ClickHouse); err != nil {
			return err
		}
		if o.Warehouse, err = ingest.OpenClickHouse(found.ClickHouse, 0); err != nil {
			return err
		}
		defer o.Warehouse.Close()
	}
	drift, err := ingest.FindDrift(p.taking, o)
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(p.stdout).Encode(drift)
	}
	return printDrift(p.stdout, drift)
}

func printDrift(w io.Writer, drift ingest.Drift) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "PAYLOAD\tNAME\tPART\tFRAMES\tROWS\tFIRST\tLAST\tSAMPLE\tWHY")
	for _, d := range drift.Payloads {
		seen := d.Archived.With(d.Stored)
		fmt.Fprintf(table, "%d\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", d.Type, d.Name, printable(d.Part), d.Archived.Count, d.Stored.Count,
			seen.First.Local().Format(time.DateTime), seen.Last.Local().Format(time.DateTime), seen.Sample, printable(d.Error))
	}
	fmt.Fprintln(table, "\nMESSAGE\tFIELD\t\tSEEN\t\tFIRST\tLAST\tSAMPLE")
	for _, d := range drift.Fields {
		fmt.Fprintf(table, "%s\t%d\t\t%d\t\t%s\t%s\t%s\n", d.Message, d.Field, d.Count,
			d.First.Local().Format(time.DateTime), d.Last.Local().Format(time.DateTime), d.Sample)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d frames looked at; %d sightings beyond the 10,000 payloads or fields told apart\n", drift.Frames, drift.Others)
	return err
}
