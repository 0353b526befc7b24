package ingest

import (
	"math"
	"strings"
	"testing"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
)

// The longest message that a socket takes is a record that the spool takes.
func TestLongestMessageIsKept(t *testing.T) {
	s, err := spool.Open(t.TempDir(), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	frame := &kuaishou.Frame{
		LiveId: strings.Repeat("x", 1000), LiveStreamId: strings.Repeat("y", 1000),
		ReceivedAt: math.MaxInt64, SessionId: math.MaxUint64, Epoch: math.MaxInt64, Data: make([]byte, maxMessage),
	}
	if err := newSpooledFrames(s).Append(frame); err != nil {
		t.Error(err)
	}
}
