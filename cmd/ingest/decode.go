package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"kslive/ingest"
	"kslive/ingest/spool"
	kuaishou "kslive/proto"
	"kslive/schema"
)

// maxInput bounds what decode reads of one file.
const maxInput = 256 << 20

type decodeCommand struct {
	LiveID       string   `help:"Room that the frames are from, for the rows' live_id." placeholder:"ID"`
	LiveStreamID string   `help:"Broadcast that they are from." placeholder:"ID"`
	Files        []string `arg:"" optional:"" help:"Files of frames: hex, one frame a line; one frame's raw bytes; or a segment of the spool. Default, or -: standard input."`
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
		frames, err := c.read(p.stdin, name)
		if err != nil {
			return err
		}
		for _, frame := range frames {
			var batch schema.Batch
			decoder.Decode(frame, 0, &batch)
			if err := rows.print(&batch); err != nil {
				return err
			}
		}
	}
	return rows.flush()
}

// read reads the frames of a file.
func (c *decodeCommand) read(stdin io.Reader, name string) ([]*kuaishou.Frame, error) {
	if slices.ContainsFunc([]string{".active", ".sealed", ".done", ".done.zst", ".bad", ".torn"}, func(state string) bool { return strings.HasSuffix(name, state) }) {
		return readSegment(name)
	}
	input, err := readInput(stdin, name)
	if err != nil {
		return nil, err
	}
	messages, err := splitFrames(input)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	var frames []*kuaishou.Frame
	for _, data := range messages {
		frames = append(frames, &kuaishou.Frame{
			LiveId: c.LiveID, LiveStreamId: c.LiveStreamID, ReceivedAt: sentAt(data).UnixMilli(), Data: data,
		})
	}
	return frames, nil
}

// readSegment reads the frames of a segment of the spool.
func readSegment(name string) ([]*kuaishou.Frame, error) {
	segment, err := spool.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var frames []*kuaishou.Frame
	for offset, record := range segment.Records() {
		frame := new(kuaishou.Frame)
		if err := proto.Unmarshal(record, frame); err != nil {
			return nil, fmt.Errorf("reading %s: the record at %d is not a frame: %w", name, offset, err)
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// readInput reads a file, or standard input for "-".
func readInput(stdin io.Reader, name string) ([]byte, error) {
	from := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		from = file
	}
	input, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(input) > maxInput {
		return nil, fmt.Errorf("%s is larger than %d bytes: split it", name, maxInput)
	}
	return input, nil
}

// splitFrames tells hex, a frame a line, from the raw bytes of one frame.
func splitFrames(input []byte) ([][]byte, error) {
	if len(bytes.Trim(input, "0123456789abcdefABCDEF \t\r\n")) > 0 {
		return [][]byte{input}, nil
	}
	var frames [][]byte
	for number, line := range bytes.Split(input, []byte("\n")) {
		line = bytes.Join(bytes.Fields(line), nil)
		if len(line) == 0 {
			continue
		}
		frame := make([]byte, hex.DecodedLen(len(line)))
		if _, err := hex.Decode(frame, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", number+1, err)
		}
		frames = append(frames, frame)
	}
	if len(frames) == 0 {
		return nil, fmt.Errorf("it holds no frame: want hex, one frame a line, or one frame's raw bytes")
	}
	return frames, nil
}

// sentAt stands for the receipt of a frame that was captured earlier: the
// server's own time, or now when it has none.
func sentAt(data []byte) time.Time {
	var envelope kuaishou.SocketMessage
	if err := proto.Unmarshal(data, &envelope); err == nil && envelope.GetTime() > 0 && envelope.GetTime() < 1<<42 {
		return time.UnixMilli(int64(envelope.GetTime()))
	}
	return time.Now()
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
