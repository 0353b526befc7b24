package migrations

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"kslive/schema"
)

// attempt is a row of coverage, in seconds since the start of its test; 0 is NULL.
type attempt struct {
	began, connected, last, ended int
	written                       int // 0: when it ended
	state, cause, worker          string
	stream                        string // "a" when empty
	via                           string
	code                          int
}

// gap is a row of the view gaps, in the same seconds; to is 0 while it lasts.
type gap struct {
	From, To     int
	Cause, State string
	OnAir        string
}

// What the views make of attempts whose truth is known by construction. The
// clock of the test stands at 7200 seconds.
func TestGaps(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	// Whole seconds, and long enough ago that every open record is an orphan
	// unless it says that it was written just now.
	now := time.Now().UTC().Truncate(time.Second)
	start := now.Add(-2 * time.Hour)
	const justNow = 7200
	for _, c := range []struct {
		name     string
		attempts []attempt
		want     []gap
		heard    float64
		share    float64 // -1: NULL
		recalled float64
	}{
		{
			name:     "one session to the end",
			attempts: []attempt{{began: 1, connected: 10, last: 900, ended: 1000, state: "ended", cause: "rejected"}},
			heard:    990, share: 1,
		},
		{
			name: "dropped, a dial that failed, heard again",
			attempts: []attempt{
				{began: 1, connected: 10, last: 90, ended: 100, state: "connecting", cause: "closed"},
				{began: 102, ended: 104, state: "connecting", cause: "dial"},
				{began: 109, connected: 110, last: 200, ended: 210, state: "ended", cause: "rejected"},
			},
			want:  []gap{{100, 104, "closed", "connecting", "known"}, {104, 110, "dial", "connecting", "known"}},
			heard: 190, share: 0.95,
		},
		{
			name: "nothing came for fifty seconds before anybody noticed",
			attempts: []attempt{
				{began: 10, connected: 10, last: 60, ended: 110, state: "connecting", cause: "silent"},
				{began: 112, connected: 112, last: 160, ended: 162, state: "ended", cause: "rejected"},
			},
			want:  []gap{{60, 112, "silent", "connecting", "known"}},
			heard: 100, share: 100.0 / 152,
		},
		{
			name: "two workers: no gap while one of them hears",
			attempts: []attempt{
				{began: 10, connected: 10, last: 100, ended: 100, state: "connecting", cause: "closed", worker: "one"},
				{began: 50, connected: 50, last: 300, ended: 300, state: "connecting", cause: "closed", worker: "two"},
				{began: 150, connected: 150, last: 200, ended: 200, state: "connecting", cause: "closed", worker: "one"},
				{began: 310, connected: 310, last: 400, ended: 410, state: "ended", cause: "rejected", worker: "one"},
			},
			want:  []gap{{300, 310, "closed", "connecting", "known"}},
			heard: 390, share: 390.0 / 400,
		},
		{
			name: "the worker died; another came",
			attempts: []attempt{
				{began: 10, connected: 10, last: 70, written: 75, state: "live", worker: "dead"},
				{began: 130, connected: 130, last: 190, ended: 190, state: "ended", cause: "rejected"},
			},
			want:  []gap{{70, 130, "worker_lost", "lost", "known"}},
			heard: 120, share: 120.0 / 180,
		},
		{
			name: "the worker died soon after it had taken over",
			attempts: []attempt{
				{began: 10, connected: 10, last: 100, ended: 105, state: "stopped", cause: "handed_over", worker: "one"},
				{began: 103, connected: 103, last: 103, written: 103, state: "live", worker: "dead"},
				{began: 130, connected: 130, last: 190, ended: 190, state: "ended", cause: "rejected", worker: "one"},
			},
			want:  []gap{{105, 130, "worker_lost", "lost", "known"}},
			heard: 155, share: 155.0 / 180,
		},
		{
			name:     "heard now",
			attempts: []attempt{{began: 7000, connected: 7000, last: 7190, written: justNow, state: "live"}},
			heard:    200, share: 1,
		},
		{
			name: "refused on air, until now",
			attempts: []attempt{
				{began: 10, connected: 10, last: 100, ended: 100, state: "connecting", cause: "closed"},
				{began: 105, ended: 110, state: "rate_limited", cause: "refused"},
			},
			want:  []gap{{100, 110, "closed", "connecting", "known"}, {110, 0, "refused", "rate_limited", "known"}},
			heard: 90, share: 90.0 / 7190,
		},
		{
			name: "refused before anything was known",
			attempts: []attempt{
				{began: 10, ended: 10, state: "captcha", cause: "refused"},
				{began: 500, ended: 500, state: "offline", cause: "refused"},
			},
			want: []gap{{10, 500, "refused", "captcha", "unknown"}}, share: -1,
		},
		{
			name: "a person did not want it any more",
			attempts: []attempt{
				{began: 10, connected: 10, last: 100, ended: 100, state: "stopped", cause: "unwanted"},
				{began: 900, connected: 900, last: 1000, ended: 1000, state: "stopped", cause: "unwanted"},
			},
			heard: 190, share: 1,
		},
		{
			name: "off air between two broadcasts",
			attempts: []attempt{
				{began: 10, connected: 10, last: 100, ended: 100, state: "connecting", cause: "closed"},
				{began: 130, ended: 130, state: "offline", cause: "refused"},
				{began: 3730, ended: 3730, state: "offline", cause: "refused"},
				{began: 5000, connected: 5000, last: 6000, ended: 6000, state: "ended", cause: "rejected", stream: "b"},
			},
			want:  []gap{{100, 130, "closed", "connecting", "known"}},
			heard: 1090, share: 1090.0 / 1120,
		},
		{
			name: "kicked out, and refused until it is off air",
			attempts: []attempt{
				{began: 10, connected: 10, last: 100, ended: 100, state: "banned", cause: "rejected", code: 606},
				{began: 130, ended: 130, state: "banned", cause: "refused", code: 69101},
				{began: 190, ended: 190, state: "offline", cause: "refused", code: 671},
			},
			want:  []gap{{100, 130, "rejected", "banned", "known"}, {130, 190, "refused", "banned", "known"}},
			heard: 90, share: 0.5,
		},
		{
			name: "refused by region before anything was known",
			attempts: []attempt{
				{began: 10, ended: 10, state: "banned", cause: "refused", code: 67606},
				{began: 500, ended: 500, state: "offline", cause: "refused"},
			},
			want: []gap{{10, 500, "refused", "banned", "unknown"}}, share: -1,
		},
		{
			name:     "the author was banned: nobody is on air",
			attempts: []attempt{{began: 10, connected: 10, last: 100, ended: 100, state: "banned", cause: "rejected", code: 677}},
			heard:    90, share: 1,
		},
		{
			name: "recalled until a socket takes over, and in part beside another's",
			attempts: []attempt{
				{began: 10, connected: 10, last: 109, ended: 110, state: "connecting", cause: "recalled", via: "recall"},
				{began: 111, connected: 112, last: 200, ended: 212, state: "connecting", cause: "closed", via: "page"},
				{began: 205, connected: 205, last: 260, ended: 262, state: "ended", cause: "rejected", worker: "two", via: "recall"},
			},
			want:  []gap{{110, 112, "recalled", "connecting", "known"}},
			heard: 250, share: 250.0 / 252, recalled: 150,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			live := strings.ReplaceAll(c.name, " ", "_")
			at := func(second int) any {
				if second == 0 {
					return nil
				}
				return start.Add(time.Duration(second) * time.Second)
			}
			for i, a := range c.attempts {
				written := a.ended
				if a.written > 0 {
					written = a.written
				}
				// An earlier record of the same attempt, which must not count.
				for _, r := range []struct {
					last, ended any
					written     int
					state       string
				}{{at(a.connected), nil, a.began, "live"}, {at(a.last), at(a.ended), written, a.state}} {
					err := conn.Exec(t.Context(), `INSERT INTO coverage (live_id, live_stream_id, event_time, event_id, received_at, worker, connected_at, last_frame_at, ended_at, state, cause, via, code, frames)
						VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)`,
						live, "a"+a.stream, at(a.began), uint64(i+1), at(r.written), a.worker, at(a.connected), r.last, r.ended, r.state, a.cause, a.via, int32(a.code))
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			rows, err := conn.Query(t.Context(), "SELECT gap_start, gap_end, cause, state, on_air FROM gaps WHERE live_id = ? ORDER BY gap_start", live)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var got []gap
			for rows.Next() {
				var g gap
				var from time.Time
				var to *time.Time
				if err := rows.Scan(&from, &to, &g.Cause, &g.State, &g.OnAir); err != nil {
					t.Fatal(err)
				}
				g.From = int(from.Sub(start) / time.Second)
				if to != nil {
					g.To = int(to.Sub(start) / time.Second)
				}
				got = append(got, g)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("gaps: %s", diff)
			}
			var heard, recalled float64
			var share *float64
			if err := conn.QueryRow(t.Context(), "SELECT heard_seconds, recalled_seconds, share FROM coverage_by_live WHERE live_id = ?", live).Scan(&heard, &recalled, &share); err != nil {
				t.Fatal(err)
			}
			if recalled != c.recalled {
				t.Errorf("comments alone were heard for %v seconds, want %v", recalled, c.recalled)
			}
			// What lasts until now has grown a little since the test began.
			if heard < c.heard || heard > c.heard+120 {
				t.Errorf("heard %v seconds, want %v", heard, c.heard)
			}
			switch {
			case (share == nil) != (c.share < 0):
				t.Errorf("share %v, want %v", share, c.share)
			case share != nil && (*share < c.share-0.002 || *share > c.share+0.002):
				t.Errorf("share %v, want %v", *share, c.share)
			}
		})
	}
}

// Each table has a view that reads once what was inserted twice.
func TestUnique(t *testing.T) {
	_, dsn := migrated(t)
	conn := open(t, dsn)
	for _, table := range schema.Tables {
		if table.Name == "coverage" {
			continue // it is read by views of its own
		}
		for range 2 {
			if err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO %s (live_id, event_time, event_id) VALUES ('3x', '2026-11-23 12:00:00', 1)", table.Name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO %s (live_id, event_time, event_id) VALUES ('3x', '2026-11-23 12:00:00', 2)", table.Name)); err != nil {
			t.Fatal(err)
		}
		if got := count(t, conn.QueryRow, table.Name+"_unique"); got != 2 {
			t.Errorf("%s_unique has %d rows, want 2", table.Name, got)
		}
	}
}
