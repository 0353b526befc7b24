package simulator

import (
	"cmp"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

const (
	// outboxSize is how many frames may wait for a client before it is dropped
	// as too slow.
	outboxSize = 256
	// patience is how long a client may take to enter, to take a frame and,
	// after the end, to close its side.
	patience = 10 * time.Second
	// missedHeartbeats is after how many heartbeats that did not come a client
	// is dropped.
	missedHeartbeats = 3
	// maxMessage is the longest message from a client in bytes.
	maxMessage = 64 << 10
)

// conn is one client's connection. The reader runs serve, the writer write.
type conn struct {
	simulator *Simulator
	socket    *websocket.Conn
	number    uint64 // from 1
	address   *room  // that the URL belongs to
	outbox    chan *frame
	room      atomic.Pointer[room] // nil until it is known which
	hears     hearing              // with streamID: belong to the room's mu
	streamID  string               // that it entered
	receipts  receipts
	ending    atomic.Bool // no heartbeat extends it any more
	farewell  bool        // the client has sent a close message; belongs to the reader

	dropOnce sync.Once
	dropped  chan struct{}
	written  chan struct{} // closed when the writer has returned
}

func (s *Simulator) acceptSocket(w http.ResponseWriter, r *http.Request, address *room, first bool) {
	if s.options.Strict && !s.fromBrowser(r) {
		http.Error(w, "not from a page of the site", http.StatusForbidden)
		return
	}
	socket, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	c := &conn{
		simulator: s, socket: socket, number: s.dialled.Add(1), address: address,
		outbox: make(chan *frame, outboxSize), dropped: make(chan struct{}), written: make(chan struct{}),
	}
	s.trace.dialled(r, address, first, c.number)
	socket.SetPongHandler(c.pong)
	closing := socket.CloseHandler()
	socket.SetCloseHandler(func(code int, text string) error {
		c.farewell = true
		c.thaw()
		return closing(code, text)
	})
	s.track(c, true)
	if !s.begin(c.serve) {
		c.drop()
		s.track(c, false)
	}
}

// send queues a frame and never waits.
func (c *conn) send(f *frame) {
	select {
	case c.outbox <- f:
	default:
		c.drop()
	}
}

// drop ends the connection at once; what is queued is not sent.
func (c *conn) drop() {
	c.dropOnce.Do(func() {
		close(c.dropped)
		_ = c.socket.Close()
	})
}

// flushed queues a marker and returns a channel that is closed when all frames
// before it are written or never will be.
func (c *conn) flushed() <-chan struct{} {
	marker := &frame{passed: make(chan struct{})}
	c.send(marker)
	return marker.passed
}

// serve reads until the client has gone, and owns the writer.
func (c *conn) serve() {
	go c.write() // waited for below
	defer func() {
		c.drop()
		<-c.written
		c.giveUp()
		c.note(Event{Kind: EventOver, Closed: c.farewell})
		c.simulator.track(c, false)
	}()
	c.socket.SetReadLimit(maxMessage)
	_ = c.socket.SetReadDeadline(time.Now().Add(patience))
	first, ok := c.read()
	if !ok {
		return
	}
	request := &kuaishou.CSWebEnterRoom{}
	if first.PayloadType != kuaishou.PayloadType_CS_ENTER_ROOM || proto.Unmarshal(first.Payload, request) != nil {
		c.send(&frame{then: goodbye})
		c.linger()
		return
	}
	room := c.simulator.entrance(request, c.address)
	if room == nil {
		c.refuse()
		c.linger()
		return
	}
	c.room.Store(room)
	delay := room.wrong().AckDelay
	entered := make(chan struct{})
	go func() { // waited for below
		defer close(entered)
		c.enter(room, request, delay)
	}()
	defer func() {
		c.drop()
		<-entered
		room.leave(c)
	}()
	if delay == 0 {
		<-entered
	}
	c.listen(room)
}

// enter enters the room after a delay, unless the client has gone by then.
func (c *conn) enter(room *room, request *kuaishou.CSWebEnterRoom, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.dropped:
		return
	}
	if err := room.enter(c, request); err != nil {
		c.simulator.options.Logger.Error("entering a room", "live_id", room.liveID, "error", err)
		c.drop()
	}
}

// thaw waits while the room is half open.
func (c *conn) thaw() {
	for room := c.room.Load(); room != nil; {
		frozen := room.frozen()
		if frozen == nil {
			return
		}
		select {
		case <-frozen:
		case <-c.dropped:
			return
		}
	}
}

