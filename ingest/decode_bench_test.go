package ingest

import (
	"runtime"
	"testing"

	"kslive/internal/corpus"
	kuaishou "kslive/proto"
	"kslive/schema"
)

func corpusFrames(b *testing.B, n int) []*kuaishou.Frame {
	b.Helper()
	frames, err := corpus.Frames(n)
	if err != nil {
		b.Fatal(err)
	}
	return frames
}

// BenchmarkDecode decodes a thousand frames an operation into one batch. An
// event is a row other than the counters.
func BenchmarkDecode(b *testing.B) {
	frames := corpusFrames(b, 1000)
	decoder := NewDecoder(nil)
	var batch schema.Batch
	events := 0
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for b.Loop() {
		batch.Reset()
		for i, frame := range frames {
			decoder.Decode(frame, int64(i), &batch)
		}
		events += batch.Len() - len(batch.RoomStats)
	}
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(events), "allocs/event")
}

func BenchmarkEnvelope(b *testing.B) {
	frames := corpusFrames(b, 100)
	var o opener
	for b.Loop() {
		for _, frame := range frames {
			if _, err := o.open(frame.Data); err != nil {
				b.Fatal(err)
			}
		}
	}
}
