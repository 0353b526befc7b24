package ingest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// maxTries is how many accounts one look-up is made with at most, the further
// ones after refusals.
const maxTries = 3

// maxDoubts is how many answers in a row that only look like a refusal of the
// account are taken for one, of one kind of call.
const maxDoubts = 3

// uneven is by how many calls the queue of an exit may be longer than the
// shortest before its rooms go to other accounts.
const uneven = 10

// choose answers the account for a room: of those that can be used the one that
// draws it most, and whose exit is not much busier than others. It is nil when
// there is none, but for those tried before and those behind the same exits.
func (s *accounts) choose(liveID string, tried []*account) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	fit := func(a *account) bool { return a.usable(now) && !excluded(a, tried) }
	shortest := math.MaxInt
	for _, a := range s.list {
		if fit(a) {
			shortest = min(shortest, a.exit.budget.waitingNow())
		}
	}
	chosen := s.heaviest(liveID, func(a *account) bool { return fit(a) && a.exit.budget.waitingNow()-shortest <= uneven })
	if chosen == nil { // all queues have grown in the meantime
		chosen = s.heaviest(liveID, fit)
	}
	return chosen
}

// heaviest is the account that draws a room most, of those that are fit; nil
// when none is. The caller holds mu.
func (s *accounts) heaviest(liveID string, fit func(*account) bool) *account {
	var chosen *account
	var most uint64
	for _, a := range s.list {
		if !fit(a) {
			continue
		}
		if weight := a.weight(liveID); chosen == nil || weight > most {
			chosen, most = a, weight
		}
	}
	return chosen
}

// excluded says whether an account was tried, or another behind its exit: what
// was refused is not asked again at once from the same address. One that the
// operator has replaced meanwhile speaks for nobody but itself. The caller holds
// accounts.mu.
func excluded(a *account, tried []*account) bool {
	for _, t := range tried {
		if t == a || t.exit == a.exit && !t.gone {
			return true
		}
	}
	return false
}

// judged notes what an answer meant for the account that got it.
func (s *accounts) judged(a *account, t trouble) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if t.weak && (t.state == StateCaptcha || t.state == StateLoginRequired && a.loggedIn) {
		a.doubt(now, t)
		s.refused(a, t)
		return
	}
	switch t.state {
	case StateRateLimited:
		if a.socketAlone(now, t.call) {
			a.noSocket = now.Add(socketPause)
			s.refused(a, t)
			return
		}
		a.health.backOff(now, t)
		a.exit.health.backOff(now, t)
		s.refused(a, t)
	case StateCaptcha:
		a.health.takeOut(now, s.returns(a, now), t)
		s.refused(a, t)
	case StateLoginRequired:
		if a.loggedIn {
			a.health.takeOut(now, time.Time{}, t)
		} else if t.call == socketCall {
			a.noSocket = now.Add(socketPause)
		}
		s.refused(a, t)
	case StateUnreachable:
	default:
		delete(a.doubts, t.call)
		if t.call == socketCall {
			a.socketFast = 0
		}
		a.health.didWell(now, t.call)
		a.exit.health.didWell(now, t.call)
	}
}

// doubt notes an answer that looks like a refusal of the account. Several in a row
// are one; as they may yet be about something else, such as the rooms, it is tried
// again after a while. The caller holds accounts.mu.
func (a *account) doubt(now time.Time, t trouble) {
	if a.doubts[t.call]++; a.doubts[t.call] >= maxDoubts {
		delete(a.doubts, t.call)
		a.health.takeOut(now, now.Add(maxRest), t)
	}
}

// socketAlone says whether 请求过快 is about websocketinfo and not about how fast
// the account and its exit ask: both have rested since that call was told so, the
// page was shown, and it is told so again. The caller holds accounts.mu.
func (a *account) socketAlone(now time.Time, call string) bool {
	switch {
	case call != socketCall:
		a.socketFast = 0
	case a.usable(now): // what was under way already says nothing new
		a.socketFast++
	}
	return a.socketFast > 1
}

// returns is when an account that was asked for a captcha is tried again. Where
// the operator can change something it waits for that; a guest without cookies
// has nothing to change.
func (s *accounts) returns(a *account, now time.Time) time.Time {
	if a.spec.cookies != "" {
		return time.Time{}
	}
	return now.Add(maxRest)
}

