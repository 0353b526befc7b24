package simulator

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// frame is one websocket message to clients, and the rows that it must become.
// Several connections share it.
type frame struct {
	data    []byte
	entries []entry
	// recorded is set by the first connection that wrote it.
	recorded atomic.Bool
	// confirmed is set by the first connection whose client confirmed it.
	confirmed atomic.Bool
	// then is what happens to the connection after data, which may be empty.
	then ending
	// code is the close code of a goodbye; 0 is 1000.
	code int
	// passed, when not nil, is closed when everything before it is written.
	passed chan struct{}
}

// ending is how the simulator ends a connection.
type ending int

const (
	stay    ending = iota
	goodbye        // a close message
	cut            // the end of the stream, without a close message
)

// add notes that the frame becomes a row, a pointer to a struct of package schema.
func (f *frame) add(row any) { f.entries = append(f.entries, entryOf(row)) }

// addComment is add for a comment that can also be recalled. It returns what
// the recall is to note.
func (f *frame) addComment(row *schema.Comment) entry {
	e := entryOf(row)
	e.told = new(atomic.Bool)
	f.entries = append(f.entries, e)
	return e
}

// The constants that the web player ships.
const (
	aesKey = "PPbzKKL7NB15leYy"
	aesIV  = "JRODKJiolJ9xqso0"
)

// envelope seals payload in a SocketMessage of time t.
func envelope(
	kind kuaishou.PayloadType, payload []byte, compression kuaishou.SocketMessage_CompressionType, t time.Time,
) ([]byte, error) {
	sealed, err := compress(payload, compression)
	if err != nil {
		return nil, fmt.Errorf("compressing a %v: %w", kind, err)
	}
	data, err := proto.Marshal(&kuaishou.SocketMessage{
		PayloadType:     kind,
		CompressionType: compression,
		Payload:         sealed,
		Time:            uint64(t.UnixMilli()),
	})
	if err != nil {
		return nil, fmt.Errorf("encoding a %v: %w", kind, err)
	}
	return data, nil
}

func compress(payload []byte, compression kuaishou.SocketMessage_CompressionType) ([]byte, error) {
	switch compression {
	case kuaishou.SocketMessage_GZIP:
		return gzipped(payload)
	case kuaishou.SocketMessage_AES:
		return encrypted(payload)
	default:
		return payload, nil
	}
}

func gzipped(payload []byte) ([]byte, error) {
	var out bytes.Buffer
	// Stateless: a compressor with a window is several hundred kilobytes.
	w, err := gzip.NewWriterLevel(&out, gzip.StatelessCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(payload); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func encrypted(payload []byte) ([]byte, error) {
	block, err := aes.NewCipher([]byte(aesKey))
	if err != nil {
		return nil, err
	}
	padding := aes.BlockSize - len(payload)%aes.BlockSize
	out := append(bytes.Clone(payload), bytes.Repeat([]byte{byte(padding)}, padding)...)
	cipher.NewCBCEncrypter(block, []byte(aesIV)).CryptBlocks(out, out)
	return out, nil
}
