package ingest

import (
	"testing"
	"time"
)

// monday is 20:00 in China.
var monday = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// evenings are starts around the hour of monday on the days before it that are
// chosen, a few minutes off it.
func evenings(choose func(daysBefore int) bool) Habits {
	var h Habits
	for n := 1; n <= historyDays; n++ {
		if choose(n) {
			off := time.Duration(n%5-2) * 5 * time.Minute
			h.Starts = append(h.Starts, monday.Add(-time.Duration(n)*day+off))
		}
	}
	return h
}

func TestPlannedEvery(t *testing.T) {
	const cold = 4 * time.Minute
	daily := evenings(func(int) bool { return true })
	for _, test := range []struct {
		name     string
		history  Habits
		at       time.Time
		from, to time.Duration
	}{
		{"nothing is known", Habits{}, monday, cold, cold},
		{"the hour of a daily show", daily, monday, hotEvery, hotEvery},
		{"a quarter before it", daily, monday.Add(-15 * time.Minute), hotEvery, 45 * time.Second},
		{"long before it", daily, monday.Add(-time.Hour), cold, cold},
		{"the morning", daily, monday.Add(-12 * time.Hour), cold, cold},
		{"four days of seven", evenings(func(n int) bool { return n%7 < 4 }), monday, hotEvery, 40 * time.Second},
		{"Mondays only, on a Monday", evenings(func(n int) bool { return n%7 == 0 }), monday, hotEvery, 45 * time.Second},
		{"Mondays only, on a Tuesday", evenings(func(n int) bool { return n%7 == 0 }), monday.Add(day), 90 * time.Second, cold},
		{"once, yesterday", evenings(func(n int) bool { return n == 1 }), monday, hotEvery, 45 * time.Second},
		{"once, weeks ago", evenings(func(n int) bool { return n == 24 }), monday, 90 * time.Second, cold},
		{"just over", Habits{Ended: monday.Add(-time.Minute)}, monday, hotEvery, 70 * time.Second},
		{"over for long", Habits{Ended: monday.Add(-time.Hour)}, monday, cold, cold},
		{"begun a minute ago, and the only one", Habits{Starts: []time.Time{monday.Add(-time.Minute)}}, monday, cold, cold},
		{"clocks that differ", Habits{Starts: []time.Time{monday.Add(time.Minute)}, Ended: monday.Add(time.Minute)}, monday, hotEvery, cold},
	} {
		if got := test.history.every(test.at, cold); got < test.from || got > test.to {
			t.Errorf("%s: looked at every %v, want %v to %v", test.name, got, test.from, test.to)
		}
	}
	if got := daily.every(monday, 10*time.Second); got != 10*time.Second {
		t.Errorf("when all rooms are looked at every 10 s, a hot one is every %v", got)
	}
}

// A room whose hour comes before it would be due is looked at when it has come.
func TestPlannedNextLooksAhead(t *testing.T) {
	daily := evenings(func(int) bool { return true })
	for before := range 90 {
		now := monday.Add(-time.Duration(before) * time.Minute)
		wait := daily.next(now, time.Hour)
		if at := now.Add(wait); at.After(monday) && before > 5 {
			t.Errorf("%d minutes before the hour, the next look is %v after it", before, at.Sub(monday))
		}
	}
}

// Rooms that were found off air together do not come back together, and none
// later than those of which nothing is known.
func TestPlannedNextIsSpread(t *testing.T) {
	const cold, rooms = 4 * time.Minute, 1000
	seen := make(map[time.Duration]int)
	for range rooms {
		wait := Habits{}.next(monday, cold)
		if wait < cold*9/10 || wait > cold {
			t.Fatalf("the next look is %v later", wait)
		}
		seen[wait.Truncate(time.Second)]++
	}
	for second, n := range seen {
		if n > rooms/12 {
			t.Errorf("%d of %d rooms are due in the same second, %v later", n, rooms, second)
		}
	}
}

// Whatever the calls are too few for, it is not what is likely to be on air.
func TestPlannedWithin(t *testing.T) {
	const cold = 4 * time.Minute
	order := []struct {
		name string
		live Live
	}{
		{"on air when it was last seen", Live{Epoch: 2, Habits: Habits{OnAir: true}}},
		{"new", Live{Epoch: 1}},
		{"just over", Live{Epoch: 2, Habits: Habits{Ended: monday.Add(-time.Minute)}}},
		{"nothing is known", Live{Epoch: 2}},
	}
	for i := 1; i < len(order); i++ {
		sooner, later := order[i-1], order[i]
		if a, b := sooner.live.within(monday, cold), later.live.within(monday, cold); a >= b {
			t.Errorf("%s is wanted within %v, %s within %v", sooner.name, a, later.name, b)
		}
	}
	if got := evenings(func(int) bool { return true }).within(monday, cold); got != hotEvery {
		t.Errorf("at its hour a room is wanted within %v", got)
	}
	if got := cold + (Habits{}).within(monday, cold); got > 290*time.Second {
		t.Errorf("two looks at a room of which nothing is known may be %v apart: too far for the 5 minutes in which it is to be connected", got)
	}
}
