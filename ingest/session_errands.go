package ingest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	kuaishou "kslive/proto"
)

// errands are what a session does while it is read: heartbeats, asking about a
// silence, the farewell. Each is done by a goroutine of its own, one after the other,
// and none when there is nothing to do.
type errands struct {
	over atomic.Bool // no errand begins any more
	err  atomic.Pointer[error]

	doing sync.Mutex // held by the errand that is being done
	last  bool       // it was: the farewell, or one that failed; doing covers it

	leaving func() bool // stops the wait for the session's context
	silent  *time.Timer
	beating sync.Mutex // covers the rest
	every   time.Duration
	beat    *time.Timer // nil until the server has let us in
}

// failed is why a message could not be sent; nil when all could. The first counts.
func (e *errands) failed() error {
	if err := e.err.Load(); err != nil {
		return *err
	}
	return nil
}

// end returns when no errand is being done. The connection must be closed.
func (e *errands) end() {
	e.leaving()
	e.doing.Lock()
	defer e.doing.Unlock()
	e.silent.Stop()
	if e.beat != nil {
		e.beat.Stop()
	}
}

// errand does one, which returns true when it was the last.
func (s *session) errand(do func() (last bool, err error)) {
	s.errands.doing.Lock()
	defer s.errands.doing.Unlock()
	if s.errands.over.Load() || s.errands.last {
		return
	}
	last, err := do()
	if err != nil {
		s.errands.err.Store(&err) // before the reader is woken, which then finds it
		// What the server sent before it closed is still to be read.
		s.limit.last(s.connector.timing.end)
	}
	s.errands.last = last || err != nil
}

// beginErrands has the farewell be said when ctx is done, and silences be asked
// about. Asking is done when nobody waits for answers about the broadcast any more.
func (s *session) beginErrands(ctx, asking context.Context) {
	s.errands.doing.Lock() // none begins before all is set
	defer s.errands.doing.Unlock()
	s.errands.leaving = context.AfterFunc(ctx, func() { s.errand(s.sayGoodbye) })
	s.errands.silent = time.AfterFunc(s.connector.timing.probe, func() { s.lookForSilence(asking) })
}

// lookForSilence asks about the broadcast when that is due.
func (s *session) lookForSilence(asking context.Context) {
	s.errand(func() (bool, error) {
		s.errands.silent.Reset(s.probe.look(asking, s.connector, func(found *Resolution) {
			s.errand(func() (bool, error) {
				if s.probe.hangUp(found, s.frame.LiveStreamId) {
					return s.sayGoodbye()
				}
				return false, nil
			})
		}))
		return false, nil
	})
}

// beatEvery has heartbeats be sent at an interval, the first after it. The reader
// calls it.
func (s *session) beatEvery(interval time.Duration) {
	e := &s.errands
	e.beating.Lock()
	defer e.beating.Unlock()
	e.every = interval
	if e.beat == nil {
		e.beat = time.AfterFunc(s.connector.untilBeat(interval), func() { s.errand(s.sendBeat) })
		return
	}
	e.beat.Reset(s.connector.untilBeat(interval))
}

func (s *session) sendBeat() (bool, error) {
	s.errands.beating.Lock()
	s.errands.beat.Reset(s.connector.untilBeat(s.errands.every))
	s.errands.beating.Unlock()
	return false, s.send(clientMessage(kuaishou.PayloadType_CS_HEARTBEAT, &kuaishou.CSWebHeartbeat{Timestamp: uint64(time.Now().UnixMilli())}))
}

// sayGoodbye tells the server that the user leaves. What it sends then is read on.
func (s *session) sayGoodbye() (bool, error) {
	s.limit.last(s.connector.timing.leave)
	return true, s.send(clientMessage(kuaishou.PayloadType_CS_USER_EXIT, &kuaishou.CSWebUserExit{Time: uint64(time.Now().UnixMilli())}))
}

// send sends a message that was made without an error. Errands alone call it once
// there are any.
func (s *session) send(message []byte, err error) error {
	if err != nil {
		return err
	}
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.connector.timing.write)); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	if err := s.conn.WriteMessage(websocket.BinaryMessage, message); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	return nil
}