// listen answers heartbeats until the client leaves or misses them.
func (c *conn) listen(room *room) {
	limit := room.patienceWith()
	c.extend(limit)
	for {
		message, ok := c.read()
		if !ok {
			return
		}
		switch message.PayloadType {
		case kuaishou.PayloadType_CS_HEARTBEAT:
			c.extend(limit)
			if faults := room.wrong(); !faults.Silence && !faults.IgnoreHeartbeats {
				c.acknowledge(message.Payload)
			}
		case kuaishou.PayloadType_CS_USER_EXIT:
			room.leave(c)
			c.send(&frame{then: goodbye})
			c.linger()
			return
		}
	}
}

// read is the client's next message, or false when there is none: it has
// closed, is too late, or sent what is no SocketMessage.
func (c *conn) read() (*kuaishou.SocketMessage, bool) {
	kind, data, err := c.socket.ReadMessage()
	if err == nil {
		c.note(Event{Kind: EventFrame, Text: kind == websocket.TextMessage, Data: data})
	}
	c.thaw() // also when it failed: the client that has gone is not to be noticed
	if err != nil || kind != websocket.BinaryMessage {
		return nil, false
	}
	message := &kuaishou.SocketMessage{}
	return message, proto.Unmarshal(data, message) == nil
}

// note adds an event of this connection to the trace.
func (c *conn) note(event Event) {
	event.Connection, event.LiveID = c.number, c.address.liveID
	c.simulator.trace.add(event)
}

// extend gives the client so much time for its next heartbeat.
func (c *conn) extend(limit time.Duration) {
	if !c.ending.Load() {
		_ = c.socket.SetReadDeadline(time.Now().Add(limit))
	}
}

// linger reads what still comes until the client closes its side. Closing with
// unread data would reset the connection, and what was written last could not
// be read any more.
func (c *conn) linger() {
	for {
		if _, _, err := c.socket.NextReader(); err != nil {
			return
		}
	}
}

func (c *conn) acknowledge(payload []byte) {
	heartbeat := &kuaishou.CSWebHeartbeat{}
	if proto.Unmarshal(payload, heartbeat) != nil {
		return
	}
	now := time.Now()
	f := &frame{}
	ack := &kuaishou.SCWebHeartbeatAck{Timestamp: uint64(now.UnixMilli()), ClientTimestamp: heartbeat.Timestamp}
	if err := control(f, kuaishou.PayloadType_SC_HEARTBEAT_ACK, ack, now); err == nil {
		c.send(f)
	}
}

// refuse answers who entered no room that ever was. No row can be told from
// it, so the ledger does not know it.
func (c *conn) refuse() {
	f := &frame{then: goodbye}
	refusal := &kuaishou.SCWebError{Code: CodeBadParameter, Msg: Title(CodeBadParameter)}
	if err := control(f, kuaishou.PayloadType_SC_ERROR, refusal, time.Now()); err == nil {
		c.send(f)
	}
}

// write sends what is queued until the connection ends.
func (c *conn) write() {
	defer close(c.written)
	for {
		select {
		case <-c.dropped:
			return
		case f := <-c.outbox:
			if f.passed != nil {
				c.ping()
				close(f.passed)
				continue
			}
			c.thaw()
			if !c.writeFrame(f) {
				return
			}
		}
	}
}

// writeFrame reports whether more may follow.
func (c *conn) writeFrame(f *frame) bool {
	_ = c.socket.SetWriteDeadline(time.Now().Add(patience))
	if len(f.data) > 0 {
		c.note(Event{Kind: EventSent, Data: f.data}) // before what the client answers
		if err := c.socket.WriteMessage(websocket.BinaryMessage, f.data); err != nil {
			c.drop()
			return false
		}
		c.simulator.frames.Add(1)
		if !f.recorded.Swap(true) {
			c.simulator.ledger.add(f.entries)
		}
		c.wrote(f)
	}
	if f.then != stay || len(c.outbox) == 0 {
		c.ping()
	}
	if f.then == stay {
		return true
	}
	c.ending.Store(true)
	_ = c.socket.SetReadDeadline(time.Now().Add(patience))
	if f.then == goodbye {
		bye := websocket.FormatCloseMessage(cmp.Or(f.code, websocket.CloseNormalClosure), "")
		_ = c.socket.WriteControl(websocket.CloseMessage, bye, time.Now().Add(patience))
	} else if stream, ok := c.socket.NetConn().(interface{ CloseWrite() error }); ok { // TCP and TLS
		_ = stream.CloseWrite()
	}
	return false
}
