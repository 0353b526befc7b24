package ingest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// Bounds that keep what one frame can turn into within reason: a few bytes may
// stand for a row of hundreds.
const (
	maxParts = 10_000  // fields of one payload; real ones have tens
	maxPart  = 1 << 20 // bytes of one feed or room event; real ones have hundreds
)

var (
	errNoMessage   = errors.New("no message known for this payload type")
	errUnknownType = errors.New("payload type is not known")
	errUnknownPart = errors.New("field is not known")
	errManyParts   = fmt.Errorf("message has more than %d fields; this is the rest", maxParts)
	errLargePart   = fmt.Errorf("message is larger than %d MiB", maxPart>>20)
)

// Decoder turns frames into rows. It uses its memory again for the next frame;
// rows hold none of what it uses again. Not for concurrent use.
type Decoder struct {
	opener   opener
	identity identity
	unknown  unknownFields
	texts    texts

	// The frame being decoded.
	frame       *kuaishou.Frame
	payloadType kuaishou.PayloadType
	sent        uint64 // the envelope's time
	event       schema.Event
	batch       *schema.Batch

	json    []byte // of other
	written int    // bytes of JSON in the frame's rows
	touched byte   // means nothing: see touch

	pseudonyms *pseudonymizer // nil: people are who they are

	// trace, when it is not nil, is told by its index from which part each row is.
	trace func(part int, id uint64)

	// The messages that come most often, for those that are not ordinary.
	comment kuaishou.WebCommentFeed
	like    kuaishou.WebLikeFeed
	gift    kuaishou.WebGiftFeed
	viewer  kuaishou.WebWatchingUserInfo
	ack     kuaishou.SCWebHeartbeatAck
}

// NewDecoder makes a decoder. unknown, which may be nil, is called for each
// unknown field. The numbers are whatever was sent: bounding how many are kept
// is the caller's business.
func NewDecoder(unknown func(UnknownField)) *Decoder {
	if unknown == nil {
		unknown = func(UnknownField) {}
	}
	return &Decoder{unknown: unknownFields{
		report: unknown,
		nested: make(map[protoreflect.FullName][]protoreflect.FieldDescriptor),
	}}
}

// Pseudonymize makes the decoder replace people by pseudonyms. Raw bytes in rows
// are then not what was sent.
func (d *Decoder) Pseudonymize(key *PseudonymKey) {
	if key != nil {
		d.pseudonyms = newPseudonymizer(key)
	}
}

// Decode appends the rows made from frame to batch, with offset as their
// Offset. It never fails: what cannot be decoded becomes an Undecoded row, and
// the rest of the frame rows of its own. One frame adds at most some 10,000
// rows, and at most MaxPayload bytes of undecoded payload. It answers what a caller
// that bounds its memory must count, in bytes: the payload with its compression
// undone, since gzip makes a thousand bytes of one, and the JSON in the rows, since
// that makes ten of one.
func (d *Decoder) Decode(frame *kuaishou.Frame, offset int64, batch *schema.Batch) int {
	d.frame, d.batch = frame, batch
	if frame.GetCoverage() != nil {
		d.coverageRow(frame, offset)
		return 0
	}
	d.startFrame(offset)
	message, err := d.opener.open(frame.GetData())
	whole := partOf(frame.GetData())
	if d.pseudonyms != nil {
		if message != nil {
			d.pseudonyms.message(&d.opener, err == nil)
		} else {
			whole.raw = make([]byte, len(whole.raw)) // can hold anybody
		}
	}
	d.startMessage(message)
	if message != nil {
		whole.raw = message.Payload
	}
	if err != nil {
		d.undecoded(whole, err)
	} else {
		if len(d.opener.beside) > 0 {
			d.unknown.visit(message.ProtoReflect())
		}
		d.payload(whole)
	}
	if message != nil && len(d.opener.beside) > 0 {
		d.envelope(message)
	}
	d.frame, d.batch = nil, nil
	return len(whole.raw) + d.written
}

// startFrame prepares what all rows of a frame have in common. It goes before the
// envelope is opened, so that a processor fetches all of a frame at once that is not
// in its cache.
func (d *Decoder) startFrame(offset int64) {
	d.written = 0
	d.touch(d.frame.GetData())
	d.event = schema.Event{
		LiveID:       validText(d.frame.GetLiveId()),
		LiveStreamID: validText(d.frame.GetLiveStreamId()),
		ReceivedAt:   timeOf(uint64(d.frame.GetReceivedAt())),
		SessionID:    d.frame.GetSessionId(),
		FrameNumber:  d.frame.GetFrameNumber(),
		Offset:       offset,
	}
}

