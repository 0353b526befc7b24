package ingest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	kuaishou "kslive/proto"
)

// maxUnknownDepth is how many messages within each other are looked for in bytes
// that nobody has declared.
const maxUnknownDepth = 16

// Anonymizer replaces who is in frames by nobody: names, IDs, hashes, pictures
// and what people write become others of the same length in bytes, and what is
// equal stays equal across all frames of one Anonymizer; with luck what is
// different stays different. Only what is known to be harmless is kept: times,
// counters, prices, gifts, grades and the player's emoji. What nobody has
// declared is replaced where it looks like text, numbers or messages, and else
// emptied: every byte 0.
//
// Frames become as many rows, in the same tables. Who has another recording of
// the same live can still match the two by their times.
//
// Not for concurrent use.
type Anonymizer struct {
	disguise *disguise
	opener   opener
	done     Anonymized
	names    []string // in the feed at hand
	// treat is treatmentOf, and said what is done with what people say: all of it
	// is replaced.
	treat func(protoreflect.FieldDescriptor) treatment
	said  func(text []byte, names ...string)
}

// Anonymized says what an Anonymizer did.
type Anonymized struct {
	Frames  int // given back
	Dropped int // records that are no frames, such as coverage
	Emptied int // frames or payloads that could not be opened
	Texts   int // replaced, in fields that are declared
	Numbers int // likewise
	// In fields and payloads that nobody has declared:
	UnknownTexts, UnknownNumbers, UnknownEmptied int
	EmptiedBytes                                 int
	// Unknown counts the payloads of a type that has no message, by type.
	Unknown map[kuaishou.PayloadType]int
}

// NewAnonymizer makes one with a key of its own that nobody knows; or with a key
// that is made from seed, for tests, when that is not 0.
func NewAnonymizer(seed uint64) *Anonymizer {
	key := make([]byte, 32)
	if seed != 0 {
		binary.LittleEndian.PutUint64(key, seed)
	} else {
		rand.Read(key) // never fails: see its documentation
	}
	disguise := newDisguise(key)
	return &Anonymizer{disguise: disguise, done: Anonymized{Unknown: make(map[kuaishou.PayloadType]int)}, treat: treatmentOf, said: disguise.text}
}

// Done says what was done so far.
func (a *Anonymizer) Done() Anonymized { return a.done }

// Frame is the frame with nobody in it, or nil for a record that is to be left
// out. It keeps nothing of frame, which is not changed.
func (a *Anonymizer) Frame(frame *kuaishou.Frame) (*kuaishou.Frame, error) {
	if frame.GetCoverage() != nil {
		a.done.Dropped++
		return nil, nil
	}
	data, err := a.envelope(frame.GetData())
	if err != nil {
		return nil, err
	}
	a.done.Frames++
	return &kuaishou.Frame{
		LiveId: a.renamed(frame.GetLiveId()), LiveStreamId: a.renamed(frame.GetLiveStreamId()),
		ReceivedAt: frame.GetReceivedAt(), Data: data, Source: frame.GetSource(),
		SessionId: frame.GetSessionId(), FrameNumber: frame.GetFrameNumber(),
	}, nil
}

func (a *Anonymizer) renamed(id string) string {
	text := []byte(id)
	a.disguise.text(text)
	return string(text)
}

// envelope is the websocket message in data with nobody in it. It is of another
// length only where the payload is compressed.
func (a *Anonymizer) envelope(data []byte) ([]byte, error) {
	message, err := a.opener.open(data)
	if message == nil {
		a.done.Emptied++
		a.done.EmptiedBytes += len(data)
		return make([]byte, len(data)), nil
	}
	payload := make([]byte, len(message.Payload)) // all 0
	if err != nil {
		a.done.Emptied++
		a.done.EmptiedBytes += len(payload)
	} else {
		copy(payload, message.Payload)
		a.payload(message.PayloadType, payload)
		if payload, err = packed(payload, message.CompressionType); err != nil {
			return nil, fmt.Errorf("compressing a payload again: %w", err)
		}
	}
	var sealed []byte
	descriptor := message.ProtoReflect().Descriptor()
	for fields := (fieldReader{rest: bytes.Clone(data)}); fields.next(); {
		sealed = protowire.AppendTag(sealed, fields.number, fields.wire)
		if fields.is(3, protowire.BytesType) {
			sealed = protowire.AppendBytes(sealed, payload)
			continue
		}
		a.field(&fields, descriptor)
		sealed = append(sealed, fields.encoded...)
	}
	return sealed, nil
}

