//go:build (linux || darwin) && !noembed

package chdb

import (
	"compress/zlib"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// summary is X-ClickHouse-Summary. A server writes the numbers as strings.
type summary struct {
	ReadRows     uint64 `json:"read_rows,string"`
	ReadBytes    uint64 `json:"read_bytes,string"`
	WrittenRows  uint64 `json:"written_rows,string"`
	WrittenBytes uint64 `json:"written_bytes,string"`
	ResultRows   uint64 `json:"result_rows,string"`
	ResultBytes  uint64 `json:"result_bytes,string"`
	ElapsedNS    uint64 `json:"elapsed_ns,string"`
}

// response writes a request's answer: headers when the first byte comes, compression, and an exception in the body when
// it is too late for a status.
type response struct {
	w       http.ResponseWriter
	client  clientWriter // to w
	q       *request
	version string // of the engine, for error texts
	out     encoder
	tag     string // tells an exception in the body from data that looks like one
}

func newResponse(w http.ResponseWriter, client clientWriter, q *request, version string) *response {
	return &response{w: w, client: client, q: q, version: version, tag: rand.Text()[:16]}
}

// describe sets the headers of a query that has begun to give results.
func (p *response) describe(format, timezone string, s summary) {
	h := p.w.Header()
	h.Set("Content-Type", contentType(format))
	h.Set("X-ClickHouse-Format", format)
	h.Set("X-ClickHouse-Timezone", timezone)
	h.Set("X-ClickHouse-Exception-Tag", p.tag)
	if text, err := json.Marshal(s); err == nil {
		h.Set("X-ClickHouse-Summary", string(text))
	}
}

// Write sends a piece of the result. Without a piece the answer is empty and has no encoding.
func (p *response) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if p.out == nil {
		out, err := p.encoder()
		if err != nil {
			return 0, err
		}
		p.out = out
	}
	return p.out.Write(b)
}

// finish ends the answer with the exception that err is, if any.
func (p *response) finish(err error) {
	if err == nil {
		if p.out != nil {
			p.out.Close() // the client is gone if this fails, and there is no one to tell
		}
		return
	}
	e := asException(err)
	text := e.text
	if p.version != "" && !strings.Contains(text, "(version ") {
		text += " (version " + p.version + " (official build))"
	}
	if p.out == nil {
		h := p.w.Header()
		h.Set("Content-Type", "text/plain; charset=UTF-8")
		h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.code))
		h.Del("Content-Encoding")
		p.w.WriteHeader(e.status())
		fmt.Fprintln(p.client, text)
		return
	}
	// The driver looks for the block in a frame of its own.
	if p.out.Flush() == nil {
		fmt.Fprintf(p.out, "\r\n__exception__\r\n%s\r\n%s\n%d %s\r\n__exception__\r\n", p.tag, text, len(text)+1, p.tag)
	}
	p.out.Close()
}

// encoder is what stands between a result and the socket.
type encoder interface {
	io.WriteCloser
	Flush() error
}

