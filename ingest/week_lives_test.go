package ingest

import (
	"cmp"
	"container/heap"
	"sync"
	"time"
)

// weekLives stands for Postgres, whose clock cannot be a fake one: a queue of
// rows that are due, with the columns of live_state and broadcasts that claiming,
// reporting and releasing read and write, and in the order of claimSQL.
type weekLives struct {
	mu   sync.Mutex // covers all below, and the rows
	free weekQueue  // rows that nobody holds
}

// add adds a row with what was seen of its room until now: of the broadcasts
// before, one in twenty was missed.
func (l *weekLives) add(row *weekRow, now time.Time) {
	for n, s := range row.room.shows {
		if s.over.Before(now) && n%20 != 0 {
			seen := s.began.Add(time.Duration(n%4) * time.Minute)
			row.broadcasts = append(row.broadcasts, weekBroadcast{s.stream, seen.Add(-4 * time.Minute), seen, s.over})
		}
	}
	heap.Push(&l.free, row)
}

// weekRow is a row of lives with its slot of live_state and its broadcasts.
type weekRow struct {
	id         int64
	room       *weekRoom
	nextAt     time.Time
	offAirAt   time.Time
	stream     string
	broadcasts []weekBroadcast // by first_seen
}

// weekBroadcast is a row of broadcasts.
type weekBroadcast struct {
	stream                     string
	offAirAt, firstSeen, ended time.Time
}

// weekQueue is the index live_state_due.
type weekQueue []*weekRow

func (q weekQueue) Len() int { return len(q) }
func (q weekQueue) Less(i, j int) bool {
	return cmp.Or(q[i].nextAt.Compare(q[j].nextAt), cmp.Compare(q[i].id, q[j].id)) < 0
}
func (q weekQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *weekQueue) Push(row any) { *q = append(*q, row.(*weekRow)) }
func (q *weekQueue) Pop() any {
	last := len(*q) - 1
	row := (*q)[last]
	*q = (*q)[:last]
	return row
}

// claim is claimSQL: what is due at now, with claimedHistory.
func (l *weekLives) claim(now time.Time) (rows []*weekRow, histories []Habits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.free) > 0 && !l.free[0].nextAt.After(now) {
		row := heap.Pop(&l.free).(*weekRow)
		rows, histories = append(rows, row), append(histories, row.history(now))
	}
	return rows, histories
}

func (r *weekRow) history(now time.Time) Habits {
	var h Habits
	for i, b := range r.broadcasts {
		if now.Sub(b.firstSeen) >= historyDays*day {
			continue
		}
		if unseen := b.firstSeen.Sub(b.offAirAt); !b.offAirAt.IsZero() && unseen < 15*time.Minute {
			h.Starts = append(h.Starts, b.offAirAt.Add(unseen/2))
		}
		if b.ended.After(h.Ended) {
			h.Ended = b.ended
		}
		h.OnAir = i == len(r.broadcasts)-1 && b.ended.IsZero()
	}
	return h
}

// report is reportSQL for a room that is live.
func (l *weekLives) report(row *weekRow, report Report, now time.Time) {
	if report.State != StateLive {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	row.stream = report.LiveStreamID
	if n := len(row.broadcasts); n > 0 && row.broadcasts[n-1].stream == row.stream {
		row.broadcasts[n-1].ended = time.Time{}
		return
	}
	row.broadcasts = append(row.broadcasts, weekBroadcast{stream: row.stream, offAirAt: row.offAirAt, firstSeen: now})
}

// release is releaseSQL.
func (l *weekLives) release(row *weekRow, last Report, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	row.stream = cmp.Or(last.LiveStreamID, row.stream)
	if last.State == StateOffline || last.State == StateEnded {
		row.offAirAt = now
		if n := len(row.broadcasts); n > 0 && row.broadcasts[n-1].stream == row.stream && row.broadcasts[n-1].ended.IsZero() {
			row.broadcasts[n-1].ended = now
		}
	}
	row.nextAt = now.Add(last.RetryAfter)
	heap.Push(&l.free, row)
}
