package ingest

import (
	"bytes"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// frameEraser takes a person out of frames, by the same rule by which rows are
// deleted: a part of a payload whose row is about them is emptied, and a frame
// that is such a part as a whole goes. Where others name them, they are masked.
// What is left is decoded to the rows that it was decoded to before, with the
// IDs that they had. Not for concurrent use.
type frameEraser struct {
	*Person
	opener opener
	rows   tracer // of people as they are
	// before and after have the IDs that the tables have: those of pseudonyms where
	// there is a key.
	before, after tracer
	// unopened counts the frames whose payload cannot be opened, and which may
	// therefore hold what is not found.
	unopened int
}

func newFrameEraser(p *Person) *frameEraser {
	return &frameEraser{Person: p, rows: newTracer(), before: newTracer(), after: newTracer()}
}

// pseudonymize says with which key, nil for none, rows are made of the frames.
func (e *frameEraser) pseudonymize(key *PseudonymKey) {
	e.before.Pseudonymize(key)
	e.after.Pseudonymize(key)
}

// tracer decodes frames and knows from which part of its payload each row is.
type tracer struct {
	*Decoder
	batch schema.Batch
	ids   map[int][]uint64 // of rows, by the part's index
	parts map[uint64]int   // the index, by the row's ID
}

func newTracer() tracer {
	t := tracer{Decoder: NewDecoder(nil), ids: make(map[int][]uint64), parts: make(map[uint64]int)}
	t.trace = func(part int, id uint64) {
		t.ids[part] = append(t.ids[part], id)
		t.parts[id] = part
	}
	return t
}

func (t *tracer) decode(frame *kuaishou.Frame) {
	clear(t.ids)
	clear(t.parts)
	t.batch.Reset()
	t.Decode(frame, 0, &t.batch)
}

// frame is what is left of a frame: the frame itself when the person is not in
// it, nil when nothing is. It is not changed.
func (e *frameEraser) frame(frame *kuaishou.Frame) (*kuaishou.Frame, error) {
	if frame.GetCoverage() != nil {
		return frame, nil
	}
	message, err := e.opener.open(frame.GetData())
	if err != nil {
		if e.isIn(frame.GetData()) {
			return nil, nil // nothing can be decoded from it
		}
		if message != nil {
			e.unopened++
		}
		return frame, nil
	}
	if !e.isIn(message.Payload) {
		return frame, nil
	}
	e.rows.decode(frame)
	gone := e.parts()
	if gone[0] && whole(message.PayloadType) {
		return nil, nil
	}
	payload, emptied := e.payload(message, gone)
	if bytes.Equal(payload, message.Payload) {
		return frame, nil // it only looked so
	}
	left := proto.CloneOf(frame)
	if left.Data, err = sealAgain(frame.GetData(), payload, message.CompressionType); err != nil {
		return nil, err
	}
	emptied = append(emptied, frame.GetErasure().GetEmptied()...) // before
	slices.Sort(emptied)
	left.Erasure = &kuaishou.Erasure{Emptied: emptied}
	left.Erasure.Identities = e.identities(frame, left, gone)
	return left, nil
}

// whole says whether a payload of this type is one event, and not a list.
func whole(t kuaishou.PayloadType) bool {
	switch t {
	case kuaishou.PayloadType_SC_FEED_PUSH, kuaishou.PayloadType_SC_LIVE_WATCHING_LIST, kuaishou.PayloadType_SC_COMMENT_ZONE_RICH_TEXT,
		kuaishou.PayloadType_SC_ACTION_SIGNAL, kuaishou.PayloadType_SC_RED_PACK_FEED:
		return false
	}
	return true
}

// parts are the indexes of the parts whose rows are about the person.
func (e *frameEraser) parts() map[int]bool {
	gone := make(map[int]bool)
	for rows := range e.rows.batch.All() {
		for i := range rows.Len() {
			if e.about(rows.Row(i)) {
				gone[e.rows.parts[rows.Event(i).EventID]] = true
			}
		}
	}
	return gone
}

// payload is the payload with the parts that are gone emptied and all others
// masked. It also answers which it emptied.
func (e *frameEraser) payload(message *kuaishou.SocketMessage, gone map[int]bool) (payload []byte, emptied []uint32) {
	masked := bytes.Clone(message.Payload)
	descriptor := payloadMessage(message.PayloadType)
	masker := masker{Person: e.Person}
	fields := fieldReader{rest: masked}
	for index := 1; fields.next(); index++ {
		if gone[index] && fields.wire == protowire.BytesType {
			payload = protowire.AppendTag(payload, fields.number, fields.wire)
			payload = protowire.AppendVarint(payload, 0)
			emptied = append(emptied, uint32(index))
			continue
		}
		masker.field(&fields, descriptor, 0)
		payload = append(payload, fields.whole...)
	}
	masker.text(fields.rest)
	return append(payload, fields.rest...), emptied
}

// sealAgain is the websocket message in data with another payload.
func sealAgain(data, payload []byte, compression kuaishou.SocketMessage_CompressionType) ([]byte, error) {
	payload, err := packed(payload, compression)
	if err != nil {
		return nil, fmt.Errorf("compressing a payload again: %w", err)
	}
	var sealed []byte
	for fields := (fieldReader{rest: data}); fields.next(); {
		if fields.is(3, protowire.BytesType) {
			sealed = protowire.AppendTag(sealed, fields.number, fields.wire)
			sealed = protowire.AppendBytes(sealed, payload)
			continue
		}
		sealed = append(sealed, fields.whole...)
	}
	return sealed, nil
}

// identities are which IDs the rows that are left of a frame had, by those that they
// have now.
func (e *frameEraser) identities(frame, left *kuaishou.Frame, gone map[int]bool) map[uint64]uint64 {
	e.before.decode(frame)
	e.after.decode(left)
	identities := make(map[uint64]uint64)
	for index, ids := range e.after.ids {
		for i, now := range ids {
			if had := e.before.ids[index]; (index == 0 || !gone[index]) && i < len(had) && had[i] != now {
				identities[now] = had[i]
			}
		}
	}
	return identities
}

// names are those that a frame has under the person's IDs. Who hides is not
// looked at: their name is everybody's.
func (e *frameEraser) names(frame *kuaishou.Frame) (names []string) {
	message, err := e.opener.open(frame.GetData())
	if err != nil || !e.isIn(message.Payload) {
		return nil
	}
	e.rows.decode(frame)
	for rows := range e.rows.batch.All() {
		for i := range rows.Len() {
			if of, ok := rows.Row(i).(interface{ Who() *schema.User }); ok && e.about(rows.Row(i)) && !of.Who().Mystery {
				names = append(names, of.Who().UserName)
			}
		}
	}
	return names
}
