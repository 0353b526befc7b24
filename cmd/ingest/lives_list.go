package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"kslive/ingest"
)

// coverageTimeout bounds the wait for what only completes the list.
const coverageTimeout = 10 * time.Second

type livesList struct {
	JSON  bool          `name:"json" help:"One JSON line a room."`
	State []string      `help:"Only rooms in these states, separated by commas, such as live or captcha,login_required." env:"-" placeholder:"STATE"`
	Watch bool          `help:"Go on until stopped: on a terminal the list is drawn anew, elsewhere a room is a line each time that something about it changes." env:"-"`
	Every time.Duration `help:"How often --watch looks." default:"2s" env:"-"`
}

// Validate is called when the command line has been read.
func (c *livesList) Validate() error {
	if c.Every < 100*time.Millisecond {
		return errors.New("--every must be at least 100ms")
	}
	return nil
}

// listedLive is a room with how much of it was heard, nil where that is not
// known.
type listedLive struct {
	ingest.LiveStatus
	Coverage *ingest.Heard `json:"coverage"`
}

// Run lists the rooms, once or until stopped.
func (c *livesList) Run(p *process, parent *livesCommand) error {
	return parent.with(p, func(ctx context.Context, lives *ingest.Lives) error {
		if c.Watch {
			return c.watch(ctx, p, parent, lives)
		}
		list, unknown, err := c.list(ctx, parent, lives)
		if err != nil {
			return err
		}
		if unknown != nil {
			fmt.Fprintln(p.stderr, "ingest:", unknown)
		}
		return c.print(p.stdout, list)
	})
}

// list is what there is to show. unknown says why it is not known how much of each
// room was heard.
func (c *livesList) list(ctx context.Context, parent *livesCommand, lives *ingest.Lives) (list []listedLive, unknown, err error) {
	rows, err := lives.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	heard, err := parent.heard(ctx)
	if err != nil {
		unknown = fmt.Errorf("how much of each room was heard is not known: %w", err)
	}
	list = make([]listedLive, 0, len(rows))
	for _, row := range rows {
		if len(c.State) > 0 && !slices.Contains(c.State, row.State) {
			continue
		}
		listed := listedLive{LiveStatus: row}
		if id, err := ingest.ParseLiveID(row.LiveID); err == nil {
			if h, known := heard[id]; known {
				listed.Coverage = &h
			}
		}
		list = append(list, listed)
	}
	return list, unknown, nil
}

func (c *livesList) print(w io.Writer, list []listedLive) error {
	if !c.JSON {
		return printLives(w, list)
	}
	lines := json.NewEncoder(w)
	for _, row := range list {
		if err := lines.Encode(row); err != nil {
			return err
		}
	}
	return nil
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
