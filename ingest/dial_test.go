package ingest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestDialLimit(t *testing.T) {
	now := time.Now()
	limit := newDialLimit()
	var turns []time.Time
	for range 1000 {
		turn := limit.turn(now)
		if turn.Before(now) {
			turn = now
		}
		turns = append(turns, turn)
	}
	for i, turn := range turns {
		if i > 0 && turn.Before(turns[i-1]) {
			t.Fatalf("turn %d comes before the one asked for earlier", i)
		}
		if next := i + dialBurst; next < len(turns) && turns[next].Sub(turn) < time.Second/dialsPerSecond {
			t.Errorf("turns %d to %d are all within %v", i, next, turns[next].Sub(turn))
		}
	}
	if last := turns[999].Sub(now); last != 900*time.Second/dialsPerSecond {
		t.Errorf("the last of 1000 dials after %v", last)
	}
	if first := limit.turn(now.Add(time.Hour)); first.After(now.Add(time.Hour)) {
		t.Error("a turn after a quiet hour has to be waited for")
	}
}

// Ten thousand rooms come in within a minute, and never many at once.
func TestDialLimitRush(t *testing.T) {
	const rooms = 10_000
	now := time.Now()
	limit := newDialLimit()
	var turns []time.Time
	for range rooms {
		turns = append(turns, limit.turn(now))
	}
	if last := turns[rooms-1].Sub(now); last > 50*time.Second {
		t.Errorf("the last of %d dials after %v", rooms, last)
	}
	for i := range turns[:rooms-rushPerSecond-dialBurst] {
		if within := turns[i+rushPerSecond+dialBurst].Sub(turns[i]); within < time.Second {
			t.Fatalf("turns %d and %d more are within %v", i, rushPerSecond+dialBurst, within)
		}
	}
}

func TestDialLimitLetsGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := newDialLimit()
		var open []func()
		for range maxDialing {
			done, err := limit.wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, done)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := limit.wait(ctx); err == nil {
			t.Error("more handshakes at a time than allowed")
		}
		open[0]()
		done, err := limit.wait(t.Context())
		if err != nil {
			t.Errorf("after one has ended: %v", err)
		}
		done()
	})
}
