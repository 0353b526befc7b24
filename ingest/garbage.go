package ingest

import (
	"os"
	"runtime/debug"
)

// garbageRooms is how many rooms hold about as much memory as everything else that a
// worker needs.
const garbageRooms = 5000

// garbagePercent is by how much of what lives garbage may grow until it is collected,
// as GOGC counts. What rooms hold is hardly ever garbage: that there are more of them
// is no reason to let more of it lie, and so it is about as much with any number.
// 10,000 rooms take a quarter less memory for it (docs/performance.md), and collections
// come as often as those of a worker with few rooms, though each has more to look at.
func garbagePercent(rooms int) int {
	return 100 * garbageRooms / (garbageRooms + rooms)
}

// garbage sets the process's GOGC as rooms come and go, unless the operator has.
type garbage struct {
	percent int // as set last; 0: not yet
}

// hold must be told how many rooms there are now and then. To set the percentage
// stops the process for a moment: small changes do not count.
func (g *garbage) hold(rooms int) {
	want := garbagePercent(rooms)
	if _, set := os.LookupEnv("GOGC"); set || g.percent != 0 && max(g.percent-want, want-g.percent) < 5 {
		return
	}
	g.percent = want
	debug.SetGCPercent(want)
}
