package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"kslive/ingest"
	"kslive/schema"
)

type watchCommand struct {
	kuaishouFlags
	JSON  bool   `name:"json" help:"Print every row as a JSON line, like decode."`
	RawTo string `help:"Record every frame in this file, which must not exist, for decode, anonymize and simulate --play. It holds what people wrote, and no secrets of yours." type:"path" placeholder:"FILE"`
	Live  string `arg:"" help:"Live ID, or the address of the room."`
}

// Help is printed below the usage.
func (watchCommand) Help() string {
	return `A combo of gifts is one line, printed when it is over: when nothing was added for as long as the server says, when its sender
begins another, or at the end. On a terminal the last line shows the counters and the combo that runs. NO_COLOR is respected.`
}

// Run prints the room until it ends or the process is told to stop.
func (c *watchCommand) Run(p *process) (err error) {
	client, err := c.client(p.logger)
	if err != nil {
		return err
	}
	defer client.Close()
	liveID, err := client.ParseLiveID(c.Live)
	switch {
	case errors.Is(err, ingest.ErrShortLink):
		if liveID, err = client.LiveIDOf(p.taking, c.Live); err != nil {
			return err
		}
	case err != nil:
		return exitError{exitUsage, err.Error()}
	}
	options := ingest.FollowOptions{LiveID: liveID, Client: client, Logger: p.logger}
	if c.RawTo != "" {
		recorder, finish, err := record(p, c.RawTo)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, finish()) }()
		options.Recorder = recorder
	}
	show, finish := c.show(p, &options)
	options.Rows = show
	last, err := ingest.Follow(p.taking, options)
	err = cmp.Or(err, finish())
	switch {
	case err != nil:
		return err
	case p.taking.Err() != nil || last.State == ingest.StateEnded:
		return nil
	default:
		return exitError{exitFailed, fmt.Sprintf("%s: %s", last.State, last.Reason)}
	}
}

// show is told the rows. It sets who is told the states and what is logged, and
// answers what is to be called at the end.
func (c *watchCommand) show(p *process, options *ingest.FollowOptions) (show func(*schema.Batch) error, finish func() error) {
	if c.JSON {
		options.State = func(r ingest.Report) { tell(p.stderr, r) }
		rows := newRowPrinter(p.stdout)
		return func(batch *schema.Batch) error {
			if err := rows.print(batch); err != nil {
				return err
			}
			return rows.flush()
		}, func() error { return nil }
	}
	view := newWatchView(p.stdout, p.stderr)
	options.State = func(r ingest.Report) { tell(view, r) }
	if view.terminal {
		options.Logger = newLogger(view, p.logLevel, "text")
	}
	over, stopped := make(chan struct{}), make(chan struct{})
	go func() { // finish waits for it
		defer close(stopped)
		second := time.NewTicker(time.Second)
		defer second.Stop()
		for {
			select {
			case <-over:
				return
			case now := <-second.C:
				view.tick(now)
			}
		}
	}()
	return view.show, func() error {
		close(over)
		<-stopped
		return view.close()
	}
}

// record begins a recording in a new file. finish ends it, and removes it when
// there is nothing in it.
func record(p *process, name string) (recorder *ingest.Recorder, finish func() error, err error) {
	file, err := createNew(name)
	if err != nil {
		return nil, nil, err
	}
	if recorder, err = ingest.NewRecorder(file); err != nil {
		return nil, nil, errors.Join(err, file.Close(), os.Remove(name))
	}
	return recorder, func() error {
		if recorder.Frames() == 0 {
			return errors.Join(file.Close(), os.Remove(name))
		}
		fmt.Fprintf(p.stderr, "recorded %d frames in %s\n", recorder.Frames(), name)
		return file.Close()
	}, nil
}

// tell prints what a room says of itself.
func tell(w io.Writer, r ingest.Report) {
	reason := r.Reason
	if r.Via != "" {
		reason = strings.TrimSpace(reason + " [via " + r.Via + "]")
	}
	fmt.Fprintf(w, "%s: %s\n", r.State, reason)
}
