package ingest

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	kuaishou "kslive/proto"
)

const (
	// muteCounters is how many messages with counters alone must have come before
	// a room is suspected, muteWatching how many people must be watching.
	muteCounters = 20
	muteWatching = 200
)

// quiet notices a socket that brings only counters: what is reported of a wrong
// or old liveStreamId, and of a token sent to another group's address. It looks
// into frames only until the first sign of life.
type quiet struct {
	alive    bool // something but counters came
	counters int  // messages of counters alone
	watching uint64
}

// note looks at a frame of type t.
func (q *quiet) note(t kuaishou.PayloadType, data []byte) {
	switch {
	case q.alive:
	case t == kuaishou.PayloadType_SC_FEED_PUSH:
		q.push(data)
	case t == kuaishou.PayloadType_SC_ENTER_ROOM_ACK, t == kuaishou.PayloadType_SC_HEARTBEAT_ACK,
		t == kuaishou.PayloadType_SC_LIVE_WATCHING_LIST: // a list of people is no sign that we are in the right broadcast
	default:
		q.alive = true
	}
}

// push looks for the feeds of a 310; one that is compressed is large, and so
// has some.
func (q *quiet) push(data []byte) {
	var payload []byte
	envelope := fieldReader{rest: data}
	for envelope.next() {
		switch {
		case envelope.is(2, protowire.VarintType) && envelope.value > uint64(kuaishou.SocketMessage_NONE):
			q.alive = true
			return
		case envelope.is(3, protowire.BytesType):
			payload = envelope.raw
		}
	}
	fields := fieldReader{rest: payload}
	for fields.next() {
		switch {
		case fields.is(1, protowire.BytesType):
			q.watching, _ = parseCount(string(fields.raw))
		case fields.number >= 5 && fields.is(fields.number, protowire.BytesType) && fields.number != 6 && fields.number != 10:
			q.alive = true // not a cursor: a feed
			return
		}
	}
	q.counters++
}

// suspect says whether the room has brought counters alone since it was let in,
// for longer than a room of so many people is silent.
func (q *quiet) suspect(since time.Time, limit time.Duration) bool {
	return !q.alive && q.counters >= muteCounters && q.watching >= muteWatching && !since.IsZero() && time.Since(since) >= limit
}
