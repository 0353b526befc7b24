package spool

import (
	"strings"
	"time"
)

// The states of a segment are the suffixes of its file name.
const (
	active = ".active"   // being appended to
	sealed = ".sealed"   // whole, waiting for a reader
	done   = ".done"     // handed on, kept for replay
	packed = ".done.zst" // the same, compressed
	bad    = ".bad"      // kept for a person
	torn   = ".torn"     // a copy: what a crash left, before its tail was cut
)

// nameLayout makes names whose order as text is their order in time.
const nameLayout = "20060102T150405.000000000Z"

// nextName names a segment by the clock, or by the smallest step after last
// when the clock has gone back: names only grow, so none is used twice.
func nextName(now time.Time, last string) string {
	name := now.UTC().Format(nameLayout)
	if name > last {
		return name
	}
	return nameTime(last).Add(time.Nanosecond).Format(nameLayout)
}

// nameTime is the time in a name that validName accepts.
func nameTime(name string) time.Time {
	t, _ := time.Parse(nameLayout, name)
	return t
}

func validName(name string) bool {
	t, err := time.Parse(nameLayout, name)
	return err == nil && t.Format(nameLayout) == name
}

// splitFile takes a file name apart; ok is false for files that are not
// segments.
func splitFile(file string) (name, state string, ok bool) {
	for _, state := range []string{active, sealed, done, packed, bad, torn} {
		if name, ok := strings.CutSuffix(file, state); ok {
			return name, state, validName(name)
		}
	}
	return "", "", false
}
