package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// frameAppender keeps what was received.
type frameAppender interface {
	// Append returns when the frame is so kept that it survives the death of the
	// process. It must not hold on to frame or its data afterwards: both are used
	// again. An error means that nothing more can be kept.
	Append(frame *kuaishou.Frame) error
}

// roomMetrics is told what happens on sockets.
type roomMetrics interface {
	// frame is called for each message kept. t is 0 when it was no envelope.
	frame(t kuaishou.PayloadType, bytes int)
	// reconnect is called for each connection that did not last, with one of
	// the causes below.
	reconnect(cause string)
	// connected is called with +1 when a socket is open and with -1 when not.
	connected(delta int)
}

// Why a session was over.
const (
	causeDial     = "dial"     // it could not be opened
	causeNoAck    = "no_ack"   // the server did not answer to entering the room
	causeSilent   = "silent"   // two and a half heartbeats without any message, or nothing but answers to them
	causeTooBig   = "too_big"  // a message larger than maxMessage
	causeClosed   = "closed"   // the server or the network closed it
	causeWrite    = "write"    // a message could not be sent
	causeRejected = "rejected" // the server sent an SC_ERROR
	causeAppend   = "append"   // frames could not be kept
	causeLeft     = "left"     // we were told to leave
	causeMute     = "mute"     // only counters came, while many were watching
)

// ending is how a session came to its end.
type ending struct {
	cause string
	err   error // nil for causeLeft and causeRejected
	// code and message are those of an SC_ERROR.
	code    int
	message string
	// entered says that the server let us into the room, lasted for how long.
	entered bool
	lasted  time.Duration
	// The window for the next reconnect that the server named; 0 when it did not.
	reconnectFrom, reconnectTo time.Duration
	// found is the look-up that we hung up for; nil: none.
	found *Resolution
}

// reason is the ending in a sentence; empty when we left.
func (e ending) reason() string {
	switch {
	case e.cause == causeRejected:
		return reasonOfCode(e.code, e.message)
	case e.err != nil:
		return quotable(e.err.Error())
	}
	return ""
}

// closeCode is the websocket's, 0 when the connection ended without one.
func (e ending) closeCode() int {
	closed, _ := errors.AsType[*websocket.CloseError](e.err)
	if closed == nil {
		return 0
	}
	return closed.Code
}

// session is one connection to a room. Its fields belong to the goroutine that
// reads, but for those that say otherwise. What else it does are errands: there are
// thousands of sessions, and hardly ever anything to do.
type session struct {
	connector *connector
	conn      *websocket.Conn // nil: it could not be opened, and ending says why
	hello     []byte          // enters the room
	frames    frameAppender
	metrics   roomMetrics
	coverage  *coverageLog
	entered   func()   // called once, when the server lets us in
	limit     deadline // used by errands, too
	errands   errands

	frame    kuaishou.Frame  // used again for each message
	record   *kuaishou.Frame // has the session's Coverage
	recorded int64           // when that was last written, in Unix ms
	since    time.Time       // when we were let in
	patience time.Duration   // how long the socket may be silent
	ending   ending
	quiet    quiet
	mute     time.Duration // how long it may bring counters alone; 0: for ever
	spoke    func()        // called once, when something else has come; nil: nobody asks
	probe    probe
}

// run enters the room and reads until the session is over; conn is closed then,
// and ending says why. Every message is kept before it is looked at. When ctx is done
// the server is told that the user leaves, and what it still sends is read
// until it closes or timing.leave is over.
func (s *session) run(ctx context.Context) {
	if s.conn == nil {
		return
	}
	s.metrics.connected(+1)
	defer s.metrics.connected(-1)
	s.limit.conn = s.conn.NetConn()
	s.patience = s.connector.timing.ack
	err := s.send(s.hello, nil)
	if s.hello = nil; err != nil {
		s.conn.Close() // nothing was received that its error could be about
		s.ending.cause, s.ending.err = causeWrite, err
		return
	}

	asking, stopAsking := context.WithCancel(ctx)
	defer s.probe.asking.Wait()
	s.beginErrands(ctx, asking)
	s.read()
	if err := s.errands.failed(); err != nil && (s.ending.cause == causeClosed || s.ending.cause == causeSilent) {
		s.ending.cause, s.ending.err = causeWrite, err
	}
	stopAsking()
	s.errands.over.Store(true)
	// A courtesy: the session is over whether or not it is heard.
	_ = s.conn.WriteControl(websocket.CloseMessage,
		websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(s.connector.timing.end))
	s.conn.Close()
	s.errands.end()

	if s.ending.cause != causeAppend && s.ending.cause != causeRejected {
		switch {
		case ctx.Err() != nil:
			s.ending.cause, s.ending.err = causeLeft, nil
		case s.probe.found != nil:
			s.ending.cause, s.ending.err, s.ending.found = causeSilent, s.probe.reason(s.frame.LiveStreamId), s.probe.found
			s.record.Coverage.LastFrameAt = s.probe.about // that heartbeats were answered is no hearing
		}
	}
	if !s.since.IsZero() {
		// Of a silent end only what was before the silence speaks for the connection.
		s.ending.entered, s.ending.lasted = true, time.Since(s.since)
		if s.ending.cause == causeSilent {
			s.ending.lasted = time.UnixMilli(s.record.Coverage.LastFrameAt).Sub(s.since)
		}
	}
}

