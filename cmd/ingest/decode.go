package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"kslive/ingest"
	"kslive/schema"
)

type decodeCommand struct {
	LiveID       string   `help:"Room that the frames are from, for the rows' live_id." placeholder:"ID"`
	LiveStreamID string   `help:"Broadcast that they are from." placeholder:"ID"`
	Files        []string `arg:"" optional:"" help:"Files of frames: a recording of watch --raw-to, also packed with gzip or zstd; hex, one frame a line; one frame's raw bytes; or a segment of the spool. Default, or -: standard input."`
}

// Run prints {"table":…,"row":{…}} for every row that the frames become.
func (c *decodeCommand) Run(p *process) error {
	if len(c.Files) == 0 {
		c.Files = []string{"-"}
	}
	rows := newRowPrinter(p.stdout)
	decoder := ingest.NewDecoder(func(u ingest.UnknownField) {
		p.logger.Debug("unknown field", "message", u.Message, "field", u.Number)
	})
	for _, name := range c.Files {
		file := p.frameFile(name, c.LiveID, c.LiveStreamID)
		for frame, err := range file.frames() {
			if errors.Is(err, ingest.ErrRecordingCut) {
				p.logger.Warn(err.Error())
				break
			}
			if err != nil {
				return errors.Join(rows.flush(), err)
			}
			var batch schema.Batch
			decoder.Decode(frame, 0, &batch)
			if err := rows.print(&batch); err != nil {
				return err
			}
		}
	}
	return rows.flush()
}

// rowPrinter writes rows as JSON lines.
type rowPrinter struct {
	buffer *bufio.Writer
	lines  *json.Encoder
}

func newRowPrinter(w io.Writer) *rowPrinter {
	buffer := bufio.NewWriter(w)
	lines := json.NewEncoder(buffer)
	lines.SetEscapeHTML(false)
	return &rowPrinter{buffer, lines}
}

func (r *rowPrinter) print(batch *schema.Batch) error {
	for rows := range batch.All() {
		for i := range rows.Len() {
			line := struct {
				Table string `json:"table"`
				Row   any    `json:"row"`
			}{rows.Name, rows.Row(i)}
			if err := r.lines.Encode(line); err != nil {
				return fmt.Errorf("writing a row of %s: %w", rows.Name, err)
			}
		}
	}
	return nil
}

func (r *rowPrinter) flush() error { return r.buffer.Flush() }
