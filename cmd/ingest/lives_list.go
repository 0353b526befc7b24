package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"kslive/ingest"
)

// coverageTimeout bounds the wait for what only completes the list.
const coverageTimeout = 10 * time.Second

type livesList struct {
	JSON bool `name:"json" help:"One JSON line a room."`
}

// listedLive is a room with how much of it was heard, nil where that is not
// known.
type listedLive struct {
	ingest.LiveStatus
	Coverage *ingest.Heard `json:"coverage"`
}

func (c *livesList) Run(p *process, parent *livesCommand) error {
	return parent.with(p, func(ctx context.Context, lives *ingest.Lives) error {
		rows, err := lives.List(ctx)
		if err != nil {
			return err
		}
		heard, err := parent.heard(ctx)
		if err != nil {
			fmt.Fprintln(p.stderr, "ingest: how much of each room was heard is not known:", err)
		}
		list := make([]listedLive, 0, len(rows))
		for _, row := range rows {
			listed := listedLive{LiveStatus: row}
			if id, err := ingest.ParseLiveID(row.LiveID); err == nil {
				if h, known := heard[id]; known {
					listed.Coverage = &h
				}
			}
			list = append(list, listed)
		}
		if !c.JSON {
			return printLives(p.stdout, list)
		}
		lines := json.NewEncoder(p.stdout)
		for _, row := range list {
			if err := lines.Encode(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// heard asks ClickHouse, where there is one, how much of each live was heard.
func (c *livesCommand) heard(ctx context.Context) (map[string]ingest.Heard, error) {
	found, err := c.locate(c.DataDir)
	if err != nil || found.ClickHouse == "" {
		return nil, err
	}
	warehouse, err := ingest.OpenClickHouse(found.ClickHouse, 0)
	if err != nil {
		return nil, err
	}
	defer warehouse.Close()
	ctx, cancel := context.WithTimeout(ctx, coverageTimeout)
	defer cancel()
	return warehouse.Heard(ctx)
}

func printLives(w io.Writer, list []listedLive) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LIVE\tSTATE\tVIA\tHEARD BY\tCOVERED\tSINCE\tWORKERS\tREASON")
	for _, row := range list {
		since, covered := "-", "-"
		if row.Since != nil {
			since = row.Since.Local().Format(time.DateTime)
		}
		if row.Coverage != nil && row.Coverage.Share != nil {
			covered = fmt.Sprintf("%.1f%%", 100**row.Coverage.Share)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d/%d\t%s\t%s\t%s\t%s\n",
			row.LiveID, row.State, cmp.Or(row.Via, "-"), row.Heard, row.Replicas, covered, since, strings.Join(row.Workers, ","), printable(row.Reason))
	}
	return table.Flush()
}
