package ingest

import (
	"time"
)

const (
	// firstRest is how long an account and its exit rest after a first refusal to
	// answer so fast; it doubles with each further one up to maxRest.
	firstRest = time.Minute
	maxRest   = 30 * time.Minute
)

// health says whether an account or an exit may be used. The zero value is in
// good health. It is guarded by accounts.mu.
type health struct {
	state  State // why it rests, or rested last; empty since it did well again
	reason string
	since  time.Time
	until  time.Time // zero: until the operator changes something
	// refusals are those in a row; call is which kind of call was refused last.
	refusals int
	call     string
}

// rests says whether it must not be used now.
func (h *health) rests(now time.Time) bool {
	return h.state != "" && (h.until.IsZero() || now.Before(h.until))
}

// backOff has it rest, twice as long as the last time and at least as long as
// Kuaishou asked. Refusals of calls that were under way already when it began to
// rest count as one with the first.
func (h *health) backOff(now time.Time, t trouble) {
	if h.rests(now) {
		if !h.until.IsZero() && h.until.Before(now.Add(t.retryAfter)) {
			h.until = now.Add(t.retryAfter)
		}
		return
	}
	if h.state != t.state || now.Sub(h.until) > maxRest {
		h.refusals = 0
	}
	rest := jittered(min(firstRest<<min(h.refusals, 10), maxRest), 0.2)
	*h = health{
		state: t.state, reason: t.reason, since: now, until: now.Add(max(rest, t.retryAfter)),
		refusals: h.refusals + 1, call: t.call,
	}
}

// takeOut has it rest until a time or, when that is zero, until the operator
// changes something.
func (h *health) takeOut(now, until time.Time, t trouble) {
	*h = health{state: t.state, reason: t.reason, since: now, until: until, refusals: 1, call: t.call}
}

// tryAgain ends the rest, but if it is refused again it rests the longer.
func (h *health) tryAgain(now time.Time) {
	if h.rests(now) {
		h.until = now
	}
}

// didWell ends what is left of a rest that is over, unless another kind of call
// was refused: a page that is shown says nothing about websocketinfo. That a
// proxy takes calls every answer says.
func (h *health) didWell(now time.Time, call string) {
	if h.state != "" && !h.rests(now) && (h.call == call || h.call == proxyCall) {
		*h = health{}
	}
}

// trouble is one refusal that is about an account or an exit.
type trouble struct {
	state      State
	reason     string
	call       string
	retryAfter time.Duration // what Kuaishou asked for, or 0
	weak       bool          // as Resolution has it
}
