package ingest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// The rooms of the simulated week. What is assumed of authors is here, and is
// printed with the figures.

const (
	weekOnAir  = 0.05 // of the time, over all rooms
	weekJitter = 10 * time.Minute
	// weekShortest is the shortest broadcast: none is over before it was due to
	// be found.
	weekShortest = 10 * time.Minute
)

const weekAssumptions = `60 %% of the authors begin daily at an hour of their own (3 days of 10 skipped), 20 %% on three
days of the week (1 of 10 skipped), 10 %% daily at noon and in the evening (4 of 10 skipped), 10 %% at any time; the
hours lie mostly in the evening. A habitual start is off its hour by %v (standard deviation, at most three of them).
All begin once in ten days at any other time too. %.0f %% are on air on average. What was seen of four weeks before is
known but for one broadcast in twenty. Calls take 0.1 to 0.5 s; the site limits an address at %d calls a minute, and for
longer when it asks on. Heartbeats are %v apart, so that a week takes minutes. Postgres is a queue in the same process.
`

// show is one broadcast.
type show struct {
	stream      string
	began, over time.Time
	habitual    bool
	entered     []time.Time // when a socket did
	interrupted int         // sockets that we closed while it was on air
}

// heardAfter is when a socket first entered a show that is on air at t after t.
func (s *show) heardAfter(t time.Time) (time.Time, bool) {
	for _, entered := range s.entered {
		if s.began.Before(t) && entered.After(t) {
			return entered, true
		}
	}
	return time.Time{}, false
}

// weekRoom is a room with all that its author does, in order.
type weekRoom struct {
	id    string
	shows []*show
}

// at is the broadcast at t, nil when there is none.
func (r *weekRoom) at(t time.Time) *show {
	i, _ := slices.BinarySearchFunc(r.shows, t, func(s *show, t time.Time) int { return s.over.Compare(t) })
	if i < len(r.shows) && !r.shows[i].began.After(t) && r.shows[i].over.After(t) {
		return r.shows[i]
	}
	return nil
}

// newWeekRooms makes n rooms from the same seed always, with what they do from
// from to to.
func newWeekRooms(n int, from, to time.Time) []*weekRoom {
	rng := rand.New(rand.NewPCG(4, 2026))
	rooms := make([]*weekRoom, n)
	var onAir time.Duration
	for i := range rooms {
		rooms[i] = &weekRoom{id: fmt.Sprintf("3x%013d", i)}
		rooms[i].plan(rng, from, to)
		for _, s := range rooms[i].shows {
			onAir += s.over.Sub(s.began)
		}
	}
	scale := weekOnAir * float64(to.Sub(from)) * float64(n) / float64(onAir)
	for _, r := range rooms {
		r.settle(scale)
	}
	return rooms
}

// plan draws the starts of a room, and how long each broadcast would last.
func (r *weekRoom) plan(rng *rand.Rand, from, to time.Time) {
	begin := func(at time.Time, habitual bool) {
		if at.Before(from) || !at.Before(to) {
			return
		}
		lasts := time.Duration(math.Exp(0.6*rng.NormFloat64()) * float64(90*time.Minute))
		r.shows = append(r.shows, &show{began: at, over: at.Add(lasts), habitual: habitual})
	}
	kind, evening, noon, weekday := rng.Float64(), weekHour(rng, 20), weekHour(rng, 12), rng.IntN(7)
	for n, d := 0, from; d.Before(to); n, d = n+1, d.Add(day) {
		habit := func(hour, chance float64) {
			if rng.Float64() < chance {
				off := min(max(rng.NormFloat64(), -3), 3) * float64(weekJitter)
				begin(d.Add(time.Duration(hour*float64(time.Hour)+off)), true)
			}
		}
		other := 0.1
		switch {
		case kind < 0.6:
			habit(evening, 0.7)
		case kind < 0.8:
			if (n+weekday)%7%2 == 0 && (n+weekday)%7 < 6 {
				habit(evening, 0.9)
			}
		case kind < 0.9:
			habit(noon, 0.6)
			habit(evening, 0.6)
		default:
			other = 0.6
		}
		if rng.Float64() < other {
			begin(d.Add(time.Duration(rng.Int64N(int64(day)))), false)
		}
	}
}

// weekHour draws an hour of the day as UTC has it; usual is as China has it.
func weekHour(rng *rand.Rand, usual float64) float64 {
	hour := usual + 1.5*rng.NormFloat64()
	if rng.Float64() < 0.4 {
		hour = 24 * rng.Float64()
	}
	return math.Mod(hour-8+48, 24)
}

// settle makes the broadcasts longer by a factor, drops those that would begin
// during another or right after it, and numbers the rest.
func (r *weekRoom) settle(scale float64) {
	slices.SortFunc(r.shows, func(a, b *show) int { return a.began.Compare(b.began) })
	var kept []*show
	for _, s := range r.shows {
		s.over = s.began.Add(max(weekShortest, time.Duration(scale*float64(s.over.Sub(s.began)))))
		if len(kept) > 0 && s.began.Before(kept[len(kept)-1].over.Add(time.Minute)) {
			continue
		}
		s.stream = fmt.Sprintf("%s%06d", r.id[10:], len(kept))
		kept = append(kept, s)
	}
	r.shows = kept
}
