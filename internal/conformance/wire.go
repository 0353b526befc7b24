package main

import (
	"encoding/hex"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"kslive/internal/simulator"
	kuaishou "kslive/proto"
)

// attempt is one handshake of the client and what came of it.
type attempt struct {
	at         time.Time
	group      int    // 1 or 2: which of the room's URLs
	query      string // of the URL
	connection uint64 // 0: the URL was dead

	entry      *kuaishou.CSWebEnterRoom // nil until it came
	enteredAt  time.Time
	heartbeats []beat
	leftAt     time.Time // of a 202; zero: none
	over       bool      // the connection is gone, at overAt
	overAt     time.Time
	closed     bool      // by a close message of the client
	lastSent   time.Time // when the server last sent something
	acked      bool      // the server let it in
}

// beat is a heartbeat.
type beat struct {
	at   time.Time
	says uint64 // its timestamp
}

// record is what a client did, in order.
type record struct {
	attempts []*attempt
	broken   error // the first message that breaks the rules of all messages
	read     int   // events
}

// take reads more events.
func (r *record) take(events []simulator.Event) {
	for i := range events {
		r.read++
		event := &events[i]
		if event.Kind == simulator.EventDial {
			r.attempts = append(r.attempts, &attempt{at: event.At, group: event.Group, query: event.Query, connection: event.Connection})
			continue
		}
		for _, a := range r.attempts {
			if a.connection == event.Connection {
				r.happened(a, event)
			}
		}
	}
}

func (r *record) happened(a *attempt, event *simulator.Event) {
	switch event.Kind {
	case simulator.EventSent:
		a.lastSent = event.At
		a.acked = a.acked || event.Type == uint32(kuaishou.PayloadType_SC_ENTER_ROOM_ACK)
	case simulator.EventOver:
		a.over, a.overAt, a.closed = true, event.At, event.Closed
	case simulator.EventFrame:
		if err := a.message(event); err != nil && r.broken == nil {
			r.broken = err
		}
	}
}

// message reads what the client sent, and says what is wrong with it.
func (a *attempt) message(event *simulator.Event) error {
	envelope := &kuaishou.SocketMessage{}
	switch {
	case event.Text:
		return fmt.Errorf("it sent a text message; every message is one binary SocketMessage (2.1)")
	case proto.Unmarshal(event.Data, envelope) != nil || envelope.PayloadType == 0:
		return fmt.Errorf("it sent %s, which is no SocketMessage (2.1)", hex.EncodeToString(event.Data))
	case envelope.CompressionType > kuaishou.SocketMessage_NONE:
		return fmt.Errorf("it sent a compressed message; clients never compress (4)")
	}
	switch envelope.PayloadType {
	case kuaishou.PayloadType_CS_ENTER_ROOM:
		if a.entry != nil {
			return fmt.Errorf("it entered twice over one connection (2.2)")
		}
		a.entry, a.enteredAt = &kuaishou.CSWebEnterRoom{}, event.At
		if proto.Unmarshal(envelope.Payload, a.entry) != nil || a.entry.Token == "" || a.entry.LiveStreamId == "" {
			return fmt.Errorf("it entered without token and liveStreamId (2.2)")
		}
	case kuaishou.PayloadType_CS_HEARTBEAT:
		heartbeat := &kuaishou.CSWebHeartbeat{}
		_ = proto.Unmarshal(envelope.Payload, heartbeat) // then it says 0, which is judged
		a.heartbeats = append(a.heartbeats, beat{event.At, heartbeat.Timestamp})
	case kuaishou.PayloadType_CS_USER_EXIT:
		a.leftAt = event.At
	}
	if a.entry == nil {
		return fmt.Errorf("its first message is %d and not 200 (2.2)", envelope.PayloadType)
	}
	return nil
}

// entries are the attempts in which the client said that it wants to enter.
func (r *record) entries() []*attempt {
	var list []*attempt
	for _, a := range r.attempts {
		if a.entry != nil {
			list = append(list, a)
		}
	}
	return list
}

// mobile is whether an entry is one of the mobile share page's.
func mobile(entry *kuaishou.CSWebEnterRoom) bool {
	return entry.Kpn == "KUAISHOU_H5" && entry.Kpf == "OUTSIDE_IOS_H5" && entry.PageId == ""
}
