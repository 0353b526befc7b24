package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"

	"kslive/ingest"
	"kslive/ingest/spool"
	kuaishou "kslive/proto"
)

// maxInput bounds what is read of a file that must be in memory as a whole.
const maxInput = 256 << 20

// frameFile is a file of frames, in any of the forms that there are.
type frameFile struct {
	stdin io.Reader
	name  string // "-" is stdin
	// The room and the broadcast that frames are from which do not say so.
	liveID, liveStreamID string
}

// frameFile is the file of that name; "-" is standard input, and whoever is asked to
// type it is told so.
func (p *process) frameFile(name, liveID, liveStreamID string) frameFile {
	if name == "-" && isTerminal(p.stdin) {
		fmt.Fprintln(p.stderr, "Reading frames from the terminal: paste hex, one frame a line, and end with Ctrl-D; or name a file.")
	}
	return frameFile{p.stdin, name, liveID, liveStreamID}
}

// frames yields the frames in order. An error is the last that it yields; it
// wraps ingest.ErrRecordingCut when the frames before it are all there is.
func (f frameFile) frames() iter.Seq2[*kuaishou.Frame, error] {
	return func(yield func(*kuaishou.Frame, error) bool) {
		if err := f.read(func(frame *kuaishou.Frame) bool { return yield(frame, nil) }); err != nil {
			yield(nil, fmt.Errorf("reading %s: %w", f.name, err))
		}
	}
}

// read calls use with each frame until it answers false.
func (f frameFile) read(use func(*kuaishou.Frame) bool) error {
	if slices.ContainsFunc([]string{".active", ".sealed", ".done", ".done.zst", ".bad", ".torn"}, func(state string) bool { return strings.HasSuffix(f.name, state) }) {
		frames, err := readSegment(f.name)
		for _, frame := range frames {
			if !use(frame) {
				break
			}
		}
		return err
	}
	from := f.stdin
	if f.name != "-" {
		file, err := os.Open(f.name)
		if err != nil {
			return errors.Unwrap(err) // the name is said by the caller
		}
		defer file.Close()
		from = file
	}
	input, done, err := unpacked(bufio.NewReader(from))
	if err != nil {
		return err
	}
	defer done()
	if begin, _ := input.Peek(len(ingest.RecordingMagic)); string(begin) != ingest.RecordingMagic {
		return f.readLoose(input, use)
	}
	for frame, err := range ingest.ReadRecording(input) {
		if err != nil {
			return err
		}
		if !use(frame) {
			break
		}
	}
	return nil
}

// unpacked is input with gzip or zstd undone; done must be called. No frame
// begins as these do.
func unpacked(input *bufio.Reader) (plain *bufio.Reader, done func(), err error) {
	begin, _ := input.Peek(4) // what there is of it
	switch {
	case bytes.HasPrefix(begin, []byte{0x1f, 0x8b}):
		reader, err := gzip.NewReader(input)
		if err != nil {
			return nil, nil, err
		}
		return bufio.NewReader(reader), func() { reader.Close() }, nil
	case bytes.Equal(begin, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		reader, err := zstd.NewReader(input, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, err
		}
		return bufio.NewReader(reader), reader.Close, nil
	}
	return input, func() {}, nil
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
			return nil, fmt.Errorf("the record at %d is not a frame: %w", offset, err)
		}
		frames = append(frames, frame)
	}
	return frames, nil
}

// readLoose reads frames that nothing is said of but their bytes.
func (f frameFile) readLoose(from io.Reader, use func(*kuaishou.Frame) bool) error {
	input, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	if err != nil {
		return err
	}
	if len(input) > maxInput {
		return fmt.Errorf("it is larger than %d bytes: split it", maxInput)
	}
	messages, err := splitFrames(input)
	if err != nil {
		return err
	}
	for _, data := range messages {
		frame := &kuaishou.Frame{LiveId: f.liveID, LiveStreamId: f.liveStreamID, ReceivedAt: sentAt(data).UnixMilli(), Data: data}
		if !use(frame) {
			break
		}
	}
	return nil
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
		return nil, fmt.Errorf("it holds no frame: want hex, one frame a line, one frame's raw bytes, or a recording")
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
