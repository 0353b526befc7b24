package ingest

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"
)

// budget gives the calls of one exit their turns. Two turns are never closer
// than the interval, whoever they are for: in any time of d there are at most
// d/interval + 1. Those who wait are served by their deadlines, the earliest
// first. As a deadline is set once, when somebody asks, everybody's comes.
//
// When more is asked for than there are turns, everybody is late by the same
// time, and those who are in a hurry lose the most. So one turn of urgentTurns
// goes to whoever has asked with the least patience, and the earliest deadline
// among these.
type budget struct {
	interval time.Duration // 0: no bound

	mu    sync.Mutex // covers all below, and the fields of its lines that say so
	next  time.Time  // when the next turn may begin
	parts int        // among how many workers the address is divided; 0 is 1
	lines []*line
	alarm *time.Timer // wakes serve for the next turn
	asked uint64      // how often a turn was asked for
	given tally
}

// urgentTurns is of how many turns one is for those in a hurry.
const urgentTurns = 3

// line is where the calls of one account wait for their turns at its exit.
type line struct {
	budget   *budget
	interval time.Duration // the account's own least time between two calls

	next    time.Time // guarded by budget.mu
	waiting waiters   // guarded by budget.mu
	closed  bool      // guarded by budget.mu: nobody is served here any more
}

// waiter is one call that waits.
type waiter struct {
	deadline time.Time
	patience time.Duration // from asking to the deadline, in whole seconds
	number   uint64        // in the order of asking, for equal deadlines
	place    int           // in the line; -1 when it is not there any more
	turn     chan bool     // told once: true when it is its turn, false when it is sent away
}

func newBudget(interval time.Duration) *budget {
	b := &budget{interval: interval}
	b.alarm = time.AfterFunc(time.Hour, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.serve()
	})
	b.alarm.Stop()
	return b
}

// open adds a line whose calls are also interval apart.
func (b *budget) open(interval time.Duration) *line {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := &line{budget: b, interval: interval}
	b.lines = append(b.lines, l)
	return l
}

// divide leaves to this worker one of equal parts of what may be asked from the
// address: its turns are as many times as far apart.
func (b *budget) divide(parts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.parts = parts
}

// part is what is left of an interval's pace to this worker. The caller holds mu.
func (b *budget) part(interval time.Duration) time.Duration {
	return time.Duration(max(1, b.parts)) * interval
}

// close takes the line out and sends away those who wait in it, and those who
// come yet: a look-up chooses its account before it comes for a turn, and comes
// for several.
func (l *line) close() {
	b := l.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	l.closed = true
	l.empty()
	b.lines = slices.DeleteFunc(b.lines, func(other *line) bool { return other == l })
}

