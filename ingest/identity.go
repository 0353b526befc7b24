package ingest

import (
	"encoding/binary"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/encoding/protowire"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// identity computes event IDs. An ID is the same for the same event, whoever
// received it, over which connection, when, and however it was compressed, so
// that ClickHouse can merge what several workers or a replay stored.
//
// This is a promise to rows already stored: changing any of it doubles them at
// the next replay. An ID is xxHash64, seed 0, over these, where a number is an
// unsigned LEB128 varint and a text or bytes is its length as such a number,
// followed by itself:
//
//	live_stream_id
//	live_id                  only when live_stream_id is empty
//	payload type             as on the wire
//	time                     of the envelope, in ms; 0 in recalled feeds
//	field number             of the feed in the payload; 0 for the whole payload, and for the envelope
//	ordinal                  0 for the first of equal feeds in the frame, then 1, …
//	feed                     its bytes as they arrived; the uncompressed payload for the whole; for the
//	                         envelope its fields but for type, compression, payload and time
//
// What became of the feed does not count: a part that is undecoded today has
// the same ID when a later version gives it a table.
//
// Where a person was erased from the frame, bytes are not what they were: the
// frame then says which ID what is left has.
//
// A recalled comment has its id and time filled in, so its bytes differ from
// those of the same comment pushed over the socket, and so does its ID. The view
// comments_unique recognises the two as one.
type identity struct {
	hashed []byte // what the last ID is of, or all of it before a large feed
	frame  int    // how much of hashed is the frame's, equal for all its feeds
	digest xxhash.Digest
	seen   ordinals
	// kept is which ID a feed had before a person was erased from the frame, by
	// which it would have now; nil when nobody was.
	kept map[uint64]uint64
}

// start begins a frame.
func (i *identity) start(frame *kuaishou.Frame, message *kuaishou.SocketMessage) {
	sent := message.GetTime()
	if recalled(message.GetPayloadType()) {
		sent = 0 // there was no envelope but the one that we put around it
	}
	i.hashed = protowire.AppendString(i.hashed[:0], frame.GetLiveStreamId())
	if frame.GetLiveStreamId() == "" {
		i.hashed = protowire.AppendString(i.hashed, frame.GetLiveId())
	}
	i.hashed = binary.AppendUvarint(i.hashed, uint64(message.GetPayloadType()))
	i.hashed = binary.AppendUvarint(i.hashed, sent)
	i.frame = len(i.hashed)
	i.seen.reset()
	i.kept = frame.GetErasure().GetIdentities()
}

// of is the ID of a feed, or of the whole payload when number is 0. Each call
// counts as one more feed.
func (i *identity) of(number protowire.Number, feed []byte) uint64 {
	id := i.hash(number, 0, feed)
	if ordinal := i.seen.next(id); ordinal > 0 {
		id = i.hash(number, ordinal, feed)
	}
	if was, changed := i.kept[id]; changed {
		return was
	}
	return id
}

func (i *identity) hash(number protowire.Number, ordinal uint64, feed []byte) uint64 {
	const small = 1 << 10 // bytes that cost less to copy than to be hashed by a digest
	hashed := binary.AppendUvarint(i.hashed[:i.frame], uint64(number))
	hashed = binary.AppendUvarint(hashed, ordinal)
	hashed = binary.AppendUvarint(hashed, uint64(len(feed)))
	if len(feed) <= small {
		hashed = append(hashed, feed...)
		i.hashed = hashed
		return xxhash.Sum64(hashed)
	}
	i.hashed = hashed
	i.digest.Reset()
	_, _ = i.digest.Write(hashed) // never fails
	_, _ = i.digest.Write(feed)
	return i.digest.Sum64()
}

// ordinals counts how many feeds of a frame had an ID before the ordinal was
// counted in. A frame has a few feeds as a rule, and a map costs more than to
// look at all of them.
type ordinals struct {
	few  [16]uint64 // the first ones, each as often as it came
	n    int        // of few
	many map[uint64]uint64
}

func (o *ordinals) reset() {
	o.n = 0
	if len(o.many) > 0 {
		clear(o.many)
	}
}

// next is the ordinal of one more feed with that ID.
func (o *ordinals) next(id uint64) (ordinal uint64) {
	for _, before := range o.few[:o.n] {
		if before == id {
			ordinal++
		}
	}
	if o.n < len(o.few) {
		o.few[o.n] = id
		o.n++
		return ordinal
	}
	if o.many == nil {
		o.many = make(map[uint64]uint64)
	}
	ordinal += o.many[id]
	o.many[id]++
	return ordinal
}

// recalled says whether a payload type is one of those in which comment history
// is kept; no server sends them.
func recalled(t kuaishou.PayloadType) bool {
	return t == kuaishou.PayloadType_SC_WEB_COMMENT_FEED ||
		t == kuaishou.PayloadType_SC_WEB_COMMENT_RICH_TEXT_MESSAGE
}

// An event's clock is believed within these bounds of the receipt, so that
// garbage cannot scatter one insert over many partitions.
const (
	maxAge   = 48 * time.Hour
	maxAhead = 10 * time.Minute
)

// eventTime picks the best clock that can be believed; feed and envelope are
// in Unix milliseconds. The receipt is another for each worker, and so is then the
// row's key: the view undecoded_unique recognises by their IDs what can have no other.
func eventTime(feed, envelope uint64, received time.Time) (at time.Time, source string) {
	if at, ok := plausible(feed, received); ok {
		return at, schema.FromFeed
	}
	if at, ok := plausible(envelope, received); ok {
		return at, schema.FromEnvelope
	}
	return received, schema.FromReceipt
}

func plausible(ms uint64, received time.Time) (time.Time, bool) {
	at := timeOf(ms)
	age := received.Sub(at)
	return at, !at.IsZero() && age <= maxAge && age >= -maxAhead
}

// timeOf is ms, in Unix milliseconds, as a time; the zero time when ms is 0 or
// past the year 2200, which a column could not hold.
func timeOf(ms uint64) time.Time {
	const year2200 = 7_258_118_400_000
	if ms == 0 || ms >= year2200 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC()
}
