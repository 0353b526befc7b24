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
