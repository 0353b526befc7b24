package ingest

import (
	"os"
	"runtime/debug"
)

// garbageRooms is with how many rooms garbage may grow half as far as with none.
const garbageRooms = 5000

// garbagePercent is by how much of what lives garbage may grow until it is collected,
// as GOGC counts. What rooms hold is hardly ever garbage: that there are more of them
// is no reason to let more of it lie. What that costs and saves is in
// docs/performance.md.
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
