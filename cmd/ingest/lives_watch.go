package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"kslive/ingest"
)

// watch shows the rooms until ctx is done.
func (c *livesList) watch(ctx context.Context, p *process, parent *livesCommand, lives *ingest.Lives) error {
	seen := make(map[int64]string)
	draws, told := !c.JSON && redraws(p.stdout), false
	for {
		list, unknown, err := c.list(ctx, parent, lives)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if unknown != nil && !draws && !told {
			fmt.Fprintln(p.stderr, "ingest:", unknown)
			told = true
		}
		if draws {
			err = drawLives(p.stdout, list)
		} else if list = changedLives(list, seen); len(list) > 0 {
			err = c.print(p.stdout, list)
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(c.Every):
		}
	}
}

// changedLives are the rooms that are not as they were seen. How much of a room was
// heard changes all the time and is no news.
func changedLives(list []listedLive, seen map[int64]string) []listedLive {
	return slices.DeleteFunc(list, func(row listedLive) bool {
		now := fmt.Sprint(row.LiveID, row.State, row.Reason, row.Since, row.Via, row.Heard, row.Replicas, row.Workers, row.Enabled)
		same := seen[row.ID] == now
		seen[row.ID] = now
		return same
	})
}

// drawLives fills a terminal: how many rooms are in each state, and as many rooms
// as there is space for.
func drawLives(w io.Writer, list []listedLive) error {
	width, height := terminalSize(w)
	states := make(map[string]float64)
	for _, row := range list {
		states[row.State]++
	}
	head := fmt.Sprintf("%s  %d rooms: %s", time.Now().Format(time.TimeOnly), len(list), counts(states))
	var table bytes.Buffer
	if err := printLives(&table, list); err != nil {
		return err
	}
	lines := append([]string{head, ""}, slices.Collect(strings.Lines(table.String()))...)
	if rest := len(lines) - height + 1; rest > 0 {
		lines = append(lines[:max(0, height-2)], fmt.Sprintf("… and %d more; --state shows some of them", rest+1))
	}
	var screen strings.Builder
	screen.WriteString("\x1b[H")
	for _, line := range lines {
		screen.WriteString(fitting(strings.TrimSpace(line), width-1) + "\x1b[K\n")
	}
	screen.WriteString("\x1b[J")
	_, err := io.WriteString(w, screen.String())
	return err
}
