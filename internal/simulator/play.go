package simulator

import (
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// Playback is a recording that a room plays instead of what is invented.
type Playback struct {
	// LiveStreamID is that of the recording, so that its rows are told apart by
	// the same keys; empty: one is invented.
	LiveStreamID string
	// Frames begins to read the recording anew; it is called for each connection.
	// Reading ends at an error, which is logged.
	Frames func() iter.Seq2[*kuaishou.Frame, error]
	// Speed divides the time from frame to frame. 1 is as it was; more than 0.
	Speed float64
}

// PlayRoom makes a room that is live and plays a recording to everybody who
// enters it, each from its first frame. The bytes are sent as they were
// received, with the times that are in them, at the intervals of their receipt.
// At the end comes the recording's own 103, or 103 {601} when it has none; the
// room stays live, for others to enter.
//
// Left out are answers to heartbeats, since the client's own are answered, every
// 103 but one at the end, since it would part the client from the rest, and
// comments that were recalled. When a recording does not begin with the answer to
// entering, the client gets an ordinary one.
//
// The ledger knows nothing of the room, and leaves it out of an Audit: it is a
// witness of what was meant to be sent, and here nobody knows what was meant.
func (s *Simulator) PlayRoom(liveID string, playback Playback) error {
	if liveID == "" || playback.Frames == nil || !(playback.Speed > 0) {
		return errors.New("a room that plays needs a live id, frames and a speed above 0")
	}
	room := newRoom(s, liveID, RoomOptions{})
	room.playback = &playback
	if err := s.insert(room); err != nil {
		return err
	}
	s.ledger.leaveOut(liveID)
	return s.GoLive(liveID)
}

// beginPlay plays the recording to a client that was let in. The caller holds mu.
func (r *room) beginPlay(c *conn) error {
	r.conns[c] = true
	if !r.simulator.begin(func() { r.play(c) }) {
		c.drop()
	}
	return nil
}

// play sends the recording to c and ends the connection.
func (r *room) play(c *conn) {
	var last *frame // a 103, until it is known whether more follows
	var began time.Time
	var first int64
	for recorded, err := range r.playback.Frames() {
		if err != nil {
			r.simulator.options.Logger.Warn("playing a recording", "live_id", r.liveID, "error", err)
			break
		}
		kind := kindOf(recorded)
		if len(recorded.Data) == 0 || recorded.Source != kuaishou.Frame_SOURCE_SOCKET || kind == kuaishou.PayloadType_SC_HEARTBEAT_ACK {
			continue
		}
		if began.IsZero() {
			began, first = time.Now(), recorded.ReceivedAt
			if kind != kuaishou.PayloadType_SC_ENTER_ROOM_ACK && !r.acknowledgePlay(c) {
				return
			}
		}
		after := time.Duration(float64(recorded.ReceivedAt-first) * float64(time.Millisecond) / r.playback.Speed)
		if !c.waitUntil(began.Add(after)) {
			return
		}
		last = nil
		f := &frame{data: recorded.Data}
		if kind == kuaishou.PayloadType_SC_ERROR {
			f.then = goodbye
			last = f
			continue
		}
		if !r.playFrame(c, f) {
			return
		}
	}
	r.endPlay(c, last)
}

// kindOf is the payload type of a recorded frame, 0 when it has none.
func kindOf(recorded *kuaishou.Frame) kuaishou.PayloadType {
	var envelope kuaishou.SocketMessage
	_ = proto.Unmarshal(recorded.Data, &envelope) // what is no envelope is played too
	return envelope.PayloadType
}

// acknowledgePlay answers the entry to a recording that has no answer itself.
func (r *room) acknowledgePlay(c *conn) bool {
	ack := &kuaishou.SCWebEnterRoomAck{HeartbeatIntervalMs: uint64(r.simulator.options.Heartbeat.Milliseconds())}
	f := &frame{}
	if err := control(f, kuaishou.PayloadType_SC_ENTER_ROOM_ACK, ack, time.Now()); err != nil {
		r.simulator.options.Logger.Error("playing a recording", "live_id", r.liveID, "error", err)
		return false
	}
	return r.playFrame(c, f)
}

// playFrame queues a frame and reports whether more may follow. Unlike what is
// invented, a recording waits for a client that is slow.
func (r *room) playFrame(c *conn, f *frame) bool {
	r.mu.Lock()
	there, mute := r.conns[c], r.mute() || r.simulator.stopped.Load()
	r.mu.Unlock()
	switch {
	case !there:
		return false
	case mute:
		return true
	}
	if len(c.outbox) >= outboxSize/4 {
		select {
		case <-c.flushed():
		case <-c.written:
			return false
		}
	}
	c.send(f)
	return true
}

// endPlay sends the end of the recording, or of the live.
func (r *room) endPlay(c *conn, last *frame) {
	if last == nil {
		r.mu.Lock()
		var err error
		last, err = r.refusal(r.generator.streamID, Rejection{Code: CodeEnded})
		r.mu.Unlock()
		if err != nil {
			r.simulator.options.Logger.Error("ending a recording", "live_id", r.liveID, "error", err)
			c.drop()
			return
		}
	}
	if r.playFrame(c, last) {
		r.leave(c)
	}
}

// waitUntil waits, or reports that the connection has ended before.
func (c *conn) waitUntil(t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.dropped:
	case <-c.written:
	}
	return false
}

// patienceWith is how long a client may send nothing. Those that listen to a
// recording were told its interval.
func (r *room) patienceWith() time.Duration {
	if r.playback != nil {
		return missedHeartbeats * max(r.simulator.options.Heartbeat, time.Minute)
	}
	return missedHeartbeats * r.simulator.options.Heartbeat
}

// leaveOut makes audits pass over a room.
func (l *Ledger) leaveOut(liveIDs ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.played = append(l.played, liveIDs...)
}

// leftOut are the rooms that audits pass over.
func (l *Ledger) leftOut() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.played...)
}

// withoutPlayed is the condition that leaves them out.
func (l *Ledger) withoutPlayed() string {
	var where strings.Builder
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	for _, liveID := range l.leftOut() {
		fmt.Fprintf(&where, " AND live_id != '%s'", quote.Replace(liveID))
	}
	return where.String()
}
