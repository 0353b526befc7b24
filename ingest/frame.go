package ingest

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
)

// spooledFrames keeps frames in the spool, one record a frame. It is safe for
// concurrent use.
type spooledFrames struct {
	spool   *spool.Spool
	buffers sync.Pool // of *[]byte
}

func newSpooledFrames(s *spool.Spool) *spooledFrames {
	return &spooledFrames{spool: s, buffers: sync.Pool{New: func() any { return new([]byte) }}}
}

// Append makes the frame durable; it does not keep it.
func (f *spooledFrames) Append(frame *kuaishou.Frame) error {
	buffer := f.buffers.Get().(*[]byte)
	defer f.buffers.Put(buffer)
	record, err := proto.MarshalOptions{}.MarshalAppend((*buffer)[:0], frame)
	if err != nil {
		return fmt.Errorf("encoding a frame: %w", err)
	}
	*buffer = record
	return f.spool.Append(record)
}
