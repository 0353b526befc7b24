package main

import (
	"bufio"
	"bytes"
	stdgzip "compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/proto"

	"kslive/ingest"
	"kslive/ingest/gunzip"
	"kslive/internal/corpus"
	kuaishou "kslive/proto"
	"kslive/schema"
)

var decodeBenchmark = benchmark{
	name: "decode",
	about: "Frames to rows, as the loader decodes them, on one core; an event is a row other than the counters. Beside it `proto.Unmarshal` of " +
		"envelope and payload of the same frames, with gzip readers used again: it makes no rows, validates no text and counts no unknown fields. Then others that make rows, plainer ones, where the machine has them: " +
		"other languages with their library for protobuf, and a generic engine; their ratio is to our decoder, measured in turn with them.",
	run: runDecode,
}

// shortForm and longForm are how many frames are decoded.
const (
	shortForm = 11_200 // 200 times what internal/corpus repeats
	longForm  = 224_000
)

func runDecode(ctx context.Context, b *bench) error {
	n, rounds := shortForm, 7
	if b.full {
		n = longForm
	}
	frames, err := corpus.Frames(n)
	if err != nil {
		return err
	}
	rows := rowDecoder{decoder: ingest.NewDecoder(nil)}
	events, err := rows.decode(frames)
	if err != nil {
		return err
	}
	work := []struct {
		what string
		do   func([]*kuaishou.Frame) (int, error)
	}{
		{"Decode to rows", rows.decode},
		{"proto.Unmarshal, our gzip", (&unmarshaler{unpack: ours()}).decode},
		{"proto.Unmarshal, klauspost's gzip", (&unmarshaler{unpack: unpackWith(new(gzip.Reader))}).decode},
		{"proto.Unmarshal, compress/gzip", (&unmarshaler{unpack: unpackWith(new(stdgzip.Reader))}).decode},
		{"envelope and our gzip", (&unmarshaler{unpack: ours(), only: true}).decode},
		{"envelope and klauspost's gzip", (&unmarshaler{unpack: unpackWith(new(gzip.Reader)), only: true}).decode},
		{"envelope and compress/gzip", (&unmarshaler{unpack: unpackWith(new(stdgzip.Reader)), only: true}).decode},
		{"envelope without gzip", (&unmarshaler{unpack: func([]byte) ([]byte, error) { return nil, nil }, only: true}).decode},
	}
	var ways []way
	for _, w := range work {
		ways = append(ways, self(func() error { _, err := w.do(frames); return err }))
	}
	took, err := sideBySide(ctx, rounds, ways...)
	if err != nil {
		return err
	}
	perEvent := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(events) }
	for i, w := range work {
		r := result{What: w.what + ", CPU", Value: perEvent(took[i].cpu), Unit: "ns/event", Note: fmt.Sprintf("%.0f ns/event on the clock", perEvent(took[i].wall))}
		if i == 0 {
			for against := 1; against <= 3; against++ {
				r.Against, r.Ratio, r.Target = work[against].what, float64(took[0].cpu)/float64(took[against].cpu), ""
				if against == 1 {
					r.Target = target("at most", 0.45, r.Ratio <= 0.45)
				}
				b.report(r)
			}
			continue
		}
		b.report(r)
	}
	for i, w := range work[:2] {
		allocated, err := allocations(func() error { _, err := w.do(frames); return err })
		if err != nil {
			return err
		}
		r := result{What: w.what + ", memory", Value: allocated / float64(events), Unit: "allocations/event"}
		if i == 0 {
			r.Target = "0 amortised"
		}
		b.report(r)
	}
	return runPeers(ctx, b, &rows, frames)
}

// allocations counts what work allocates, by this goroutine and all others.
func allocations(work func() error) (float64, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := work()
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs), err
}

// rowDecoder decodes frames as the loader does.
type rowDecoder struct {
	decoder *ingest.Decoder
	batch   schema.Batch
}

// decode answers how many events the frames held.
func (r *rowDecoder) decode(frames []*kuaishou.Frame) (events int, err error) {
	const batchFrames = 7000 // some 50,000 rows
	for i, frame := range frames {
		if i%batchFrames == 0 {
			events += r.reset()
		}
		r.decoder.Decode(frame, int64(i), &r.batch)
	}
	return events + r.reset(), nil
}

func (r *rowDecoder) reset() (events int) {
	events = r.batch.Len() - len(r.batch.RoomStats)
	r.batch.Reset()
	return events
}

// unmarshaler does with frames what any reader of protobuf must.
type unmarshaler struct {
	unpack func(packed []byte) (plain []byte, err error)
	only   bool // unpack
}

// ours unpacks as the decoder does.
func ours() func([]byte) ([]byte, error) {
	var unpacker gunzip.Unpacker
	var plain []byte
	return func(packed []byte) ([]byte, error) {
		var ok bool
		if plain, ok = unpacker.Append(plain[:0], packed, ingest.MaxPayload); !ok {
			return nil, errors.New("a payload was not unpacked")
		}
		return plain, nil
	}
}

// unpackWith unpacks with a library's reader, which is used again.
func unpackWith(reader interface {
	io.Reader
	Reset(io.Reader) error
},
) func([]byte) ([]byte, error) {
	var in bytes.Reader
	var plain bytes.Buffer
	return func(packed []byte) ([]byte, error) {
		in.Reset(packed)
		plain.Reset()
		if err := reader.Reset(&in); err != nil {
			return nil, err
		}
		_, err := plain.ReadFrom(reader)
		return plain.Bytes(), err
	}
}

func (u *unmarshaler) decode(frames []*kuaishou.Frame) (int, error) {
	for _, frame := range frames {
		if err := u.frame(frame.Data); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (u *unmarshaler) frame(data []byte) error {
	var envelope kuaishou.SocketMessage
	if err := proto.Unmarshal(data, &envelope); err != nil {
		return err
	}
	if envelope.CompressionType == kuaishou.SocketMessage_GZIP {
		plain, err := u.unpack(envelope.Payload)
		if err != nil {
			return err
		}
		envelope.Payload = plain
	}
	if u.only {
		return nil
	}
	var payload proto.Message
	switch envelope.PayloadType {
	case kuaishou.PayloadType_SC_FEED_PUSH:
		payload = &kuaishou.SCWebFeedPush{}
	case kuaishou.PayloadType_SC_LIVE_WATCHING_LIST:
		payload = &kuaishou.SCWebLiveWatchingUsers{}
	default:
		payload = &kuaishou.SCWebHeartbeatAck{}
	}
	return proto.Unmarshal(envelope.Payload, payload)
}

// writeFrames writes the frames of the long form for other programs.
func writeFrames(path string) error {
	frames, err := corpus.Frames(longForm)
	if err != nil {
		return err
	}
	return writeLines(path, frames)
}

// writeLines writes a frame a line, in base64.
func writeLines(path string, frames []*kuaishou.Frame) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	lines := bufio.NewWriter(file)
	for _, frame := range frames {
		_, _ = fmt.Fprintln(lines, base64.StdEncoding.EncodeToString(frame.Data)) // Flush tells
	}
	return lines.Flush()
}
