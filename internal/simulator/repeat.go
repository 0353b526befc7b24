package simulator

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// timeDigits is how many bytes a time of this century has in an envelope, which
// ends with it.
const timeDigits = 6

// checkRepeated says what is wrong with frames that are to be pushed with other
// times.
func checkRepeated(frames [][]byte) error {
	for i, data := range frames {
		at := len(data) - timeDigits - 1
		if at < 0 || data[at] != byte(protowire.EncodeTag(4, protowire.VarintType)) {
			return fmt.Errorf("frame %d that is to be repeated does not end with its time", i)
		}
	}
	return nil
}

// repeat is the next push of Options.Repeat.
func (r *room) repeat(every time.Duration, rate float64) []*frame {
	all := r.simulator.options.Repeat
	r.owed += rate * every.Seconds()
	frames := make([]*frame, 0, int(r.owed))
	for ; r.owed >= 1; r.owed-- {
		data := bytes.Clone(all[r.repeated%uint64(len(all))])
		r.repeated++
		binary.PutUvarint(data[len(data)-timeDigits:], uint64(time.Now().UnixMilli()))
		frames = append(frames, &frame{data: data})
	}
	return frames
}

var errRepeatConfirm = errors.New("a simulator that repeats frames knows no rows that clients could confirm: leave Confirm out")
