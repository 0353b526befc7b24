package ingest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	kuaishou "kslive/proto"
)

// probe asks whether a broadcast is still on air while its socket answers
// heartbeats and brings nothing else: no server tells everybody of the end. Its
// fields belong to the errand that is being done, but for those that say otherwise.
type probe struct {
	// ask looks the room up; nil: nobody does.
	ask func(ctx context.Context) (Resolution, error)
	// anew: a broadcast that is on air although its socket has fallen silent is
	// entered anew. One that stays silent is left alone after that.
	anew bool

	heardAt atomic.Int64 // when we were let in, or something was pushed last, in Unix ms; 0: not yet. Set by the reader.
	pushed  atomic.Bool  // something was, and the author has not just paused. Set by the reader.

	wait   time.Duration // to the next question, while the silence lasts
	about  int64         // heardAt when the last one was asked
	open   bool          // it is not answered yet
	asking sync.WaitGroup
	found  *Resolution // why we hang up; read when errands are over
	silent time.Duration
}

// note has seen a message of type t. The reader calls it.
func (p *probe) note(t kuaishou.PayloadType, now int64) {
	switch t {
	case kuaishou.PayloadType_SC_HEARTBEAT_ACK, kuaishou.PayloadType_SC_ERROR:
	case kuaishou.PayloadType_SC_ENTER_ROOM_ACK:
		p.heardAt.CompareAndSwap(0, now)
	default:
		p.heardAt.Store(now)
		p.pushed.Store(t != kuaishou.PayloadType_SC_AUTHOR_PAUSE)
	}
}

// look asks when the socket has been silent for long enough, and answers when
// to look again. The answer is given to answered; who asked waits for asking.
func (p *probe) look(ctx context.Context, c *connector, answered func(*Resolution)) time.Duration {
	limits, heard := &c.timing, p.heardAt.Load()
	silent := time.Since(time.UnixMilli(heard))
	switch {
	case p.ask == nil || heard == 0:
		return limits.probe
	case silent < limits.probe:
		return limits.probe - silent
	case p.open:
		return p.wait
	}
	select {
	case c.probing <- struct{}{}:
	default:
		return jittered(limits.probe, 0.2) // so many sockets are silent that it is not the rooms
	}
	if p.about != heard {
		p.about, p.wait = heard, limits.probe
	} else {
		p.wait = min(2*p.wait, limits.probeMost)
	}
	p.open = true
	p.asking.Go(func() {
		found, _ := p.ask(ctx) // none: nothing is known
		<-c.probing
		answered(&found)
	})
	return p.wait
}

// hangUp says whether what was found is a reason to leave the broadcast of that
// ID.
func (p *probe) hangUp(found *Resolution, broadcast string) bool {
	p.open = false
	if p.heardAt.Load() != p.about {
		return false // the silence is over
	}
	switch found.State {
	case StateOffline, StateEnded, StateBanned:
	case StateLive:
		if found.Endpoint.LiveStreamID == broadcast && !(p.anew && p.pushed.Load()) {
			return false
		}
	default:
		return false
	}
	p.found, p.silent = found, time.Since(time.UnixMilli(p.about)).Round(time.Second)
	return true
}

// reason is why we have hung up.
func (p *probe) reason(broadcast string) error {
	switch {
	case p.found.State != StateLive:
		return fmt.Errorf("nothing came for %v, and %s", p.silent, p.found.Reason)
	case p.found.Endpoint.LiveStreamID != broadcast:
		return fmt.Errorf("nothing came for %v, and the author is in another broadcast", p.silent)
	}
	return fmt.Errorf("nothing came for %v, although the room is on air", p.silent)
}
