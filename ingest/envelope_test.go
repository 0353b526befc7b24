package ingest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	kuaishou "kslive/proto"
)

func TestOpenEnvelope(t *testing.T) {
	payload := []byte(strings.Repeat("plain payload ", 1000))
	for _, compression := range []kuaishou.SocketMessage_CompressionType{0, 1, 2, 3} {
		message, err := openEnvelope(sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, payload, compression))
		if err != nil {
			t.Errorf("compression %v: %v", compression, err)
			continue
		}
		want := &kuaishou.SocketMessage{
			PayloadType: kuaishou.PayloadType_SC_FEED_PUSH, CompressionType: compression, Payload: payload, Time: sampleSent,
		}
		if diff := cmp.Diff(want, message, protocmp.Transform()); diff != "" {
			t.Errorf("compression %v: %s", compression, diff)
		}
	}
}

// The envelope is parsed by hand: it must mean what protobuf says it means.
func TestOpenEnvelopeIsProtobuf(t *testing.T) {
	full := &kuaishou.SocketMessage{
		PayloadType: 510, CompressionType: kuaishou.SocketMessage_NONE, Payload: []byte("p"), Time: 5,
		ReportId: "report", MessageId: "message", NeedAck: true, AckInfo: []byte("ack"),
	}
	twice := append(encoded(t, full), encoded(t, &kuaishou.SocketMessage{PayloadType: 310, Payload: []byte("q"), Time: 6})...)
	strange := protowire.AppendVarint(protowire.AppendTag(encoded(t, full), 3, protowire.VarintType), 9)
	strange = append(strange, nested(77, []byte("new"))...)
	for name, data := range map[string][]byte{"full": encoded(t, full), "twice": twice, "strange": strange, "empty": nil} {
		var want kuaishou.SocketMessage
		if err := proto.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		got, err := openEnvelope(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(&want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestOpenEnvelopeRefuses(t *testing.T) {
	packed := gzipped(t, bytes.Repeat([]byte("payload "), 1000))
	damaged := bytes.Clone(packed)
	damaged[len(damaged)-6] ^= 0xFF // in the checksum
	bomb := gzipped(t, make([]byte, 100<<20))
	wrap := func(compression kuaishou.SocketMessage_CompressionType, payload []byte) []byte {
		return encoded(t, &kuaishou.SocketMessage{PayloadType: 310, CompressionType: compression, Payload: payload})
	}
	padding := func(last ...byte) []byte {
		return wrap(kuaishou.SocketMessage_AES, encrypted(t, append(make([]byte, 16-len(last)), last...)))
	}
	declared := protowire.AppendVarint([]byte{0x08, 0xB6, 0x02, 0x1A}, 100<<20)
	tests := map[string]struct {
		data     []byte
		want     string
		envelope bool // there is one
	}{
		"text":                {[]byte("hello"), "reading the envelope: message has an impossible", false},
		"100 MB declared":     {append(declared, "short"...), "reading the envelope: message is cut off", false},
		"field number 0":      {[]byte{0x00, 0x01}, "reading the envelope: message has an impossible", false},
		"field number 2^29":   {protowire.AppendVarint(nil, 1<<32), "reading the envelope: message has an impossible", false},
		"wire type 7":         {[]byte{0x0F, 0x01}, "reading the envelope: message has an impossible", false},
		"endless varint":      {bytes.Repeat([]byte{0xFF}, 20), "reading the envelope: message has an impossible", false},
		"nested groups":       {bytes.Repeat([]byte{0x53}, 100_000), "reading the envelope: message has an impossible", false},
		"unknown compression": {wrap(7, []byte("x")), "unknown compression type 7", true},
		"no gzip":             {wrap(2, []byte("this is no gzip")), "gzip payload is damaged: ", true},
		"empty gzip":          {wrap(2, nil), "gzip payload is cut off", true},
		"gzip header cut":     {wrap(2, packed[:5]), "gzip payload is cut off", true},
		"gzip cut":            {wrap(2, packed[:len(packed)/2]), "gzip payload is cut off", true},
		"gzip trailer cut":    {wrap(2, packed[:len(packed)-3]), "gzip payload is cut off", true},
		"gzip checksum":       {wrap(2, damaged), "gzip payload is damaged: ", true},
		"gzip bomb":           {wrap(2, bomb), "payload is larger than 16 MiB", true},
		"plain too large":     {wrap(1, make([]byte, MaxPayload+1)), "payload is larger than 16 MiB", true},
		"AES empty":           {wrap(3, nil), "AES payload of 0 bytes is not a whole number of blocks", true},
		"AES length":          {wrap(3, make([]byte, 17)), "AES payload of 17 bytes is not a whole number of blocks", true},
		"AES too large":       {wrap(3, make([]byte, MaxPayload+32)), "payload is larger than 16 MiB", true},
		"AES padding 0":       {padding(0), "AES payload has wrong padding", true},
		"AES padding 17":      {padding(17), "AES payload has wrong padding", true},
		"AES padding uneven":  {padding(2, 3, 3), "AES payload has wrong padding", true},
	}
	var reused opener
	for name, test := range tests {
		for use, open := range map[string]func([]byte) (*kuaishou.SocketMessage, error){"one": openEnvelope, "reused": reused.open} {
			message, err := open(test.data)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("%s, %s: error is %v, want %s", name, use, err, test.want)
			}
			if (message != nil) != test.envelope {
				t.Errorf("%s, %s: message is %v", name, use, message)
			}
		}
	}
	if limit := 2 * MaxPayload; cap(reused.plain) > limit {
		t.Errorf("the bomb left %d bytes behind, want at most %d", cap(reused.plain), limit)
	}
}

// The largest payload is allowed, in every form.
func TestOpenEnvelopeLargest(t *testing.T) {
	payload := make([]byte, MaxPayload)
	for _, compression := range []kuaishou.SocketMessage_CompressionType{1, 2, 3} {
		message, err := openEnvelope(sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, payload, compression))
		if err != nil || !bytes.Equal(message.Payload, payload) {
			t.Errorf("compression %v: %v", compression, err)
		}
	}
}

func TestPayloadType(t *testing.T) {
	tests := map[string]struct {
		data []byte
		want kuaishou.PayloadType
		ok   bool
	}{
		"push":               {sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, []byte("x"), 1), kuaishou.PayloadType_SC_FEED_PUSH, true},
		"no name":            {sealed(t, 2_000_001, nil, 1), 2_000_001, true},
		"cut off behind it":  {[]byte{0x08, 0x65, 0x1A, 0x7F}, kuaishou.PayloadType_SC_HEARTBEAT_ACK, true},
		"not in front":       {[]byte{0x20, 0x05, 0x08, 0x65}, kuaishou.PayloadType_SC_HEARTBEAT_ACK, true},
		"another wire type":  {[]byte{0x0A, 0x01, 0x65}, 0, false},
		"cut off before it":  {[]byte{0x08}, 0, false},
		"without":            {[]byte{0x20, 0x05}, 0, false},
		"empty":              {nil, 0, false},
		"text":               {[]byte("hello"), 0, false},
		"an invalid varint":  {append([]byte{0x08}, bytes.Repeat([]byte{0xFF}, 20)...), 0, false},
		"the largest number": {protowire.AppendVarint([]byte{0x08}, 1<<64-1), -1, true},
	}
	for name, test := range tests {
		got, ok := payloadType(test.data)
		if got != test.want || ok != test.ok {
			t.Errorf("%s: got %v, %v, want %v, %v", name, got, ok, test.want, test.ok)
		}
	}
	data := tests["push"].data
	if allocs := testing.AllocsPerRun(100, func() { payloadType(data) }); allocs > 0 {
		t.Errorf("payloadType allocates %v times", allocs)
	}
}

// Opening plain and gzip envelopes again and again costs no memory.
func TestOpenerReuses(t *testing.T) {
	payload := bytes.Repeat([]byte("payload "), 100)
	var o opener
	for _, compression := range []kuaishou.SocketMessage_CompressionType{1, 2} {
		data := sealed(t, kuaishou.PayloadType_SC_FEED_PUSH, payload, compression)
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := o.open(data); err != nil {
				t.Error(err)
			}
		})
		if allocs > 0 {
			t.Errorf("compression %v: open allocates %v times", compression, allocs)
		}
	}
}