// read reads until the connection ends or frames cannot be kept.
func (s *session) read() {
	for {
		s.limit.extend(s.patience)
		// Text messages are kept like binary ones: nobody has seen one, and so
		// nobody knows that they mean nothing.
		buffer, err := s.connector.read(s.conn)
		if err != nil {
			s.broken(err)
			return
		}
		data := buffer.Bytes()
		s.frame.ReceivedAt, s.frame.Data = time.Now().UnixMilli(), data
		s.frame.FrameNumber++
		if err := s.frames.Append(&s.frame); err != nil {
			s.connector.release(buffer)
			s.ending.cause, s.ending.err = causeAppend, err
			return
		}
		t, ok := payloadType(data)
		s.metrics.frame(t, len(data))
		s.heard(t, len(data))
		if ok {
			s.probe.note(t, s.frame.ReceivedAt)
			s.control(t, data)
			s.listen(t, data)
		}
		s.frame.Data = nil
		s.connector.release(buffer)
		if s.mute > 0 && s.ending.cause == "" && s.quiet.suspect(s.since, s.mute) {
			s.ending.cause = causeMute
			s.ending.err = fmt.Errorf("only counters came for %v while %d people were watching: the broadcast or the address is likely an old one", s.mute, s.quiet.watching)
			return
		}
	}
}

// listen notices whether anything but counters comes, where that matters.
func (s *session) listen(t kuaishou.PayloadType, data []byte) {
	if s.mute > 0 || s.spoke != nil {
		s.quiet.note(t, data)
	}
	if s.spoke != nil && s.quiet.alive {
		s.spoke()
		s.spoke = nil
	}
}

// broken says why the connection ended, unless the server has said it.
func (s *session) broken(err error) {
	if s.ending.cause != "" {
		return
	}
	s.ending.cause, s.ending.err = causeClosed, err
	var network net.Error
	timeout := errors.As(err, &network) && network.Timeout()
	switch {
	case errors.Is(err, websocket.ErrReadLimit):
		s.ending.cause = causeTooBig
		s.ending.err = fmt.Errorf("the server sent a message larger than %d bytes", maxMessage)
	case timeout && s.since.IsZero():
		s.ending.cause = causeNoAck
		s.ending.err = fmt.Errorf("the server did not answer to entering the room within %v", s.patience)
	case timeout:
		s.ending.cause = causeSilent
		s.ending.err = fmt.Errorf("the server sent nothing for %v", s.patience)
	}
}

// control acts on the messages that steer the connection.
func (s *session) control(t kuaishou.PayloadType, data []byte) {
	switch t {
	case kuaishou.PayloadType_SC_ERROR:
		var failure kuaishou.SCWebError
		if !openPayload(data, &failure) || s.ending.cause != "" {
			return
		}
		s.ending.cause = causeRejected
		s.ending.code, s.ending.message = int(failure.Code), failure.Msg
		if failure.MinDelayMs > 0 || failure.MaxDelayMs > 0 {
			s.reconnectWindow(failure.MinDelayMs, failure.MaxDelayMs)
		}
		// The server closes next; what it sent before that is still to be read.
		s.limit.last(s.connector.timing.end)
	case kuaishou.PayloadType_SC_ENTER_ROOM_ACK:
		var ack kuaishou.SCWebEnterRoomAck
		if !openPayload(data, &ack) {
			ack.Reset() // we are in all the same
		}
		if ack.MinReconnectMs > 0 || ack.MaxReconnectMs > 0 {
			s.reconnectWindow(ack.MinReconnectMs, ack.MaxReconnectMs)
		}
		s.letIn(s.connector.timing.interval(ack.HeartbeatIntervalMs))
	case kuaishou.PayloadType_SC_HEARTBEAT_ACK:
		// That it came has moved the deadline, and that is all it is for.
	default:
		// A push without an ack before it: data is no reason to hang up.
		if s.since.IsZero() {
			s.letIn(s.connector.timing.heartbeat)
		}
	}
}

// openPayload reads the payload of an envelope, and says whether it could.
func openPayload(data []byte, message proto.Message) bool {
	envelope, err := openEnvelope(data)
	return err == nil && proto.Unmarshal(envelope.Payload, message) == nil
}

// letIn starts the heartbeats, or changes their interval.
func (s *session) letIn(interval time.Duration) {
	s.patience = interval * 5 / 2
	s.beatEvery(interval)
	if s.since.IsZero() {
		s.since = time.Now()
		s.record.Coverage.ConnectedAt = s.since.UnixMilli()
		s.checkpoint()
		s.entered()
	}
}

func (s *session) reconnectWindow(fromMs, toMs uint64) {
	s.ending.reconnectFrom = milliseconds(fromMs)
	s.ending.reconnectTo = max(milliseconds(toMs), s.ending.reconnectFrom)
}