// proxyFailed notes that an exit's proxy does not take calls.
func (s *accounts) proxyFailed(a *account, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := trouble{state: StateUnreachable, reason: quotable(err.Error()), call: proxyCall}
	a.exit.health.backOff(time.Now(), t)
	s.refused(a, t)
}

// refused counts a refusal, and sends away the calls of accounts that must not
// make them now. The caller holds mu.
func (s *accounts) refused(a *account, t trouble) {
	a.refusals++
	now := time.Now()
	for _, other := range s.list {
		if other.exit == a.exit && !other.usable(now) {
			other.line.sendAway()
		}
	}
	if rest, resting := a.resting(now); resting {
		s.logger.Warn("no calls are made by "+a.String(), "state", t.state, "reason", t.reason, "until", untilText(rest.until))
	}
}

// mayCall says whether a call that has its turn may be made, and counts it.
func (s *accounts) mayCall(a *account) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !a.usable(time.Now()) {
		return false
	}
	a.calls++
	return true
}

// canCall says whether calls may be made with the account now.
func (s *accounts) canCall(a *account) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.usable(time.Now())
}

// replaced says whether the operator took the account out, or changed it.
func (s *accounts) replaced(a *account) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return a.gone
}

// exitIsWell says whether calls may be made from the account's exit now, with
// other cookies than its own.
func (s *accounts) exitIsWell(a *account) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !a.gone && !a.exit.health.rests(time.Now())
}

// atWell answers an account that may not be used but whose exit may, for calls
// that need none; nil when there is none.
func (s *accounts) atWell(liveID string) *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var chosen *account
	for _, a := range s.list {
		if !a.exit.health.rests(now) && (chosen == nil || a.weight(liveID) > chosen.weight(liveID)) {
			chosen = a
		}
	}
	return chosen
}

// socketRefused is what websocketinfo is known to answer to the account; nil when
// it is to be asked.
func (s *accounts) socketRefused(a *account) *refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !time.Now().Before(a.noSocket) {
		return nil
	}
	// A login also where it was 请求过快: that is what there is to do about it.
	known := &refusal{state: StateLoginRequired, known: a.noSocket}
	if a.socketFast > 1 {
		known.why = "Kuaishou shows rooms to this account but not how they are entered (请求过快 each time); log in anew in the browser " +
			"and supply its cookie, or the room's endpoint"
	}
	return known
}

// wait is how long until a room that was refused can be looked up with some
// account; false when that is up to the operator. That a login is needed a guest
// is told the next time, too.
func (s *accounts) wait(refused State) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	wait, found := time.Duration(0), false
	for _, a := range s.list {
		rest, resting := a.resting(now)
		if resting && rest.until.IsZero() || refused == StateLoginRequired && !a.loggedIn {
			continue
		}
		left := soonest
		if refused == StateLoginRequired && now.Before(a.noSocket) {
			left = max(left, a.noSocket.Sub(now))
		}
		if resting {
			left = max(rest.until.Sub(now), time.Second)
		}
		if !found || left < wait {
			wait, found = left, true
		}
	}
	// Rooms that wait for the same moment do not all come at it.
	return wait + time.Duration(rand.Float64()*float64(wait)/10), found
}

// refusal is the answer to a look-up of a room when no account can be used: what
// its own account was refused with, or the one that can be used the soonest.
func (s *accounts) refusal(liveID string) Resolution {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	var speaker *account
	var why health
	for _, a := range s.list {
		rest, resting := a.resting(now)
		if !resting {
			continue
		}
		sooner := !rest.until.IsZero() && (why.until.IsZero() || rest.until.Before(why.until))
		if speaker == nil || sooner || rest.until.Equal(why.until) && a.weight(liveID) > speaker.weight(liveID) {
			speaker, why = a, rest
		}
	}
	if speaker == nil {
		return Resolution{State: StateRateLimited, Reason: "the accounts that could look the room up were refused a moment ago; this room waits"}
	}
	var reason strings.Builder
	fmt.Fprintf(&reason, "%s is not used until %s: %s", speaker, untilText(why.until), why.reason)
	if n := len(s.list) - 1; n > 0 {
		fmt.Fprintf(&reason, "; none of the other %d accounts can be used either", n)
	}
	return Resolution{State: why.state, Reason: reason.String(), Account: speaker.spec.name}
}

// untilText is when a rest is over, for people.
func untilText(until time.Time) string {
	if until.IsZero() {
		return "its cookies are changed"
	}
	return until.UTC().Format("2006-01-02 15:04:05 UTC")
}