// packed is plain in the given compression.
func packed(plain []byte, compression kuaishou.SocketMessage_CompressionType) ([]byte, error) {
	switch compression {
	case kuaishou.SocketMessage_GZIP:
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		if _, err := w.Write(plain); err != nil {
			return nil, err
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	case kuaishou.SocketMessage_AES:
		block, err := aes.NewCipher([]byte(payloadKey))
		if err != nil {
			return nil, err
		}
		padding := aes.BlockSize - len(plain)%aes.BlockSize
		out := append(plain, bytes.Repeat([]byte{byte(padding)}, padding)...)
		cipher.NewCBCEncrypter(block, []byte(payloadIV)).CryptBlocks(out, out)
		return out, nil
	}
	return plain, nil
}

// payload replaces, in place, what is in a payload of this type.
func (a *Anonymizer) payload(t kuaishou.PayloadType, payload []byte) {
	message := payloadMessage(t)
	if message == nil {
		a.done.Unknown[t]++
		a.unknown(payload, 0)
		return
	}
	fields := fieldReader{rest: payload}
	for fields.next() {
		a.names = a.names[:0]
		if field := fields.declared(message); field != nil && field.Kind() == protoreflect.MessageKind {
			a.collect(fields.raw, field.Message())
		}
		a.field(&fields, message)
	}
	a.names = a.names[:0]
	a.empty(fields.rest)
}

// collect finds the names in a feed, so that they are known where they are part
// of its other texts: "X 赞了这个直播".
func (a *Anonymizer) collect(feed []byte, message protoreflect.MessageDescriptor) {
	if rich := new(kuaishou.CommentRichTextMessage); message == rich.ProtoReflect().Descriptor() && proto.Unmarshal(feed, rich) == nil {
		if name, _ := readRichText(rich.Segment); name != "" {
			a.names = append(a.names, name)
		}
	}
	for fields := (fieldReader{rest: feed}); fields.next(); {
		field := fields.declared(message)
		switch {
		case field == nil:
		case field.Kind() == protoreflect.MessageKind:
			a.collect(fields.raw, field.Message())
		case treatmentOf(field) == isName && len(fields.raw) > 0 && len(a.names) < 100:
			a.names = append(a.names, string(fields.raw))
		}
	}
}

// message replaces, in place, what is in a message. What follows a field that is
// broken is emptied; it stays broken, since no field begins with 0.
func (a *Anonymizer) message(data []byte, message protoreflect.MessageDescriptor) {
	fields := fieldReader{rest: data}
	for fields.next() {
		a.field(&fields, message)
	}
	a.empty(fields.rest)
}

// field replaces, in place, the content of the field just read.
func (a *Anonymizer) field(fields *fieldReader, message protoreflect.MessageDescriptor) {
	field := fields.declared(message)
	if field == nil {
		a.undeclared(fields, message)
		return
	}
	switch field.Kind() {
	case protoreflect.MessageKind:
		a.message(fields.raw, field.Message())
	case protoreflect.BytesKind:
		a.unknown(fields.raw, 0)
	case protoreflect.StringKind:
		a.string(fields.raw, a.treat(field))
	default:
		if a.treat(field) != keep {
			a.done.Numbers++
			a.number(fields)
		}
	}
}

func (a *Anonymizer) string(text []byte, how treatment) {
	if how == keep || len(text) == 0 {
		return
	}
	a.done.Texts++
	switch how {
	case isSaid:
		a.said(text, a.names...)
	case isAddress:
		a.disguise.address(text)
	case isMergeKey:
		a.disguise.mergeKey(text)
	default:
		a.disguise.text(text)
	}
}

// undeclared replaces the content of a field that message does not declare.
func (a *Anonymizer) undeclared(fields *fieldReader, message protoreflect.MessageDescriptor) {
	field := message.Fields().ByNumber(fields.number)
	if field != nil && field.IsList() && fields.wire == protowire.BytesType && wireType(field.Kind()) == protowire.VarintType && a.treat(field) == keep {
		return // many numbers in one
	}
	a.unknownField(fields, 0)
}

// unknown replaces, in place, bytes that nobody has declared.
func (a *Anonymizer) unknown(data []byte, depth int) {
	switch {
	case len(data) == 0:
	case printable(data):
		a.done.UnknownTexts++
		a.disguise.text(data)
	case depth < maxUnknownDepth && isMessage(data):
		a.unknownFields(data, depth+1)
	default:
		a.empty(data)
	}
}

// unknownFields replaces the content of whole fields.
func (a *Anonymizer) unknownFields(data []byte, depth int) {
	for fields := (fieldReader{rest: data}); fields.next(); {
		a.unknownField(&fields, depth)
	}
}

// unknownField replaces the content of a field that nobody has declared. A
// number of one byte is kept: it can be a kind or a flag, and is no ID.
func (a *Anonymizer) unknownField(fields *fieldReader, depth int) {
	switch {
	case fields.wire == protowire.BytesType:
		a.unknown(fields.raw, depth)
	case fields.wire == protowire.StartGroupType:
		a.unknownFields(fields.raw, depth+1)
	case len(fields.raw) > 1:
		a.done.UnknownNumbers++
		a.number(fields)
	}
}

// isMessage says whether data is whole fields.
func isMessage(data []byte) bool {
	fields := fieldReader{rest: data}
	for fields.next() {
	}
	return fields.err == nil
}

// number replaces a number in place.
func (a *Anonymizer) number(fields *fieldReader) {
	other := a.disguise.number(fields.value)
	switch fields.wire {
	case protowire.Fixed32Type:
		binary.LittleEndian.PutUint32(fields.raw, uint32(other))
	case protowire.Fixed64Type:
		binary.LittleEndian.PutUint64(fields.raw, other)
	default: // as long as it was, also when that was longer than needed
		last := len(fields.raw) - 1
		for i := range fields.raw {
			fields.raw[i] = byte(other) | 0x80
			other >>= 7
		}
		fields.raw[last] &= 0x7f
	}
}

// empty makes every byte 0.
func (a *Anonymizer) empty(data []byte) {
	if len(data) > 0 {
		a.done.UnknownEmptied++
		a.done.EmptiedBytes += len(data)
		clear(data)
	}
}
