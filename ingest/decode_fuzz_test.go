package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// seedFrames adds the captures and a frame of every kind.
func seedFrames(f *testing.F, add func(data []byte)) {
	for _, file := range captures(f) {
		add(capture(f, file))
	}
	for _, frame := range sampleFrames(f) {
		add(frame.Data)
	}
}

// An envelope is opened or refused, never both; what opens is what protobuf
// reads, and the type read in a hurry is its type, where it has one and not several.
func FuzzEnvelope(f *testing.F) {
	seedFrames(f, func(data []byte) { f.Add(data) })
	var reused opener
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, typed := payloadType(data)
		message, err := openEnvelope(data)
		again, errAgain := reused.open(data)
		if fmt.Sprint(err) != fmt.Sprint(errAgain) || !proto.Equal(message, again) {
			t.Errorf("opened twice: %v, %v; %v, %v", message, err, again, errAgain)
		}
		var want kuaishou.SocketMessage
		if invalid := proto.Unmarshal(data, &want); (invalid != nil) != (message == nil) {
			t.Fatalf("protobuf says %v, openEnvelope %v", invalid, err)
		}
		if message == nil {
			return
		}
		if len(message.Payload) > MaxPayload && err == nil {
			t.Errorf("payload of %d bytes", len(message.Payload))
		}
		if types := typesIn(data); types < 2 && (kind != message.PayloadType || typed != (types == 1)) {
			t.Errorf("read %d, %v in a hurry of %d", kind, typed, message.PayloadType)
		}
		message.Payload, want.Payload = nil, nil
		if !proto.Equal(message, &want) {
			t.Errorf("got %v, want %v", message, &want)
		}
	})
}

// typesIn is how often an envelope says its type.
func typesIn(data []byte) (n int) {
	for fields := (fieldReader{rest: data}); fields.next(); {
		if fields.is(1, protowire.VarintType) {
			n++
		}
	}
	return n
}

// Any bytes become rows that a database takes, the same each time, and as many
// as is reasonable. The bytes are tried as a frame, and as the payload of one.
func FuzzDecode(f *testing.F) {
	seedFrames(f, func(data []byte) {
		f.Add(data, uint32(0))
		if message, err := openEnvelope(data); err == nil {
			f.Add(bytes.Clone(message.Payload), uint32(message.PayloadType))
		}
	})
	for _, feed := range cutFeeds() {
		f.Add(append(nested(5, []byte(feed)), nested(8, []byte(feed))...), uint32(kuaishou.PayloadType_SC_FEED_PUSH))
	}
	decoder := NewDecoder(nil)
	var used schema.Batch
	f.Fuzz(func(t *testing.T, data []byte, kind uint32) {
		if kind != 0 {
			data = sealed(t, kuaishou.PayloadType(kind), data, kuaishou.SocketMessage_NONE)
		}
		frame := frameOf(data)
		var batch, again schema.Batch
		decoder.Decode(frame, 1, &batch)
		NewDecoder(func(UnknownField) {}).Decode(frame, 1, &again)
		if !reflect.DeepEqual(batch, again) {
			t.Errorf("decoded twice:\n%s\n%s", rowsJSON(t, &batch), rowsJSON(t, &again))
		}
		used.Reset() // what it held before, and took back, must not show
		decoder.Decode(frame, 1, &used)
		if !bytes.Equal(rowsJSON(t, &batch), rowsJSON(t, &used)) {
			t.Errorf("decoded into a batch that was used:\n%s\n%s", rowsJSON(t, &batch), rowsJSON(t, &used))
		}
		if batch.Len() > maxParts+2 {
			t.Errorf("%d rows", batch.Len())
		}
		for rows := range batch.All() {
			for i := range rows.Len() {
				checkRow(t, rows, i)
			}
		}
	})
}

