package ingest

import (
	"testing"
	"time"

	"kslive/schema"
)

// All records of one attempt have one key, however long it lasts.
func TestCoverageOfALongSession(t *testing.T) {
	frame := frameOf(nil)
	frame.Coverage = coverageSample()
	var batch schema.Batch
	decoder := NewDecoder(nil)
	for _, lasted := range []time.Duration{time.Second, time.Hour, 72 * time.Hour} {
		frame.ReceivedAt = frame.Coverage.StartedAt + lasted.Milliseconds()
		decoder.Decode(frame, 0, &batch)
	}
	for _, row := range batch.Coverage {
		if row.EventTime.UnixMilli() != frame.Coverage.StartedAt || row.EventTimeSource != schema.FromReceipt {
			t.Errorf("the attempt began at %v by %s after %v", row.EventTime, row.EventTimeSource, row.ReceivedAt.Sub(row.EventTime))
		}
	}
}