// touch reads a byte of each of a frame's cache lines, for the same reason: one after
// the other, as they are decoded, they are waited for one by one. A twentieth of the
// time on frames that are not in the cache.
func (d *Decoder) touch(data []byte) {
	const line = 64
	for i := 0; i < len(data); i += line {
		d.touched |= data[i]
	}
}

// startMessage adds to that what the envelope says; message may be nil.
func (d *Decoder) startMessage(message *kuaishou.SocketMessage) {
	d.identity.start(d.frame, message)
	d.payloadType, d.sent = message.GetPayloadType(), message.GetTime()
	d.event.EventTime, d.event.EventTimeSource = eventTime(0, d.sent, d.event.ReceivedAt)
}

// payload makes the rows of a whole payload, by its type. To decode another
// type is a case here; what roomMessages names needs none.
func (d *Decoder) payload(whole *part) {
	switch d.payloadType {
	case kuaishou.PayloadType_SC_FEED_PUSH:
		d.feedPush(d.asText(whole))
	case kuaishou.PayloadType_SC_LIVE_WATCHING_LIST:
		d.watchingUsers(d.asText(whole))
	case kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT:
		d.commentZone(whole)
	case kuaishou.PayloadType_SC_ACTION_SIGNAL:
		d.actionSignal(whole)
	case kuaishou.PayloadType_SC_RED_PACK_FEED:
		d.currentRedPacks(whole)
	case kuaishou.PayloadType_SC_WEB_COMMENT_FEED:
		d.commentFeed(d.asText(whole))
	case kuaishou.PayloadType_SC_WEB_COMMENT_RICH_TEXT_MESSAGE:
		d.richTextComment(whole)
	case kuaishou.PayloadType_SC_HEARTBEAT_ACK:
		d.unmarshal(whole, &d.ack) // no row, but broken or unknown parts show
	case kuaishou.PayloadType_CS_HEARTBEAT, kuaishou.PayloadType_CS_ENTER_ROOM, kuaishou.PayloadType_CS_USER_EXIT:
		// What a client sends is no news, and holds its token.
	default:
		d.roomEvent(whole)
	}
}

// part is a field of a payload as it was read from it, or the whole payload, as raw,
// when its number is 0.
type part struct {
	fieldReader
	// name is the field's in the .proto, "?<number>" for an unknown one.
	name    string
	unknown bool
	text    string // a copy of raw, in the payloads that have texts: see asText
	index   int    // which field of the payload it is, from 1; 0 for the whole
}

// partOf is what is no field.
func partOf(raw []byte) *part { return &part{fieldReader: fieldReader{raw: raw}} }

// asText copies a payload into a text, of which those of its rows are parts.
func (d *Decoder) asText(whole *part) *part {
	whole.text = d.texts.of(whole.raw)
	return whole
}

// isText says whether all of the part is in its text, and not too large.
func (p *part) isText() bool { return len(p.text) == len(p.raw) && len(p.raw) <= maxPart }

// partReader reads the fields of a payload one after the other.
type partReader struct {
	part // the one just read

	decoder *Decoder
	message *partNames
	payload string // its text, if it has one
}

// parts reads the fields of a payload that is a message of the given type. A
// field with another wire type than declared is unknown; unknown ones are
// reported. Where the payload breaks off, the rest becomes an Undecoded row.
func (d *Decoder) parts(payload *part, message *partNames) partReader {
	return partReader{part: part{fieldReader: fieldReader{rest: payload.raw}}, decoder: d, message: message, payload: payload.text}
}

// next reads a part and reports whether there was one.
func (r *partReader) next() bool {
	for r.index < maxParts && r.fieldReader.next() {
		r.index++
		if r.decoder.erased(&r.part) && !positioned(r.message) {
			continue
		}
		r.text = ""
		if r.payload != "" && r.wire == protowire.BytesType {
			end := len(r.payload) - len(r.rest)
			r.text = r.payload[end-len(r.raw) : end]
		}
		r.name = r.message.of(&r.fieldReader)
		if r.unknown = r.name == ""; r.unknown {
			r.name = unknownName(r.number)
			r.decoder.unknown.report(UnknownField{messageName(r.message.Descriptor()), int32(r.number), r.encoded})
		}
		return true
	}
	switch {
	case r.err != nil:
		r.decoder.undecoded(partOf(r.rest), r.err)
	case len(r.rest) > 0:
		r.decoder.undecoded(partOf(r.rest), errManyParts)
	}
	return false
}

