package ingest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"

	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// RecordingMagic is the line that a recording begins with.
//
// A recording is that line and then Frame messages (proto/frame.proto), each
// after its length as a varint: what protobuf libraries call delimited. So any
// of them reads it, a reader needs to hold one frame at a time, and there is
// nothing to finish at the end: one that was cut anywhere is good up to its last
// whole frame. The spool's segments are not used for it, since they are made to
// be found again after damage, by a reader that has the whole file in memory.
//
// A recording holds what the server sent, and nothing that we sent: neither the
// token nor cookies.
const RecordingMagic = "kslive frames 1\n"

// maxRecorded is the length in bytes of the longest frame that is read back. A
// message of the socket is shorter.
const maxRecorded = MaxPayload + 1<<20

// ErrRecordingCut is wrapped by the error of a recording that ends inside a
// frame, as when its writer was killed. The frames before it are good.
var ErrRecordingCut = errors.New("the recording is cut off")

// Recorder writes a recording. Not for concurrent use.
type Recorder struct {
	to     io.Writer
	buffer []byte
	frames uint64
}

// NewRecorder begins a recording on w, which stays the caller's.
func NewRecorder(w io.Writer) (*Recorder, error) {
	if _, err := io.WriteString(w, RecordingMagic); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return &Recorder{to: w}, nil
}

// Append writes the frame in one piece and does not keep it: when w is a file,
// the frame outlives the process.
func (r *Recorder) Append(frame *kuaishou.Frame) error {
	record := protowire.AppendVarint(r.buffer[:0], uint64(proto.Size(frame)))
	record, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(record, frame)
	if err != nil {
		return fmt.Errorf("recording a frame: %w", err)
	}
	r.buffer = record
	if _, err := r.to.Write(record); err != nil {
		return fmt.Errorf("recording: %w: what was recorded before can be read", err)
	}
	r.frames++
	return nil
}

// Frames is how many were written.
func (r *Recorder) Frames() uint64 { return r.frames }

// ReadRecording yields the frames of a recording in order, each a message of
// its own. An error is the last that it yields, with a nil frame, and says up to
// which frame the recording is good; see ErrRecordingCut.
func ReadRecording(r io.Reader) iter.Seq2[*kuaishou.Frame, error] {
	return func(yield func(*kuaishou.Frame, error) bool) {
		from := bufio.NewReaderSize(r, 64<<10)
		begin := make([]byte, len(RecordingMagic))
		if _, err := io.ReadFull(from, begin); err != nil || string(begin) != RecordingMagic {
			yield(nil, errors.New("not a recording: it does not begin with the line of one"))
			return
		}
		options := protodelim.UnmarshalOptions{MaxSize: maxRecorded}
		for good := 0; ; good++ {
			frame := new(kuaishou.Frame)
			err := options.UnmarshalFrom(from, frame)
			switch {
			case err == nil:
				if !yield(frame, nil) {
					return
				}
			case errors.Is(err, io.ErrUnexpectedEOF):
				yield(nil, fmt.Errorf("%w after frame %d", ErrRecordingCut, good))
				return
			case errors.Is(err, io.EOF):
				return
			default:
				yield(nil, fmt.Errorf("the recording is damaged after frame %d: %w", good, err))
				return
			}
		}
	}
}
