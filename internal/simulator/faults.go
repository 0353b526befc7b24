package simulator

import (
	"errors"
	"fmt"
	"time"

	kuaishou "kslive/proto"
)

// Faults are what is wrong with a room's sockets until it is set otherwise.
// The zero value is nothing.
type Faults struct {
	// DeadFirstURL makes the first of the room's two websocket URLs one that
	// does not answer the handshake, DeadURLs both. Open connections stay.
	DeadFirstURL bool `json:"dead_first_url"`
	DeadURLs     bool `json:"dead_urls"`
	// RefuseToken answers every entry with 103 {6001}.
	RefuseToken bool `json:"refuse_token"`
	// BareAck names no intervals in 300: clients are to know the usual ones.
	BareAck bool `json:"bare_ack"`
	// RefuseReconnect answers so an entry that counts as a reconnect and comes
	// with a token that was entered with before. Pages and calls then give a new
	// one.
	RefuseReconnect bool `json:"refuse_reconnect"`
	// Refusal, when its code is not 0, is what every entry is answered with.
	Refusal Rejection `json:"refusal"`
	// HangUp closes the connection right after the first frame when the token is
	// bad, instead of a 103 {6001}.
	HangUp bool `json:"hang_up"`
	// CountersOnly lets in who comes with a wrong or old liveStreamId or with
	// another room's token, and lets them hear nothing but counters.
	CountersOnly bool `json:"counters_only"`
	// AckDelay is how late the answer to an entry comes; pushes come after it.
	// From 0 to 10 minutes; in JSON it is nanoseconds.
	AckDelay time.Duration `json:"ack_delay"`
	// IgnoreHeartbeats answers none. Pushes go on.
	IgnoreHeartbeats bool `json:"ignore_heartbeats"`
	// Silence keeps connections open and sends nothing, heartbeat acks included.
	Silence bool `json:"silence"`
	// HalfOpen is a silence in which nothing is read or closed either, not even
	// when the client has gone. What ends connections takes effect afterwards.
	HalfOpen bool `json:"half_open"`
	// Burst multiplies the rate, from 0 to 10,000; 0 leaves it. A client that
	// is more than outboxSize frames behind is dropped.
	Burst float64 `json:"burst"`
	// Garbage is how many broken frames come with each push, from 0 to 100: the
	// kinds of garbage in turn.
	Garbage int `json:"garbage"`
}

func (f Faults) validate() error {
	switch {
	case f.AckDelay < 0 || f.AckDelay > 10*time.Minute:
		return errors.New("the delay of an ack is not between 0 and 10 minutes")
	case f.Burst < 0 || f.Burst > 10_000:
		return errors.New("a burst is not between 0 and 10,000 times the rate")
	case f.Garbage < 0 || f.Garbage > 100:
		return errors.New("garbage is not between 0 and 100 frames a push")
	}
	return nil
}

// SetFaults makes the room's sockets so from now on.
func (s *Simulator) SetFaults(liveID string, faults Faults) error {
	if err := faults.validate(); err != nil {
		return err
	}
	return s.with(liveID, func(r *room) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.faults = faults
		switch {
		case faults.HalfOpen && r.thawed == nil:
			r.thawed = make(chan struct{})
		case !faults.HalfOpen && r.thawed != nil:
			close(r.thawed)
			r.thawed = nil
		}
		return nil
	})
}

// Cut ends every connection in the room without a close message, as a failing
// network does. What was sent before can still be read.
func (s *Simulator) Cut(liveID string) error {
	return s.with(liveID, func(r *room) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.dismiss(&frame{then: cut})
		return nil
	})
}

// Closing is how the server closes websockets.
type Closing struct {
	// Code is the close code: 1000 to 4999, without those that only stand for a
	// close that did not happen.
	Code int `json:"code"`
}

// CloseSockets closes every websocket in the room with a code. The room stays
// live.
func (s *Simulator) CloseSockets(liveID string, closing Closing) error {
	switch code := closing.Code; {
	case code < 1000 || code > 4999, code == 1004, code == 1005, code == 1006, code == 1015:
		return fmt.Errorf("%d is no close code that a server can send", code)
	}
	return s.with(liveID, func(r *room) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.dismiss(&frame{then: goodbye, code: closing.Code})
		return nil
	})
}

// Rejection is what a 103 says.
type Rejection struct {
	// Code is a result code such as CodeBadToken.
	Code    uint32 `json:"code"`
	SubCode uint32 `json:"sub_code"`
	// The window for the next connection in milliseconds; 0 names none.
	MinDelayMs uint64 `json:"min_delay_ms"`
	MaxDelayMs uint64 `json:"max_delay_ms"`
}

// Reject sends 103 to everybody in the room and closes their connections. The
// room stays live.
func (s *Simulator) Reject(liveID string, rejection Rejection) error {
	if rejection.Code == 0 {
		return errors.New("a rejection needs a code")
	}
	return s.with(liveID, func(r *room) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.live {
			return nil
		}
		f, err := r.refusal(r.generator.streamID, rejection)
		if err != nil {
			return err
		}
		r.dismiss(f)
		return nil
	})
}

// Giant is a push of many long comments.
type Giant struct {
	// Bytes is the length of the websocket message, from 64 KiB to 64 MiB.
	Bytes int `json:"bytes"`
}

// clientLimit is the longest message in bytes that the ingester takes.
const clientLimit = 16<<20 - 4<<10

// PushGiant sends one giant push to everybody in the room. One that is longer
// than clients take is not in the ledger, and nothing is pushed after it over
// the same connections, which clients close. Rooms that play are passed over.
func (s *Simulator) PushGiant(liveID string, giant Giant) error {
	if giant.Bytes < 64<<10 || giant.Bytes > 64<<20 {
		return errors.New("a giant push is not between 64 KiB and 64 MiB")
	}
	return s.with(liveID, func(r *room) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.conns) == 0 || r.mute() || r.playback != nil {
			return nil
		}
		f, err := r.generator.giant(giant.Bytes)
		if err != nil {
			return err
		}
		if giant.Bytes > clientLimit {
			f.entries = nil
			r.dismiss(f)
			return nil
		}
		r.tell(f)
		return nil
	})
}

// Push is one message to push at once.
type Push struct {
	// PayloadType is one of those about the room's state, such as 301 (the author
	// pauses). Of one that nothing is known of, the payload is what nobody can
	// decode.
	PayloadType uint32 `json:"payload_type"`
}

// Push pushes one message to everybody in the room.
func (s *Simulator) Push(liveID string, push Push) error {
	if push.PayloadType < 100 || push.PayloadType == 310 {
		return errors.New("a message to push needs the payload type of a message about the room's state")
	}
	return s.with(liveID, func(r *room) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.generator == nil || r.mute() {
			return nil
		}
		f, err := r.generator.stateMessageOf(kuaishou.PayloadType(push.PayloadType))
		if err != nil {
			return err
		}
		r.tell(f)
		return nil
	})
}

// mute is whether the room says nothing at all. The caller holds mu.
func (r *room) mute() bool { return r.faults.Silence || r.faults.HalfOpen }

// frozen is nil, or while the room is half open a channel that is closed when
// it no longer is.
func (r *room) frozen() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.thawed
}

// wrong is the room's faults.
func (r *room) wrong() Faults {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faults
}

// dead is whether one of the two websocket URLs is.
func (r *room) dead(first bool) bool {
	faults := r.wrong()
	return faults.DeadURLs || first && faults.DeadFirstURL
}
