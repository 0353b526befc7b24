package ingest

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kslive/schema"
)

// ClickHouse drops an insert whose token it knows, whether it has the rows or not:
// here they were deleted, else it was killed before they were stored. A repeat
// stores them, and stores nothing that is there.
func TestRepeatedInsertIsConfirmed(t *testing.T) {
	warehouse := openWarehouse(t)
	i := inserter{warehouse: warehouse, metrics: NewMetrics(prometheus.NewRegistry()), logger: slog.New(slog.DiscardHandler)}
	var batch schema.Batch
	now := time.Now().Truncate(time.Millisecond)
	const days = 3
	for day := range days {
		for n := range 4 {
			batch.Comments = append(batch.Comments, schema.Comment{
				Event:   schema.Event{LiveID: "room", EventTime: now.AddDate(0, -day, 0), ReceivedAt: now, EventID: uint64(100*day + n%3), SessionID: 7, FrameNumber: uint32(100*day + n)},
				Content: "示例",
			})
		}
	}
	insert := func(repeated bool) (stored uint64) {
		t.Helper()
		for rows := range batch.All() {
			if err := i.insert(t.Context(), "token", rows, source{repeated: repeated}); err != nil {
				t.Fatal(err)
			}
		}
		return countOf(t, warehouse, "SELECT count() FROM comments")
	}
	want := insert(false)
	if want < days*3 {
		t.Fatalf("%d rows are stored", want)
	}
	if got := insert(true); got != want {
		t.Errorf("a repeat made %d rows of %d", got, want)
	}
	mustExec(t, warehouse, "ALTER TABLE comments DELETE WHERE toYYYYMM(event_time) = %d SETTINGS mutations_sync = 2", now.AddDate(0, -1, 0).Year()*100+int(now.AddDate(0, -1, 0).Month()))
	lost := countOf(t, warehouse, "SELECT count() FROM comments")
	if got := insert(false); got != lost || lost >= want {
		t.Fatalf("%d rows after a repeat that nobody looked at, %d before: the test shows nothing", got, lost)
	}
	insert(true)
	if got := countOf(t, warehouse, "SELECT count() FROM comments FINAL"); got != days*3 {
		t.Errorf("%d comments are there after all, want %d", got, days*3)
	}
}
