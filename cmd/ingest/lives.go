package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"kslive/ingest"
	"kslive/migrations"
)

type livesCommand struct {
	engineFlags
	storeFlags

	Add     livesAdd     `cmd:"" help:"Add rooms, by live ID or address; - reads them from standard input, one a line."`
	List    livesList    `cmd:"" help:"List the rooms with their state."`
	Remove  livesRemove  `cmd:"" help:"Remove rooms. What was recorded of them stays."`
	Enable  livesEnable  `cmd:"" help:"Watch rooms again that were disabled."`
	Disable livesDisable `cmd:"" help:"Stop watching rooms, and keep their rows."`
}

// with runs do on the lives table that the flags name.
func (c *livesCommand) with(p *process, do func(context.Context, *ingest.Lives) error) error {
	found, err := c.requirePostgres(c.DataDir)
	if err != nil {
		return err
	}
	if err := migrations.CheckPostgres(p.taking, found.Postgres); err != nil {
		return err
	}
	lives, err := ingest.OpenLives(p.taking, ingest.LivesOptions{URL: found.Postgres, Worker: "ingest lives", Logger: p.logger})
	if err != nil {
		return err
	}
	defer lives.Close()
	return do(p.taking, lives)
}

type livesAdd struct {
	Priority int16     `help:"Rooms with a higher priority are claimed first." default:"0"`
	Replicas int16     `help:"How many workers hear each room at the same time, 1 to 3: with 2, one can die without a gap." default:"1"`
	Once     bool      `help:"Finish with the end of the live, rather than wait for the next."`
	StartAt  time.Time `help:"Watch from this time on, such as 2026-01-31T20:00:00+08:00." placeholder:"TIME"`
	StopAt   time.Time `help:"Watch until this time." placeholder:"TIME"`
	Note     string    `help:"Your own words."`
	Lives    []string  `arg:"" help:"Live IDs or addresses, or -."`
}

// Validate is called when the command line has been read.
func (c *livesAdd) Validate() error {
	if c.Replicas < 1 || c.Replicas > 3 {
		return errors.New("--replicas must be 1, 2 or 3")
	}
	return nil
}

func (c *livesAdd) Run(p *process, parent *livesCommand) error {
	ids, err := parseLives(p, c.Lives)
	if err != nil {
		return err
	}
	rows := make([]ingest.NewLive, 0, len(ids))
	for _, id := range ids {
		rows = append(rows, ingest.NewLive{LiveID: id, Priority: c.Priority, Replicas: c.Replicas, Once: c.Once, StartAt: c.StartAt, StopAt: c.StopAt, Note: c.Note})
	}
	return parent.with(p, func(ctx context.Context, lives *ingest.Lives) error {
		added, err := lives.Add(ctx, rows)
		if err == nil {
			fmt.Fprintf(p.stdout, "%d added, %d were there already\n", len(added), len(rows)-len(added))
		}
		return err
	})
}

type livesRemove struct {
	Lives []string `arg:"" help:"Live IDs or addresses, or -."`
}

func (c *livesRemove) Run(p *process, parent *livesCommand) error {
	return parent.change(p, c.Lives, "removed", (*ingest.Lives).Remove)
}

type livesEnable struct {
	Lives []string `arg:"" help:"Live IDs or addresses, or -."`
}

func (c *livesEnable) Run(p *process, parent *livesCommand) error {
	return parent.change(p, c.Lives, "enabled", (*ingest.Lives).Enable)
}

type livesDisable struct {
	Lives []string `arg:"" help:"Live IDs or addresses, or -."`
}

func (c *livesDisable) Run(p *process, parent *livesCommand) error {
	return parent.change(p, c.Lives, "disabled", (*ingest.Lives).Disable)
}

// change runs a method of Lives that answers which rooms it found.
func (c *livesCommand) change(p *process, args []string, done string, method func(*ingest.Lives, context.Context, []string) ([]string, error)) error {
	ids, err := parseLives(p, args)
	if err != nil {
		return err
	}
	return c.with(p, func(ctx context.Context, lives *ingest.Lives) error {
		found, err := method(lives, ctx, ids)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "%d %s\n", len(found), done)
		if missing := len(ids) - len(found); missing > 0 {
			return fmt.Errorf("%d of %d are not in lives; see: ingest lives list", missing, len(ids))
		}
		return nil
	})
}

// parseLives reads live IDs from arguments, and from standard input for "-".
// Repeats are left out.
func parseLives(p *process, args []string) ([]string, error) {
	var words []string
	for _, arg := range args {
		if arg != "-" {
			words = append(words, arg)
			continue
		}
		lines, err := readLines(p.stdin)
		if err != nil {
			return nil, err
		}
		words = append(words, lines...)
	}
	var ids []string
	seen := make(map[string]bool)
	for _, word := range words {
		id, err := ingest.ParseLiveID(word)
		if errors.Is(err, ingest.ErrShortLink) {
			id, err = word, nil // the worker asks what it stands for
		}
		if err != nil {
			return nil, exitError{exitUsage, err.Error()}
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, exitError{exitUsage, "no live IDs were given"}
	}
	return ids, nil
}

// readLines reads non-empty lines; # begins a comment.
func readLines(r io.Reader) ([]string, error) {
	var lines []string
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		line, _, _ := strings.Cut(scanner.Text(), "#")
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	return lines, nil
}
