package ingest

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// turns notes when turns were given and to whom.
type turns struct {
	mu    sync.Mutex
	at    []time.Time
	order []int
}

func (g *turns) note(who int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at, g.order = append(g.at, time.Now()), append(g.order, who)
}

// within checks that no time of d holds more than d/interval + 1 turns.
func (g *turns) within(t *testing.T, interval time.Duration) {
	t.Helper()
	for first := range g.at {
		for last := first + 1; last < len(g.at); last++ {
			d := g.at[last].Sub(g.at[first])
			if n, most := last-first+1, int(d/interval)+1; n > most {
				t.Fatalf("%d turns within %v, of which %d are allowed", n, d, most)
			}
		}
	}
}

func TestBudgetIsNeverExceeded(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			interval := time.Duration(1+random.IntN(2000)) * time.Millisecond
			slow := 3 * interval
			b := newBudget(interval)
			lines := []*line{b.open(0), b.open(slow), b.open(interval / 2)}
			var all turns
			each := make([]turns, len(lines))
			var asking sync.WaitGroup
			served, left := 0, 0
			var mu sync.Mutex
			for n := range 400 {
				of := random.IntN(len(lines))
				starts := time.Duration(random.Int64N(int64(100 * interval)))
				patience := time.Duration(random.Int64N(int64(600 * interval)))
				within := time.Duration(random.Int64N(int64(300 * interval)))
				asking.Go(func() {
					time.Sleep(starts)
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					ok := lines[of].wait(ctx, time.Now().Add(within))
					mu.Lock()
					defer mu.Unlock()
					if !ok {
						left++
						return
					}
					served++
					all.note(n)
					each[of].note(n)
				})
			}
			asking.Wait()
			all.within(t, interval)
			each[1].within(t, slow)
			if served == 0 || left == 0 || b.waitingNow() != 0 {
				t.Errorf("seed %d: %d served, %d left, %d still wait", seed, served, left, b.waitingNow())
			}
		})
	}
}

func TestBudgetServesTheEarliestDeadlineFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(time.Second)
		lines := []*line{b.open(0), b.open(0)}
		lines[0].wait(t.Context(), time.Now()) // the turn that is free
		var given turns
		var asking sync.WaitGroup
		const n = 200
		for who := range n {
			asking.Go(func() {
				if !lines[who%2].wait(t.Context(), time.Now().Add(time.Duration(n-who)*time.Minute)) {
					t.Error("sent away")
				}
				given.note(who)
			})
		}
		asking.Wait()
		slices.Reverse(given.order)
		if !slices.IsSorted(given.order) {
			t.Errorf("served in the order %v", given.order)
		}
	})
}

func TestBudgetLetsNobodyStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(time.Second)
		l := b.open(0)
		ctx, cancel := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		for range 3 { // rooms that are always wanted at once
			asking.Go(func() {
				for l.wait(ctx, time.Now().Add(5*time.Second)) {
				}
			})
		}
		began := time.Now()
		if !l.wait(ctx, began.Add(time.Minute)) || time.Since(began) > time.Minute+time.Second {
			t.Errorf("it took %v for a call that was wanted within a minute", time.Since(began))
		}
		cancel()
		asking.Wait()
	})
}

func TestBudgetOfAnAccountThatWaitsLeavesTheExitToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(time.Second)
		slow, other := b.open(time.Minute), b.open(0)
		slow.wait(t.Context(), time.Now())
		var asking sync.WaitGroup
		asking.Go(func() { slow.wait(t.Context(), time.Now()) })
		synctest.Wait()
		began := time.Now()
		if other.wait(t.Context(), began.Add(time.Hour)); time.Since(began) != time.Second {
			t.Errorf("waited %v behind an account whose own rate keeps it back", time.Since(began))
		}
		asking.Wait()
		if got := time.Since(began); got != time.Minute {
			t.Errorf("the second call of a slow account after %v", got)
		}
	})
}

func TestBudgetSendsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(time.Hour)
		l, other := b.open(0), b.open(0)
		l.wait(t.Context(), time.Now())
		var asking sync.WaitGroup
		for range 100 {
			asking.Go(func() {
				if l.wait(t.Context(), time.Now()) {
					t.Error("a turn in a line that is closed")
				}
			})
		}
		asking.Go(func() {
			if !other.wait(t.Context(), time.Now()) {
				t.Error("sent away from another line")
			}
		})
		synctest.Wait()
		l.close()
		asking.Wait()
		if l.wait(t.Context(), time.Now()) {
			t.Error("a turn for a caller that came when the line was closed")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if other.wait(ctx, time.Now()) {
			t.Error("a turn for a caller that is gone")
		}
	})
}

func TestTallyCountsTheLastMinute(t *testing.T) {
	var counted tally
	now := time.Unix(1_800_000_000, 0)
	for n := range 90 {
		counted.add(now.Add(time.Duration(n) * time.Second))
	}
	if got := counted.lastMinute(now.Add(89 * time.Second)); got != 60 || counted.all != 90 {
		t.Errorf("%d in the last minute of %d, want 60 of 90", got, counted.all)
	}
	if got := counted.lastMinute(now.Add(10 * time.Minute)); got != 0 {
		t.Errorf("%d in a minute without any", got)
	}
}

// With ten times as many rooms as calls, those that are likely to be on air are
// still looked at much more often than the others.
func TestBudgetInOverloadServesThoseInAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		const cold, hot = 2000, 20
		var looks [2]atomic.Int64
		var asking sync.WaitGroup
		look := func(l *line, kind int, every, within time.Duration) {
			for l.wait(ctx, time.Now().Add(within)) {
				looks[kind].Add(1)
				sleep(ctx, every)
			}
		}
		for n := range cold + hot {
			kind, every, within := 0, 4*time.Minute, (Habits{}).within(monday, 4*time.Minute)
			if n < hot {
				kind, every, within = 1, hotEvery, hotEvery
			}
			l := b.open(0)
			asking.Go(func() { look(l, kind, every, within) })
		}
		const watched = 2 * time.Hour
		time.Sleep(watched)
		cancel()
		asking.Wait()
		perHot, perCold := watched*hot/time.Duration(looks[1].Load()), watched*cold/time.Duration(looks[0].Load())
		if perHot > 2*time.Minute || perCold < 30*time.Minute {
			t.Errorf("those in a hurry are looked at every %v, the others every %v", perHot, perCold)
		}
	})
}
