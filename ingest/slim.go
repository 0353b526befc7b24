package ingest

import (
	"google.golang.org/protobuf/encoding/protowire"

	"kslive/ingest/gunzip"
	kuaishou "kslive/proto"
)

// Fields of the messages of proto/frame.proto and proto/kuaishou.proto that slim
// reads and writes by themselves.
const (
	frameData           = 4
	frameUnpacked       = 11
	envelopeCompression = 2
	envelopePayload     = 3
)

// Slim is for spool.Options of a spool of frames: frames are archived with their
// payloads unpacked. Gzip hides what one frame has in common with another, the same
// people and gifts, which the archive's compression then does not find: on the frames
// of internal/corpus an archive is a fifth smaller (make bench ARGS="--only spool").
//
// Rows and their IDs are made of payloads, and do not change. A record of which
// anything is out of the ordinary is kept as it is.
func Slim() func(record []byte) []byte { return new(slimmer).record }

type slimmer struct {
	unpack               gunzip.Unpacker
	payload, data, frame []byte // used again, unless a payload was larger than maxSlimBuffer
}

const maxSlimBuffer = 1 << 20

func (s *slimmer) record(record []byte) []byte {
	if cap(s.payload) > maxSlimBuffer {
		s.payload, s.data, s.frame = nil, nil, nil
	}
	data, ok := theOnly(record, frameData)
	if !ok || !s.message(data) {
		return record
	}
	s.frame = s.frame[:0]
	for fields := (fieldReader{rest: record}); fields.next(); {
		if fields.number == frameData {
			s.frame = protowire.AppendTag(s.frame, frameData, protowire.BytesType)
			s.frame = protowire.AppendBytes(s.frame, s.data)
			continue
		}
		s.frame = append(s.frame, fields.whole...)
	}
	s.frame = protowire.AppendTag(s.frame, frameUnpacked, protowire.VarintType)
	s.frame = protowire.AppendVarint(s.frame, 1)
	return s.frame
}

// message puts an envelope with its payload unpacked into s.data, and says whether
// it was packed with gzip.
func (s *slimmer) message(data []byte) (ok bool) {
	packed, ok := theOnly(data, envelopePayload)
	if !ok {
		return false
	}
	kinds := 0
	for fields := (fieldReader{rest: data}); fields.next(); {
		if fields.number != envelopeCompression {
			continue
		}
		kinds++
		if fields.wire != protowire.VarintType || fields.value != uint64(kuaishou.SocketMessage_GZIP) {
			return false
		}
	}
	if kinds != 1 {
		return false
	}
	if s.payload, ok = s.unpack.Append(s.payload[:0], packed, MaxPayload); !ok {
		return false
	}
	s.data = s.data[:0]
	for fields := (fieldReader{rest: data}); fields.next(); {
		switch fields.number {
		case envelopeCompression:
			s.data = protowire.AppendTag(s.data, envelopeCompression, protowire.VarintType)
			s.data = protowire.AppendVarint(s.data, uint64(kuaishou.SocketMessage_NONE))
		case envelopePayload:
			s.data = protowire.AppendTag(s.data, envelopePayload, protowire.BytesType)
			s.data = protowire.AppendBytes(s.data, s.payload)
		default:
			s.data = append(s.data, fields.whole...)
		}
	}
	return true
}

// theOnly is the content of a field of bytes; ok is false when the message is
// broken, or has another number of them than one.
func theOnly(message []byte, number protowire.Number) (content []byte, ok bool) {
	found := 0
	fields := fieldReader{rest: message}
	for fields.next() {
		if fields.number != number {
			continue
		}
		if found++; fields.wire != protowire.BytesType {
			return nil, false
		}
		content = fields.raw
	}
	return content, found == 1 && fields.err == nil
}
