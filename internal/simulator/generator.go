package simulator

import (
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// maxFeeds is how many feeds one 310 holds at most; more become several.
const maxFeeds = 100

// generator invents the pushes of one broadcast. What it invents depends on
// the seed, the room, the number of the broadcast and the number of the push;
// only times come from clock. It is not safe for concurrent use.
type generator struct {
	seed      uint64
	liveID    string
	streamID  string
	broadcast uint64
	push      uint64
	crowd     []*person
	prices    *prices
	clock     func() time.Time // each call is a later millisecond
	since     time.Time        // no event is older

	pcg    *rand.PCG
	rng    *rand.Rand // for the current push
	offset int        // where the room's regulars begin in crowd
	owed   float64    // feeds, the fraction left from earlier pushes
	likers int        // how many have liked already: each does so once

	watching uint64
	liked    uint64
	elapsed  time.Duration // the intervals so far
	combos   []*combo
	singles  map[string]*combo // those without a combo key, by mergeKey
	recent   recall
	signals  int
	broken   int // frames of garbage so far
}

func newGenerator(s *Simulator, liveID string, broadcast uint64, clock func() time.Time) *generator {
	pcg := source(s.options.Seed, liveID, broadcast, 1)
	rng := rand.New(pcg)
	return &generator{
		seed:      s.options.Seed,
		liveID:    liveID,
		streamID:  liveStreamID(s.options.Seed, liveID, broadcast),
		broadcast: broadcast,
		crowd:     s.crowd,
		prices:    &s.prices,
		clock:     clock,
		since:     s.ledger.since,
		pcg:       pcg,
		rng:       rng,
		offset:    rng.IntN(len(s.crowd)),
		watching:  50 + rng.Uint64N(1<<uint(6+rng.IntN(13))),
		liked:     rng.Uint64N(300_000),
		singles:   make(map[string]*combo),
		signals:   rng.IntN(len(stateMessages)),
	}
}

// next invents the push after which the room rests for the interval returned,
// about every, with the feeds of that time at a rate of feeds a second.
func (g *generator) next(every time.Duration, rate float64) ([]*frame, time.Duration, error) {
	g.push++
	*g.pcg = *source(g.seed, g.liveID, g.broadcast, g.push+1)
	interval := time.Duration((0.8 + 0.4*g.rng.Float64()) * float64(every))
	g.elapsed += interval
	if g.push%64 == 0 {
		g.forgetSingles()
	}
	g.owed += rate * interval.Seconds()
	feeds := int(g.owed)
	g.owed -= float64(feeds)

	var frames []*frame
	var failed error
	send := func(f *frame, err error) {
		if err != nil {
			failed = err
			return
		}
		frames = append(frames, f)
	}
	outside := feeds / 20 // comments from outside the room
	for left := feeds - outside; ; left -= maxFeeds {
		send(g.feedPush(min(left, maxFeeds)))
		if left <= maxFeeds {
			break
		}
	}
	if outside > 0 || (feeds > 0 && chance(g.rng, 12)) {
		send(g.richText(max(outside, 1)))
	}
	if g.push%12 == 1 {
		send(g.watchingList())
	}
	if chance(g.rng, 2) {
		send(g.actionSignal())
	}
	if g.push%2 == 0 {
		send(g.stateMessage())
	}
	if failed != nil {
		return nil, 0, fmt.Errorf("push %d of %s: %w", g.push, g.liveID, failed)
	}
	return frames, interval, nil
}

// event is the columns of an event at t.
func (g *generator) event(t time.Time) schema.Event {
	return schema.Event{LiveID: g.liveID, LiveStreamID: g.streamID, EventTime: t}
}

// person picks one of the room's regulars most of the time.
func (g *generator) person() *person {
	n := 300
	if chance(g.rng, 4) {
		n = len(g.crowd)
	}
	return g.crowd[(g.offset+g.rng.IntN(n))%len(g.crowd)]
}

// seal encodes message into f at t with one of the compressions.
func (g *generator) seal(f *frame, kind kuaishou.PayloadType, message proto.Message, t time.Time) (*frame, error) {
	payload, err := proto.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encoding a %v: %w", kind, err)
	}
	return g.sealRaw(f, kind, payload, t)
}

func (g *generator) sealRaw(f *frame, kind kuaishou.PayloadType, payload []byte, t time.Time) (*frame, error) {
	var err error
	f.data, err = envelope(kind, payload, g.compression(), t)
	return f, err
}

// compression is 1, 2 or 3 in about 70, 29 and 1 % of frames; some of those
// that are not compressed leave it out.
func (g *generator) compression() kuaishou.SocketMessage_CompressionType {
	switch n := g.rng.IntN(100); {
	case n < 1:
		return kuaishou.SocketMessage_AES
	case n < 30:
		return kuaishou.SocketMessage_GZIP
	case n < 35:
		return kuaishou.SocketMessage_UNKNOWN
	default:
		return kuaishou.SocketMessage_NONE
	}
}

// unknownField adds a field that no schema declares to message.
func unknownField(message proto.Message, number protowire.Number, content string) {
	raw := protowire.AppendTag(nil, number, protowire.BytesType)
	message.ProtoReflect().SetUnknown(protowire.AppendString(raw, content))
}
