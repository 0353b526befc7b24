package ingest

import (
	"os"
	"runtime/debug"
	"testing"
)

// Garbage is about as much with any number of rooms, and what the operator has set
// stays.
func TestGarbage(t *testing.T) {
	if _, set := os.LookupEnv("GOGC"); set {
		t.Fatal("run this without GOGC")
	}
	was := debug.SetGCPercent(100)
	defer debug.SetGCPercent(was)
	now := func() int {
		percent := debug.SetGCPercent(100)
		debug.SetGCPercent(percent)
		return percent
	}
	var g garbage
	for _, test := range []struct{ rooms, want int }{{0, 100}, {100, 100}, {1000, 83}, {1010, 83}, {10_000, 33}, {0, 100}} {
		if g.hold(test.rooms); now() != test.want {
			t.Errorf("%d rooms: GOGC is %d; want %d", test.rooms, now(), test.want)
		}
	}
	t.Setenv("GOGC", "100")
	if g.hold(10_000); now() != 100 {
		t.Errorf("GOGC is %d; the operator's is 100", now())
	}
}
