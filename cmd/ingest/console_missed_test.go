package main

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// missedIsCounted looks back on a room that was lost many times, and on one that
// was never heard of: the sum is of all gaps, of the time that is looked at alone.
func missedIsCounted(t *testing.T, s *setting, p *pipeline) {
	const live = "3xoftenlostroom"
	now := time.Now()
	// Heard for a minute four hours ago, then from an hour ago on for 50 s a minute.
	began := []time.Time{now.Add(-4 * time.Hour)}
	for minute := range 60 {
		began = append(began, now.Add(time.Duration(minute-60)*time.Minute))
	}
	for i, at := range began {
		s.execute(t, fmt.Sprintf(`INSERT INTO coverage (live_id, live_stream_id, event_time, received_at, event_id, session_id, connected_at, last_frame_at, ended_at, state, cause, reason)
			SELECT '%s', 'broadcast', at, at + 50, %d, %d, at, at + 50, at + 50, 'connecting', 'closed', 'connecting again: the network' FROM (SELECT fromUnixTimestamp64Milli(%d, 'UTC') AS at)`,
			live, i+1, i+1, at.UnixMilli()))
	}
	found, err := p.clickhouse.Look(t.Context(), live, now.Add(-2*time.Hour), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	// One hour of the long gap, and 60 of 10 s; the last one goes on.
	if missed, want := found.Totals.Missed, 3600+600+time.Since(now).Seconds(); math.Abs(missed-want) > 5 {
		t.Errorf("%.1f s were missed, not %.1f; the last gaps: %+v", missed, want, found.Gaps[:3])
	}
	if len(found.Gaps) != 50 || found.Gaps[0].State != "connecting" {
		t.Errorf("%d gaps, the last is %+v", len(found.Gaps), found.Gaps[0])
	}
	if found, err = p.clickhouse.Look(t.Context(), "3xneverheardof1", now.Add(-time.Hour), time.Minute); err != nil || found.Totals.Missed != 0 || len(found.Gaps) != 0 {
		t.Errorf("of a room that nothing is stored of: %+v %v", found, err)
	}
}
