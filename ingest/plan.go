package ingest

import (
	"math"
	"math/rand/v2"
	"time"
)

// Habits are what is known of the earlier broadcasts of a room when it is
// claimed. From it follows when the room is looked at.
type Habits struct {
	// Starts are when broadcasts of the last historyDays began, in any order;
	// those that were on air already when they were first seen are left out.
	Starts []time.Time
	// Ended is when a broadcast was last found to be over; zero: never.
	Ended time.Time
	// OnAir says that nobody has found the latest broadcast to be over.
	OnAir bool
}

const (
	// historyDays is how far back starts tell of habits.
	historyDays = 28
	// habitWidth is how far from the hour of an earlier start another one may be.
	habitWidth = 30 * time.Minute
	// For returnTime after a broadcast its author may well come back, with this
	// chance in a minute.
	returnTime   = 10 * time.Minute
	returnChance = 0.005

	// hotEvery is how often a room is looked at that goes on air with a chance of
	// hotChance in a minute, or a higher one.
	hotEvery  = 30 * time.Second
	hotChance = 0.02
	// planSpread is by how much of itself a delay is cut at random at most, so that
	// rooms seen together do not come back together.
	planSpread = 0.1
	planStep   = 15 * time.Second
	// patience is the part of the time between two looks by which one that is not
	// urgent may come later than one that is.
	patience = 12

	day  = 24 * time.Hour
	week = 7 * day
)

// planned is the last report of a room at now with the time of the next look: for
// those off air as the plan has it, for all others as they say themselves.
func (h Habits) planned(last Report, now time.Time, retry RetryDelays) Report {
	if last.State == StateOffline {
		last.RetryAfter = h.next(now, retry[StateOffline])
	}
	return last
}

// next is how long to wait before a room that was found off air at now is looked
// at again. Rooms without habits are looked at every cold; the others more often
// when they are likely to begin, down to hotEvery. It looks ahead: a room is due
// when the looks that its chances were worth in the meantime add up to one.
func (h Habits) next(now time.Time, cold time.Duration) time.Duration {
	if h.OnAir {
		h.OnAir, h.Ended = false, now
	}
	left := 1 - planSpread*rand.Float64()
	for wait := time.Duration(0); ; wait += planStep {
		every := h.every(now.Add(wait), cold)
		looks := float64(planStep) / float64(every)
		if looks >= left {
			return wait + time.Duration(left*float64(every))
		}
		left -= looks
	}
}

// within is how soon a look at the room is wanted that is asked for at now: the
// sooner, the more often it is looked at. A room of which nothing is known waits
// for a seventh or so of cold longer, and so its looks are within five minutes
// of each other where there are calls enough.
func (h Habits) within(now time.Time, cold time.Duration) time.Duration {
	if h.OnAir {
		return lostWithin
	}
	hot := min(hotEvery, cold)
	return hot + (h.every(now, cold)-hot)/patience
}

// within is how soon a look at the room of a claim is wanted. Somebody who has
// just inserted a row waits for it.
func (l Live) within(now time.Time, cold time.Duration) time.Duration {
	if l.Epoch == 1 {
		return hotEvery
	}
	return l.Habits.within(now, cold)
}

// every is the time between two looks at t. With a given number of calls, the
// mean time that a broadcast goes unheard is shortest when rooms are looked at
// in proportion to the square root of the chance that they begin.
func (h Habits) every(t time.Time, cold time.Duration) time.Duration {
	hot := float64(min(hotEvery, cold))
	return time.Duration(min(float64(cold), max(hot, hot*math.Sqrt(hotChance/h.chance(t)))))
}

// chance is how likely a broadcast begins in the minute around t: as often as
// one has begun at that time of the day, averaged with that time of the week.
//
// People's hours are China's, which has been eight hours ahead of UTC without
// summer time since 1991. Two instants have the same hour there when whole days
// lie between them, so that no time zone is needed.
func (h Habits) chance(t time.Time) float64 {
	var oldest time.Duration
	var daily, weekly float64
	for _, start := range h.Starts {
		age := t.Sub(start)
		oldest = max(oldest, age)
		daily += density(age, day)
		weekly += density(age, week)
	}
	days := min(max(1, math.Ceil(float64(oldest-habitWidth)/float64(day))), historyDays)
	chance := (daily/days + weekly/math.Ceil(days/7)) / 2
	if t.Sub(h.Ended) < returnTime {
		chance += returnChance
	}
	return chance
}

// density is the chance in a minute, at some age of a start, of another that
// comes periods after it: a triangle around each of them.
func density(age, period time.Duration) float64 {
	if age < period/2 {
		return 0 // around the start itself
	}
	off := age % period
	off = min(off, period-off)
	return max(0, 1-float64(off)/float64(habitWidth)) / habitWidth.Minutes()
}
