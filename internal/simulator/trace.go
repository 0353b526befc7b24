package simulator

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// maxEvents is how many events a trace keeps; later ones are not kept.
const maxEvents = 1 << 16

// The kinds of Event.
const (
	EventDial  = "dial"  // a handshake
	EventFrame = "frame" // a message from the client
	EventSent  = "sent"  // a message to the client
	EventOver  = "over"  // the connection is gone
)

// Event is one thing that happened on a socket.
type Event struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"`
	// Connection counts connections from 1; a handshake that came to nothing has 0.
	Connection uint64 `json:"connection"`
	LiveID     string `json:"live_id"` // of the room that the URL belongs to
	// Group is 1 or 2: which of the room's URLs. Origin is what a handshake says.
	Group  int    `json:"group"`
	Origin string `json:"origin"`
	Query  string `json:"query"`
	// Text is set on a frame that was not binary, Type is the payload type, or 0
	// when the frame was no envelope, and Data the message, of frames only.
	Text bool   `json:"text"`
	Type uint32 `json:"type"`
	Data []byte `json:"data"`
	// Closed is whether a connection that is over was ended by a close message
	// of the client.
	Closed bool `json:"closed"`
}

// trace is what happened on sockets, kept with Options.Trace only.
type trace struct {
	kept   bool
	mu     sync.Mutex
	events []Event
}

func (t *trace) add(event Event) {
	if !t.kept {
		return
	}
	event.At = time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events) < maxEvents {
		t.events = append(t.events, event)
	}
}

// dialled notes a handshake: of the connection of that number, or of none (0).
func (t *trace) dialled(r *http.Request, room *room, first bool, number uint64) {
	t.add(Event{
		Kind: EventDial, Connection: number, LiveID: room.liveID, Group: group(first),
		Origin: r.Header.Get("Origin"), Query: r.URL.RawQuery,
	})
}

func group(first bool) int {
	if first {
		return 1
	}
	return 2
}

// Trace is what happened on sockets so far, in order; nothing without
// Options.Trace. It ends after 65,536 events.
func (s *Simulator) Trace() []Event {
	s.trace.mu.Lock()
	defer s.trace.mu.Unlock()
	return slices.Clone(s.trace.events)
}

// typeOf is the payload type of a message, 0 when it is no envelope.
func typeOf(data []byte) uint32 {
	message := &kuaishou.SocketMessage{}
	if proto.Unmarshal(data, message) != nil {
		return 0
	}
	return uint32(message.PayloadType)
}
