// Package sockets has many sockets looked at together. Go wakes an idle process
// for each packet on each socket, and that costs as much as to read what came: with
// 10,000 sockets, on each of which a message comes every second, it was half of all
// CPU time (docs/performance.md). A Set waits for the first packet and then looks at
// its sockets once in each Pause, so that what came meanwhile is read in one go.
//
// That is done on Linux. Elsewhere sockets are Go's own.
package sockets

import "time"

// Pause is by how much what was sent to a socket may be read later than it came.
const Pause = 20 * time.Millisecond
