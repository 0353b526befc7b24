package ingest

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// noteFile is in the spool's folder while a replay is not finished.
const noteFile = "replay.json"

// replayNote is what the next run needs in order to go on.
type replayNote struct {
	Arguments string `json:"arguments"`
	// Run is in the token of every insert: the repeat of one that a crash hid is
	// the same insert, and a later replay's is another.
	Run string `json:"run"`
	// Since and Until are those of the first run: "the last hour" must not move.
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Segment and Offset are where to go on; all before is done.
	Segment string                 `json:"segment"`
	Offset  int64                  `json:"offset"`
	Frames  int64                  `json:"frames"`
	Tables  map[string]TableReplay `json:"tables"`
}

// begin goes on with the run that the note tells of, if it was given the same
// arguments, or begins a new one.
func (r *replayer) begin() error {
	o := &r.options
	r.progress = replayNote{Arguments: o.Arguments, Run: rand.Text(), Since: o.Since, Until: o.Until}
	r.said.Tables = make(map[string]TableReplay)
	if o.DryRun {
		return nil
	}
	data, err := r.archive.ReadNote(noteFile)
	if errors.Is(err, fs.ErrNotExist) {
		return r.note() // so that Run is known after a crash
	}
	if err != nil {
		return fmt.Errorf("reading how far the last replay came: %w", err)
	}
	var noted replayNote
	switch err := json.Unmarshal(data, &noted); {
	case err != nil:
		r.logger.Warn("the note of an unfinished replay cannot be read; this one begins anew", "err", err)
	case noted.Arguments != o.Arguments || noted.Run == "":
		r.logger.Warn("an unfinished replay had other arguments; this one begins anew")
	default:
		r.progress = noted
		r.said.Resumed, r.frames = true, noted.Frames
		for table, counts := range noted.Tables {
			r.said.Tables[table] = counts
		}
		r.logger.Info("going on with the replay that was cut short", "segment", noted.Segment)
	}
	return r.note()
}

// note makes the note durable.
func (r *replayer) note() error {
	if r.options.DryRun {
		return nil
	}
	r.progress.Frames, r.progress.Tables = r.frames, r.said.Tables
	data, err := json.Marshal(r.progress)
	if err != nil {
		return fmt.Errorf("noting how far the replay is: %w", err)
	}
	if err := r.archive.WriteNote(noteFile, data); err != nil {
		return fmt.Errorf("noting how far the replay is: %w", err)
	}
	return nil
}

// end takes the note away: what comes next is another replay.
func (r *replayer) end() error {
	if r.options.DryRun {
		return nil
	}
	if err := r.archive.RemoveNote(noteFile); err != nil {
		return fmt.Errorf("finishing the replay: %w", err)
	}
	return nil
}
