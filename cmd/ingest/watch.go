package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"kslive/ingest"
	"kslive/schema"
)

type watchCommand struct {
	kuaishouFlags
	JSON bool   `name:"json" help:"Print every row as a JSON line, like decode."`
	Live string `arg:"" help:"Live ID, or the address of the room."`
}

// Run prints the room until it ends or the process is told to stop.
func (c *watchCommand) Run(p *process) error {
	liveID, err := ingest.ParseLiveID(c.Live)
	isLink := errors.Is(err, ingest.ErrShortLink)
	if err != nil && !isLink {
		return exitError{exitUsage, err.Error()}
	}
	client, err := c.client(p.logger)
	if err != nil {
		return err
	}
	defer client.Close()
	if isLink {
		if liveID, err = client.LiveIDOf(p.taking, c.Live); err != nil {
			return err
		}
	}
	show := showLines(p.stdout)
	if c.JSON {
		rows := newRowPrinter(p.stdout)
		show = func(batch *schema.Batch) error {
			if err := rows.print(batch); err != nil {
				return err
			}
			return rows.flush()
		}
	}
	last, err := ingest.Follow(p.taking, ingest.FollowOptions{
		LiveID: liveID, Client: client, Logger: p.logger, Rows: show,
		State: func(r ingest.Report) {
			if r.Via != "" {
				r.Reason = strings.TrimPrefix(r.Reason+" [via "+r.Via+"]", " ")
			}
			fmt.Fprintf(p.stderr, "%s: %s\n", r.State, r.Reason)
		},
	})
	switch {
	case err != nil:
		return err
	case p.taking.Err() != nil || last.State == ingest.StateEnded:
		return nil
	default:
		return exitError{exitFailed, fmt.Sprintf("%s: %s", last.State, last.Reason)}
	}
}

// showLines prints what a person wants to see of a room, a line an event.
func showLines(w io.Writer) func(*schema.Batch) error {
	return func(batch *schema.Batch) error {
		var b strings.Builder
		line := func(at time.Time, format string, args ...any) {
			b.WriteString(at.Local().Format("15:04:05 "))
			b.WriteString(printable(fmt.Sprintf(format, args...)))
			b.WriteByte('\n')
		}
		for _, c := range batch.Comments {
			if c.ShowType != "hidden" {
				line(c.EventTime, "%s: %s", c.UserName, c.Content)
			}
		}
		for _, g := range batch.Gifts {
			name := g.GiftName
			if name == "" {
				name = fmt.Sprintf("gift %d", g.GiftID)
			}
			line(g.EventTime, "* %s 送出 %s ×%d", g.UserName, name, uint64(g.BatchSize)*uint64(g.ComboCount))
		}
		for _, l := range batch.Likes {
			line(l.EventTime, "♥ %s 点赞", l.UserName)
		}
		for _, e := range batch.Entries {
			line(e.EventTime, "→ %s 进入直播间", e.UserName)
		}
		for _, s := range batch.Shares {
			line(s.EventTime, "↗ %s 分享了直播间", s.UserName)
		}
		for _, n := range batch.Notices {
			line(n.EventTime, "! %s", n.Content)
		}
		for _, s := range batch.RoomStats {
			line(s.EventTime, "  在线 %s  点赞 %s", s.DisplayWatchingCount, s.DisplayLikeCount)
		}
		for _, e := range batch.RoomEvents {
			line(e.EventTime, "  %s %s %s", e.PayloadType, e.Part, e.Message)
		}
		_, err := io.WriteString(w, b.String())
		return err
	}
}

// printable takes out control characters: names and comments are written by
// strangers, and a terminal obeys some of them.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return -1
		}
		return r
	}, s)
}
