package sockets

import "time"

// frozenAfter is by how much a read's deadline must have been missed for the
// whole process to have stood still, and thawTime how long what came meanwhile
// is then read.
const (
	frozenAfter = time.Second
	thawTime    = 2 * time.Second
)