// erased says whether a part was about a person who was erased.
func (d *Decoder) erased(p *part) bool { return len(p.raw) == 0 && d.emptied(p.index) }

// emptied is apart so that erased costs no call where a part has something in it.
func (d *Decoder) emptied(part int) bool {
	_, found := slices.BinarySearch(d.frame.GetErasure().GetEmptied(), uint32(part))
	return found
}

// unmarshal reads a part into message, as far as it is one: see mend. When it is
// none, it becomes an Undecoded row and the answer is false.
func (d *Decoder) unmarshal(p *part, message proto.Message) bool {
	if len(p.raw) > maxPart {
		d.undecoded(p, errLargePart)
		return false
	}
	if proto.Unmarshal(p.raw, message) != nil && !mend(message.ProtoReflect(), p.raw) {
		// protobuf's own text says no more, and changes from build to build.
		d.undecoded(p, fmt.Errorf("not a valid %s", messageName(message.ProtoReflect().Descriptor())))
		return false
	}
	d.unknown.visit(message.ProtoReflect())
	return true
}

// other is what of a message has no column.
func (d *Decoder) other(left rest, message proto.Message) (row schema.Other) {
	const keep = 64 << 10
	d.json = left.append(d.json[:0], message.ProtoReflect())
	if len(d.json) > len("{}") {
		row.OtherFields = d.write(d.json)
	}
	if cap(d.json) > keep {
		d.json = nil
	}
	return row
}

// write is JSON as a row has it. All of a row goes through here, so that it is counted.
func (d *Decoder) write(json []byte) string {
	d.written += len(json)
	return string(json)
}

// otherFields is what the fields of a payload that stand in no row of it say, as
// JSON; empty when they say nothing. They are encoded one after the other in fields.
func (d *Decoder) otherFields(fields []byte, payload *partNames) string {
	if len(fields) == 0 {
		return ""
	}
	message := payload.New().Interface()
	switch {
	case len(fields) > maxPart:
		d.undecoded(partOf(fields), errLargePart)
	case proto.Unmarshal(fields, message) != nil:
		d.undecoded(partOf(fields), errMalformed)
	default: // parts has reported what is unknown of it
		if said := appendMessageJSON(nil, message.ProtoReflect()); len(said) > len("{}") {
			return d.write(said)
		}
	}
	return ""
}

// otherEvent makes a row of otherFields, where there is no other row for them.
func (d *Decoder) otherEvent(whole *part, fields []byte, payload *partNames) {
	if said := d.otherFields(fields, payload); said != "" {
		d.addRoomEvent(whole, said)
	}
}

// envelope makes a row of what the envelope said beside the payload. On all
// pushes that were ever captured that is nothing.
func (d *Decoder) envelope(message *kuaishou.SocketMessage) {
	if said := d.other(envelopeRest, message).OtherFields; said != "" {
		p := partOf(d.opener.beside)
		p.name = "envelope"
		d.addRoomEvent(p, said)
	}
}

// eventOf is the common part of the row made from a part.
func (d *Decoder) eventOf(p *part) schema.Event {
	event := d.event
	event.EventID = d.eventID(p)
	return event
}

// eventID is the identity of the row made from a part; to be called once for each,
// since it tells equal ones apart by counting them.
func (d *Decoder) eventID(p *part) uint64 {
	id := d.identity.of(p.number, p.raw)
	if d.trace != nil {
		d.trace(p.index, id)
	}
	return id
}

// eventAt is eventOf for a feed that has a clock of its own.
func (d *Decoder) eventAt(p *part, feedTime uint64) schema.Event {
	event := d.eventOf(p)
	event.EventTime, event.EventTimeSource = eventTime(feedTime, d.sent, event.ReceivedAt)
	return event
}

func (d *Decoder) undecoded(p *part, reason error) {
	d.batch.Undecoded = append(d.batch.Undecoded, schema.Undecoded{
		Event:           d.eventOf(p),
		PayloadType:     uint32(d.payloadType),
		PayloadTypeName: payloadTypeName(d.payloadType),
		Part:            p.name,
		Payload:         bytes.Clone(p.raw),
		Error:           validText(reason.Error()),
	})
}
