package ingest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// tapFrames is how many frames wait for one who looks on: some minutes of a room.
const tapFrames = 256

// ErrTooSlow is returned by Tap.Next to one who did not look in time.
var ErrTooSlow = errors.New("what came was not read in time")

// Tap shows one who looks on what a room of this worker brings, as it comes and
// whether or not ClickHouse takes it. One goroutine uses it.
type Tap struct {
	taps    *taps
	liveID  string
	frames  chan *kuaishou.Frame
	slow    chan struct{} // closed when a frame found no place
	decoder *Decoder
	batch   schema.Batch
}

// Tap begins to look on a room. The caller must Close it.
func (i *Ingester) Tap(liveID string) *Tap {
	t := &Tap{
		taps: &i.taps, liveID: liveID,
		frames: make(chan *kuaishou.Frame, tapFrames), slow: make(chan struct{}), decoder: NewDecoder(nil),
	}
	t.decoder.Pseudonymize(i.o.Pseudonyms)
	i.taps.add(t)
	return t
}

// Next waits for frames, for at most so long, and answers the rows of all that
// have come since the last call, which are valid until the next; nil when none
// came. The error is ErrTooSlow when some were missed, and then nothing more
// comes; or ctx's.
func (t *Tap) Next(ctx context.Context, wait time.Duration) (*schema.Batch, error) {
	t.batch.Reset()
	select {
	case <-t.slow:
		return nil, ErrTooSlow
	default:
	}
	over := time.NewTimer(wait)
	defer over.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.slow:
		return nil, ErrTooSlow
	case <-over.C:
		return nil, nil
	case frame := <-t.frames:
		t.decoder.Decode(frame, 0, &t.batch)
	}
	for range len(t.frames) {
		t.decoder.Decode(<-t.frames, 0, &t.batch)
	}
	return &t.batch, nil
}

// Close ends looking on.
func (t *Tap) Close() { t.taps.remove(t) }

// lookedAt keeps the frames of sockets, and lets people look at them.
type lookedAt struct {
	frames     frameAppender
	activities *activities
	taps       *taps
}

// Append keeps a frame; only one that is kept is shown.
func (l *lookedAt) Append(frame *kuaishou.Frame) error {
	if err := l.frames.Append(frame); err != nil {
		return err
	}
	l.activities.heard(frame)
	l.taps.tell(frame)
	return nil
}

// taps are those who look on. It is safe for concurrent use, and takes no time
// where nobody does: a frame is told on its way from the socket.
type taps struct {
	number atomic.Int32
	mu     sync.Mutex
	byRoom map[string][]*Tap // guarded by mu
}

// tell gives a copy of a frame to those who look on its room. It never waits.
func (t *taps) tell(frame *kuaishou.Frame) {
	if t.number.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	looking := t.byRoom[frame.LiveId]
	if len(looking) == 0 {
		return
	}
	frame = proto.CloneOf(frame)
	kept := looking[:0]
	for _, tap := range looking {
		select {
		case tap.frames <- frame:
			kept = append(kept, tap)
		default:
			close(tap.slow)
		}
	}
	t.set(frame.LiveId, looking, kept)
}

func (t *taps) add(tap *Tap) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byRoom == nil {
		t.byRoom = make(map[string][]*Tap)
	}
	t.byRoom[tap.liveID] = append(t.byRoom[tap.liveID], tap)
	t.number.Add(1)
}

func (t *taps) remove(tap *Tap) {
	t.mu.Lock()
	defer t.mu.Unlock()
	looking := t.byRoom[tap.liveID]
	kept := looking[:0]
	for _, other := range looking {
		if other != tap {
			kept = append(kept, other)
		}
	}
	t.set(tap.liveID, looking, kept)
}

// set puts those who still look on, a part of the same memory, in place of all
// who did. The caller holds mu.
func (t *taps) set(liveID string, all, kept []*Tap) {
	t.number.Add(int32(len(kept) - len(all)))
	clear(all[len(kept):])
	if len(kept) == 0 {
		delete(t.byRoom, liveID)
	} else {
		t.byRoom[liveID] = kept
	}
}