// What is compressed decodes as if it were not, and what only says that it is
// compressed is kept as it arrived, or decodes by chance.
func FuzzCompressed(f *testing.F) {
	for _, frame := range sampleFrames(f) {
		if message, err := openEnvelope(frame.Data); err == nil {
			f.Add(bytes.Clone(message.Payload), uint32(message.PayloadType), uint8(2), false)
			f.Add(bytes.Clone(message.Payload), uint32(message.PayloadType), uint8(3), false)
		}
	}
	f.Add(gzipped(f, twinsSample(f)), uint32(310), uint8(2), true)
	f.Add(encrypted(f, padded(twinsSample(f))), uint32(310), uint8(3), true)
	f.Add([]byte("x"), uint32(310), uint8(7), true)
	decoder := NewDecoder(nil)
	f.Fuzz(func(t *testing.T, payload []byte, number uint32, compression uint8, raw bool) {
		kind := kuaishou.PayloadType(number)
		if raw {
			message := &kuaishou.SocketMessage{
				PayloadType: kind, CompressionType: kuaishou.SocketMessage_CompressionType(compression), Payload: payload, Time: sampleSent,
			}
			var batch schema.Batch
			if size := decoder.Decode(frameOf(encoded(t, message)), 1, &batch); size > (1+mostGrowth)*MaxPayload {
				t.Errorf("%d bytes", size)
			}
			if compression > 3 && (batch.Len() != 1 || len(batch.Undecoded) != 1 || !bytes.Equal(batch.Undecoded[0].Payload, payload)) {
				t.Errorf("rows are %s", rowsJSON(t, &batch))
			}
			return
		}
		var plain, packed schema.Batch
		decoder.Decode(frameOf(sealed(t, kind, payload, kuaishou.SocketMessage_NONE)), 1, &plain)
		decoder.Decode(frameOf(sealed(t, kind, payload, kuaishou.SocketMessage_CompressionType(compression%4))), 1, &packed)
		if !cmp.Equal(plain, packed, cmpopts.EquateEmpty()) {
			t.Errorf("plain:\n%s\ncompressed:\n%s", rowsJSON(t, &plain), rowsJSON(t, &packed))
		}
	})
}

// Unknown fields, whatever they hold, become JSON in which each has its number.
func FuzzUnknownJSON(f *testing.F) {
	for _, message := range messageOf() {
		f.Add(encoded(f, filled(message)))
	}
	for _, sample := range wireSamples(9) {
		f.Add(append(bytes.Clone(sample), sample...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var message kuaishou.SCWebRefreshWallet // declares nothing
		if proto.Unmarshal(data, &message) != nil {
			return
		}
		text := appendMessageJSON(nil, message.ProtoReflect())
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil || !utf8.Valid(text) {
			t.Fatalf("%v: %q", err, text)
		}
		for reader := (fieldReader{rest: data}); reader.next(); {
			if _, ok := fields[unknownName(reader.number)]; !ok {
				t.Errorf("field %d is not in %s", reader.number, text)
			}
		}
	})
}

// A record of the spool is a frame that decodes, or is none.
func FuzzRecord(f *testing.F) {
	for _, frame := range sampleFrames(f) {
		f.Add(encoded(f, frame))
	}
	decoder := NewDecoder(nil)
	f.Fuzz(func(t *testing.T, record []byte) {
		var frame kuaishou.Frame
		if proto.Unmarshal(record, &frame) != nil {
			return
		}
		var batch schema.Batch
		decoder.Decode(&frame, 1, &batch)
		if frame.GetCoverage() != nil && batch.Len() != 1 {
			t.Errorf("rows of a coverage are %s", rowsJSON(t, &batch))
		}
		for rows := range batch.All() {
			for i := range rows.Len() {
				checkRow(t, rows, i)
			}
		}
	})
}

func checkRow(t *testing.T, rows schema.Rows, i int) {
	for c, value := range rows.Values(i, nil) {
		name := rows.Name + "." + rows.Columns[c]
		switch value := value.(type) {
		case string:
			if !utf8.ValidString(value) {
				t.Errorf("%s is not UTF-8: %q", name, value)
			}
			switch rows.Columns[c] {
			case "message":
				requireJSON(t, name, value)
			case "segments", "other_fields": // empty where there is nothing to say
				if value == "{}" {
					t.Errorf("%s says nothing", name)
				}
				if value != "" {
					requireJSON(t, name, value)
				}
			}
		case time.Time:
			if !value.IsZero() && (value.Year() < 1970 || value.Year() >= 2200) {
				t.Errorf("%s is %v", name, value)
			}
		}
	}
}

func requireJSON(t *testing.T, name, text string) {
	t.Helper()
	if !json.Valid([]byte(text)) {
		t.Errorf("%s is not JSON: %q", name, text)
	}
}
