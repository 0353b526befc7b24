package ingest

import "strings"

// texts copies bytes into texts, many of them into one piece of memory: one
// allocation for some hundreds of payloads instead of one for each text in them. A
// text that is kept keeps the piece that it is in.
type texts struct{ piece strings.Builder }

const textPiece = 256 << 10 // bytes

// of is a copy of b, which nothing changes any more.
func (t *texts) of(b []byte) string {
	if t.piece.Cap()-t.piece.Len() < len(b) {
		t.piece.Reset()
		t.piece.Grow(max(textPiece, len(b)))
	}
	from := t.piece.Len()
	t.piece.Write(b)
	return t.piece.String()[from:]
}
