package ingest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"kslive/ingest/gunzip"
	kuaishou "kslive/proto"
)

// MaxPayload is the size in bytes of the largest payload that is decoded, after
// its compression is undone. Real ones stay under 100 KB.
const MaxPayload = 16 << 20

// The key and the initialisation vector that the web player ships: no secrets.
const (
	payloadKey = "PPbzKKL7NB15leYy"
	payloadIV  = "JRODKJiolJ9xqso0"
)

var errPayloadTooLarge = fmt.Errorf("payload is larger than %d MiB", MaxPayload>>20)

// payloadType reads the type of the SocketMessage in data and nothing behind
// it: the first, were there several, of which protobuf takes the last. ok is false
// when data does not begin like an envelope with a type. It does not allocate.
func payloadType(data []byte) (t kuaishou.PayloadType, ok bool) {
	fields := fieldReader{rest: data}
	for fields.next() {
		if fields.is(1, protowire.VarintType) {
			return kuaishou.PayloadType(fields.value), true
		}
	}
	return 0, false
}

// openEnvelope parses the envelope in data and undoes the compression of its
// payload. An error says what is wrong with it. When it is the payload, the
// message comes with the error, its payload as it arrived; when data is no
// envelope at all the message is nil.
func openEnvelope(data []byte) (*kuaishou.SocketMessage, error) {
	return new(opener).open(data)
}

// opener opens envelopes and uses its memory again for the next. Its zero value
// is ready. Not for concurrent use.
type opener struct {
	message kuaishou.SocketMessage
	beside  []byte // the fields that are neither type, compression, payload nor time, as they arrived
	unpack  gunzip.Unpacker
	packed  bytes.Reader
	gzip    gzip.Reader // for what unpack does not know
	plain   []byte      // at most MaxPayload + 1
}

// open is openEnvelope. The message and its payload, which may be a part of
// data, are valid until the next call.
func (o *opener) open(data []byte) (*kuaishou.SocketMessage, error) {
	if err := o.parse(data); err != nil {
		return nil, fmt.Errorf("reading the envelope: %w", err)
	}
	message := &o.message
	plain := message.Payload
	var err error
	switch message.CompressionType {
	case kuaishou.SocketMessage_UNKNOWN, kuaishou.SocketMessage_NONE:
	case kuaishou.SocketMessage_GZIP:
		plain, err = o.gunzip(plain)
	case kuaishou.SocketMessage_AES:
		plain, err = o.decrypt(plain)
	default:
		err = fmt.Errorf("unknown compression type %d", message.CompressionType)
	}
	if err == nil && len(plain) > MaxPayload {
		err = errPayloadTooLarge
	}
	if err != nil {
		return message, err
	}
	message.Payload = plain
	return message, nil
}

// parse does what proto.Unmarshal would, but leaves the payload where it is.
func (o *opener) parse(data []byte) error {
	message := &o.message
	*message = kuaishou.SocketMessage{}
	o.beside = o.beside[:0]
	fields := fieldReader{rest: data}
	for fields.next() {
		switch {
		case fields.is(1, protowire.VarintType):
			message.PayloadType = kuaishou.PayloadType(fields.value)
		case fields.is(2, protowire.VarintType):
			message.CompressionType = kuaishou.SocketMessage_CompressionType(fields.value)
		case fields.is(3, protowire.BytesType):
			message.Payload = fields.raw
		case fields.is(4, protowire.VarintType):
			message.Time = fields.value
		default:
			o.beside = append(o.beside, fields.whole...)
		}
	}
	if fields.err != nil {
		return fields.err
	}
	if len(o.beside) > 0 { // on no ordinary push
		return o.readBeside()
	}
	return nil
}

// readBeside reads into the message what was said beside.
func (o *opener) readBeside() error {
	m := &o.message
	*m = kuaishou.SocketMessage{PayloadType: m.PayloadType, CompressionType: m.CompressionType, Payload: m.Payload, Time: m.Time}
	return proto.UnmarshalOptions{Merge: true}.Unmarshal(o.beside, m)
}

func (o *opener) gunzip(packed []byte) ([]byte, error) {
	var ok bool
	if o.plain, ok = o.unpack.Append(o.plain[:0], packed, MaxPayload); ok {
		return o.plain, nil
	}
	o.packed.Reset(packed)
	if err := o.gzip.Reset(&o.packed); err != nil {
		return nil, gzipError(err)
	}
	o.plain = o.plain[:0]
	for {
		if len(o.plain) == cap(o.plain) {
			o.plain = append(o.plain, 0)[:len(o.plain)]
		}
		free := o.plain[len(o.plain):min(cap(o.plain), MaxPayload+1)]
		n, err := o.gzip.Read(free)
		o.plain = o.plain[:len(o.plain)+n]
		switch {
		case len(o.plain) > MaxPayload:
			return nil, errPayloadTooLarge
		case errors.Is(err, io.EOF):
			return o.plain, nil
		case err != nil:
			return nil, gzipError(err)
		}
	}
}

// gzipError says what is wrong, the same each time: the library's own text has an
// offset in it that depends on what its buffers held before.
func gzipError(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("gzip payload is cut off")
	case errors.Is(err, gzip.ErrHeader):
		return errors.New("gzip payload is damaged: it does not begin like gzip")
	case errors.Is(err, gzip.ErrChecksum):
		return errors.New("gzip payload is damaged: the checksum is another")
	}
	return errors.New("gzip payload is damaged: what is in it was not compressed so")
}

func (o *opener) decrypt(packed []byte) ([]byte, error) {
	if len(packed) == 0 || len(packed)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("AES payload of %d bytes is not a whole number of blocks", len(packed))
	}
	if len(packed) > MaxPayload+aes.BlockSize {
		return nil, errPayloadTooLarge
	}
	block, err := aes.NewCipher([]byte(payloadKey))
	if err != nil {
		return nil, fmt.Errorf("opening the AES payload: %w", err)
	}
	o.plain = append(o.plain[:0], packed...)
	cipher.NewCBCDecrypter(block, []byte(payloadIV)).CryptBlocks(o.plain, o.plain)
	padding := int(o.plain[len(o.plain)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, errors.New("AES payload has wrong padding")
	}
	end := len(o.plain) - padding
	for _, b := range o.plain[end:] {
		if int(b) != padding {
			return nil, errors.New("AES payload has wrong padding")
		}
	}
	return o.plain[:end], nil
}
