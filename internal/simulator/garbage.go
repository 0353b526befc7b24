package simulator

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// garbageKinds are the ways in which a frame is broken, sent in turn. What each
// must become is known: a row of undecoded that holds what was broken.
var garbageKinds = []func(g *generator, f *frame) ([]byte, error){
	noise, cutEnvelope, badGzip, cutGzip, badBlocks, strangeCompression, brokenFeed, cutPayload, wrongWireType,
}

// garbage is a frame of the next kind.
func (g *generator) garbage() (*frame, error) {
	kind := garbageKinds[g.broken%len(garbageKinds)]
	g.broken++
	f := &frame{}
	data, err := kind(g, f)
	if err != nil {
		return nil, fmt.Errorf("garbage %d of %s: %w", g.broken, g.liveID, err)
	}
	f.data = data
	return f, nil
}

// undecoded notes that f becomes a row with what was broken. at is zero when
// that holds no time that can be read: the row then has its receipt's.
func (g *generator) undecoded(f *frame, at time.Time, kind kuaishou.PayloadType, part string, payload []byte) {
	f.add(&schema.Undecoded{Event: g.event(at), PayloadType: uint32(kind), Part: part, Payload: payload})
}

// noise is random bytes after a field number that cannot be: no envelope.
func noise(g *generator, f *frame) ([]byte, error) {
	data := append([]byte{0x07}, randomBytes(g.rng, 20+g.rng.IntN(500))...)
	g.undecoded(f, time.Time{}, 0, "", data)
	return data, nil
}

// cutEnvelope ends in the middle of its payload.
func cutEnvelope(g *generator, f *frame) ([]byte, error) {
	data, err := envelope(kuaishou.PayloadType_SC_FEED_PUSH, randomBytes(g.rng, 100), kuaishou.SocketMessage_NONE, g.clock())
	if err != nil {
		return nil, err
	}
	data = data[:len(data)/2]
	g.undecoded(f, time.Time{}, 0, "", data)
	return data, nil
}

// badGzip has a payload that is said to be compressed and is not.
func badGzip(g *generator, f *frame) ([]byte, error) {
	return g.sealBroken(f, kuaishou.SocketMessage_GZIP, append([]byte("not gzip"), randomBytes(g.rng, 60)...))
}

// cutGzip has a compressed payload that ends in the middle.
func cutGzip(g *generator, f *frame) ([]byte, error) {
	packed, err := gzipped(randomBytes(g.rng, 300))
	if err != nil {
		return nil, err
	}
	return g.sealBroken(f, kuaishou.SocketMessage_GZIP, packed[:len(packed)/2])
}

// badBlocks is encrypted to what is no whole number of blocks.
func badBlocks(g *generator, f *frame) ([]byte, error) {
	return g.sealBroken(f, kuaishou.SocketMessage_AES, randomBytes(g.rng, 33))
}

// strangeCompression has a type of compression that nobody knows.
func strangeCompression(g *generator, f *frame) ([]byte, error) {
	return g.sealBroken(f, 9, randomBytes(g.rng, 40))
}

// sealBroken puts a payload that cannot be opened into an envelope that can.
func (g *generator) sealBroken(f *frame, compression kuaishou.SocketMessage_CompressionType, payload []byte) ([]byte, error) {
	t := g.clock()
	g.undecoded(f, t, kuaishou.PayloadType_SC_FEED_PUSH, "", payload)
	return proto.Marshal(&kuaishou.SocketMessage{
		PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, CompressionType: compression, Payload: payload, Time: uint64(t.UnixMilli()),
	})
}

// brokenFeed is a 310 with a comment that is none; the counters beside it are
// good.
func brokenFeed(g *generator, f *frame) ([]byte, error) {
	t := g.clock()
	payload, err := g.counted(f, t)
	if err != nil {
		return nil, err
	}
	feed := append([]byte{0x07}, randomBytes(g.rng, 40)...)
	payload = protowire.AppendBytes(protowire.AppendTag(payload, 5, protowire.BytesType), feed)
	g.undecoded(f, t, kuaishou.PayloadType_SC_FEED_PUSH, "comment_feeds", feed)
	return envelope(kuaishou.PayloadType_SC_FEED_PUSH, payload, g.compression(), t)
}

// cutPayload is a 310 that ends in the middle of a feed, in an envelope that is
// whole; the counters before it are good.
func cutPayload(g *generator, f *frame) ([]byte, error) {
	t := g.clock()
	payload, err := g.counted(f, t)
	if err != nil {
		return nil, err
	}
	rest := protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.BytesType), 1000)
	rest = append(rest, randomBytes(g.rng, 30)...)
	g.undecoded(f, t, kuaishou.PayloadType_SC_FEED_PUSH, "", rest)
	return envelope(kuaishou.PayloadType_SC_FEED_PUSH, append(payload, rest...), g.compression(), t)
}

// wrongWireType is a 510 whose entry is a number where a message should be.
func wrongWireType(g *generator, f *frame) ([]byte, error) {
	t := g.clock()
	number := protowire.AppendVarint(nil, g.rng.Uint64())
	payload := append(protowire.AppendTag(nil, 28, protowire.VarintType), number...)
	g.undecoded(f, t, kuaishou.PayloadType_SC_ACTION_SIGNAL, "?28", number)
	return envelope(kuaishou.PayloadType_SC_ACTION_SIGNAL, payload, g.compression(), t)
}

// counted is the payload of a 310 with nothing but counters.
func (g *generator) counted(f *frame, t time.Time) ([]byte, error) {
	push := &kuaishou.SCWebFeedPush{}
	g.counters(f, push, t)
	return proto.Marshal(push)
}

func randomBytes(rng *rand.Rand, n int) []byte {
	out := make([]byte, 0, n+8)
	for len(out) < n {
		out = binary.LittleEndian.AppendUint64(out, rng.Uint64())
	}
	return out[:n]
}

// giantComment is the length in bytes of what is said in a giant push.
const giantComment = 8 << 10

// giant is a 310 of so many bytes, 64 KiB at least, give or take two: comments,
// and what an unknown field fills up.
func (g *generator) giant(size int) (*frame, error) {
	t := g.clock()
	f := &frame{}
	push := &kuaishou.SCWebFeedPush{}
	g.counters(f, push, t)
	for used := 2 * giantComment; used < size; {
		p := g.person()
		feed := &kuaishou.WebCommentFeed{
			User: p.info, Content: strings.Repeat(text(g.rng, urlDigits, 64), giantComment/64), DeviceHash: p.device,
			ShowType: kuaishou.WebCommentFeed_FEED_SHOW_NORMAL, SenderState: p.state,
		}
		push.CommentFeeds = append(push.CommentFeeds, feed)
		f.add(&schema.Comment{
			Event: g.event(t), User: p.user, Audience: p.audience,
			Source: "feed", Content: feed.Content, ShowType: "normal", DeviceHash: p.device,
		})
		used += 1 + protowire.SizeBytes(proto.Size(feed))
	}
	filling := giantComment
	for range 4 { // lengths of lengths change with it
		push.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 31, protowire.BytesType), make([]byte, filling)))
		payload, err := proto.Marshal(push)
		if err != nil {
			return nil, fmt.Errorf("encoding a giant push: %w", err)
		}
		f.data, err = envelope(kuaishou.PayloadType_SC_FEED_PUSH, payload, kuaishou.SocketMessage_NONE, t)
		if err != nil {
			return nil, err
		}
		filling += size - len(f.data)
	}
	return f, nil
}