// wait returns true when it is the caller's turn, and false when ctx is done,
// the line is sent away or closed. A caller that gives up leaves its turn to the next.
func (l *line) wait(ctx context.Context, deadline time.Time) bool {
	if ctx.Err() != nil {
		return false
	}
	b := l.budget
	w := &waiter{deadline: deadline, patience: time.Until(deadline).Round(time.Second), turn: make(chan bool, 1)}
	b.mu.Lock()
	if l.closed {
		b.mu.Unlock()
		return false
	}
	b.asked++
	w.number = b.asked
	heap.Push(&l.waiting, w)
	b.serve()
	b.mu.Unlock()
	select {
	case ok := <-w.turn:
		return ok
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.place >= 0 {
		heap.Remove(&l.waiting, w.place)
		b.serve()
		return false
	}
	return <-w.turn // it came at the same moment
}

// sendAway has all who wait in the line go without a turn.
func (l *line) sendAway() {
	l.budget.mu.Lock()
	defer l.budget.mu.Unlock()
	l.empty()
}

// empty is sendAway for a caller that holds mu.
func (l *line) empty() {
	for len(l.waiting) > 0 {
		heap.Pop(&l.waiting).(*waiter).turn <- false
	}
}

// serve gives the turns that may begin now and sets the alarm for the next one.
// The caller holds mu.
func (b *budget) serve() {
	b.alarm.Stop()
	for now := time.Now(); ; {
		l, place, at := b.first(now)
		if l == nil {
			return
		}
		if wait := at.Sub(now); wait > 0 {
			b.alarm.Reset(wait)
			return
		}
		b.next, l.next = now.Add(b.part(b.interval)), now.Add(b.part(l.interval))
		b.given.add(now)
		heap.Remove(&l.waiting, place).(*waiter).turn <- true
	}
}

// first answers whom to serve next and when: of those in the lines that may be
// served the soonest the one that comes before all others. The line is nil when
// nobody waits.
func (b *budget) first(now time.Time) (chosen *line, place int, at time.Time) {
	before := (*waiter).before
	urgent := b.given.all%urgentTurns == urgentTurns-1
	if urgent {
		before = (*waiter).hurries
	}
	for _, l := range b.lines {
		if len(l.waiting) == 0 {
			continue
		}
		ready := now
		for _, next := range []time.Time{b.next, l.next} {
			if next.After(ready) {
				ready = next
			}
		}
		if chosen != nil && ready.After(at) {
			continue
		}
		first := 0 // of a heap
		if urgent {
			first = l.waiting.mostHurried()
		}
		if chosen == nil || ready.Before(at) || before(l.waiting[first], chosen.waiting[place]) {
			chosen, place, at = l, first, ready
		}
	}
	return chosen, place, at
}

// waitingNow is how many calls wait for a turn.
func (b *budget) waitingNow() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, l := range b.lines {
		n += len(l.waiting)
	}
	return n
}

// rate is how many calls a second this worker makes at most; 0: no bound.
func (b *budget) rate() float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return rateOf(b.part(b.interval))
}

// rate is that of the account; 0: as its exit.
func (l *line) rate() float64 {
	l.budget.mu.Lock()
	defer l.budget.mu.Unlock()
	return rateOf(l.budget.part(l.interval))
}

// calls are all the turns given so far, and those of the last minute.
func (b *budget) calls() (all uint64, lastMinute int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.given.all, b.given.lastMinute(time.Now())
}

func (w *waiter) before(other *waiter) bool {
	if w.deadline.Equal(other.deadline) {
		return w.number < other.number
	}
	return w.deadline.Before(other.deadline)
}

// hurries says whether w goes before other on a turn that is for those in a
// hurry.
func (w *waiter) hurries(other *waiter) bool {
	if w.patience == other.patience {
		return w.before(other)
	}
	return w.patience < other.patience
}

// mostHurried is the place of the first on a turn that is for those in a hurry;
// q is not empty.
func (q waiters) mostHurried() (place int) {
	for i := range q {
		if q[i].hurries(q[place]) {
			place = i
		}
	}
	return place
}

// waiters are a heap, the earliest deadline first.
type waiters []*waiter

func (q waiters) Len() int           { return len(q) }
func (q waiters) Less(i, j int) bool { return q[i].before(q[j]) }
func (q waiters) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *waiters) Push(x any) {
	w := x.(*waiter)
	w.place = len(*q)
	*q = append(*q, w)
}

func (q *waiters) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	w.place = -1
	return w
}

// tally counts turns: all, and by the second for the last minute.
type tally struct {
	all     uint64
	seconds [60]struct {
		at int64 // Unix
		n  int
	}
}

func (t *tally) add(now time.Time) {
	t.all++
	second := &t.seconds[now.Unix()%60]
	if second.at != now.Unix() {
		second.at, second.n = now.Unix(), 0
	}
	second.n++
}

func (t *tally) lastMinute(now time.Time) int {
	sum := 0
	for _, second := range t.seconds {
		if second.at > now.Unix()-60 {
			sum += second.n
		}
	}
	return sum
}