// encoder makes the one that the client asked for.
func (p *response) encoder() (encoder, error) {
	methods := map[string]compress.Method{"LZ4": compress.LZ4, "LZ4HC": compress.LZ4HC, "ZSTD": compress.ZSTD, "NONE": compress.None}
	if p.q.compress != "" {
		method, ok := methods[p.q.compress]
		if !ok {
			return nil, newException(codeBadArguments, "BAD_ARGUMENTS", "network_compression_method %q is none of LZ4, LZ4HC, ZSTD, NONE", p.q.compress)
		}
		return &frameWriter{w: p.client, compressor: compress.NewWriter(compress.LevelZero, method)}, nil
	}
	for encoding := range strings.SplitSeq(p.q.encodings, ",") {
		encoding, parameters, _ := strings.Cut(strings.TrimSpace(encoding), ";")
		if strings.ReplaceAll(parameters, " ", "") == "q=0" {
			continue
		}
		var out encoder
		switch encoding {
		case "gzip":
			w, err := gzip.NewWriterLevel(p.client, gzip.BestSpeed)
			if err != nil {
				return nil, err
			}
			out = w
		case "deflate":
			w, err := zlib.NewWriterLevel(p.client, zlib.BestSpeed)
			if err != nil {
				return nil, err
			}
			out = w
		case "zstd":
			w, err := zstd.NewWriter(p.client, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
			if err != nil {
				return nil, err
			}
			out = w
		default:
			continue
		}
		p.w.Header().Set("Content-Encoding", encoding)
		return out, nil
	}
	return plain{p.client}, nil
}

// decodeBody undoes the encodings of a request's body.
func decodeBody(body io.Reader, contentEncoding string, frames bool) (io.Reader, error) {
	var err error
	switch contentEncoding {
	case "", "identity":
	case "gzip":
		body, err = gzip.NewReader(body)
	case "deflate":
		body, err = zlib.NewReader(body)
	case "zstd":
		var decoder *zstd.Decoder
		decoder, err = zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame))
		body = decoder
	default:
		return nil, newException(codeNotImplemented, "NOT_IMPLEMENTED", "Content-Encoding %q is none of gzip, deflate, zstd", contentEncoding)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a body of Content-Encoding %s: %w", contentEncoding, err)
	}
	if frames {
		body = framesReader{compress.NewReader(body)}
	}
	return body, nil
}

// framesReader answers the end of the frames as a reader must, where compress.Reader
// wraps it.
type framesReader struct{ frames *compress.Reader }

func (r framesReader) Read(p []byte) (int, error) {
	n, err := r.frames.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

// clientWriter writes to the socket and gives up on a client that has stalled.
type clientWriter struct {
	w       io.Writer
	control *http.ResponseController
	idle    time.Duration
}

// maxPiece keeps one write, for which a client has the time idle, to a size that a slow client can take.
const maxPiece = 1 << 20

func (c clientWriter) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		_ = c.control.SetWriteDeadline(time.Now().Add(c.idle)) // as in bodyReader
		n, err := c.w.Write(b[written:min(len(b), written+maxPiece)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

type plain struct{ io.Writer }

func (plain) Flush() error { return nil }
func (plain) Close() error { return nil }

const maxFrame = 128 << 20 // the driver's limit for a compressed frame

// frameWriter writes ClickHouse's compressed frames.
type frameWriter struct {
	w          io.Writer
	compressor *compress.Writer
	buffer     []byte
}

func (f *frameWriter) Write(b []byte) (int, error) {
	written := len(b)
	for len(b) > 0 {
		n := min(len(b), maxPiece-len(f.buffer))
		f.buffer = append(f.buffer, b[:n]...)
		b = b[n:]
		if len(f.buffer) == maxPiece {
			if err := f.Flush(); err != nil {
				return 0, err
			}
		}
	}
	return written, nil
}

func (f *frameWriter) Flush() error {
	if len(f.buffer) == 0 {
		return nil
	}
	if err := f.compressor.Compress(f.buffer); err != nil {
		return fmt.Errorf("compressing the answer: %w", err)
	}
	f.buffer = f.buffer[:0]
	_, err := f.w.Write(f.compressor.Data)
	return err
}

func (f *frameWriter) Close() error { return f.Flush() }

func contentType(format string) string {
	switch {
	case strings.Contains(format, "EachRow") && strings.HasPrefix(format, "JSON"):
		return "application/x-ndjson; charset=UTF-8"
	case strings.HasPrefix(format, "JSON"):
		return "application/json; charset=UTF-8"
	case strings.HasPrefix(format, "CSV"):
		return "text/csv; charset=UTF-8"
	case strings.HasPrefix(format, "TabSeparated"), strings.HasPrefix(format, "TSV"):
		return "text/tab-separated-values; charset=UTF-8"
	case strings.HasPrefix(format, "Pretty"), format == "Vertical", format == "Markdown", format == "Values":
		return "text/plain; charset=UTF-8"
	case format == "XML":
		return "application/xml; charset=UTF-8"
	}
	return "application/octet-stream"
}
