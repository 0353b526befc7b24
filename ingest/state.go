package ingest

import (
	"time"
)

// State says how it stands with a room. It is stored in live_state.state and
// shown to people.
type State string

const (
	StateQueued        State = "queued"         // waits for a worker
	StateResolving     State = "resolving"      // being looked up
	StateConnecting    State = "connecting"     // a socket is being opened, or opened again
	StateLive          State = "live"           // being heard
	StateRecall        State = "recall"         // comments only, by polling their history
	StateOffline       State = "offline"        // the author is not live
	StateEnded         State = "ended"          // the author was live and has stopped
	StateRateLimited   State = "rate_limited"   // told to slow down
	StateCaptcha       State = "captcha"        // asked to prove to be human
	StateLoginRequired State = "login_required" // no guest may look
	StatePassword      State = "password"       // the room has a password
	StateBanned        State = "banned"         // the room is closed to us, or to all
	StateNotFound      State = "not_found"      // there is no such author
	StateUnreachable   State = "unreachable"    // no answer, or none that can be read
	StateInvalid       State = "invalid"        // the live ID or endpoint cannot be used as written
	StateFailed        State = "failed"         // frames could not be kept on this machine
	StateStopped       State = "stopped"        // this worker was told to let go
)

// Sentence says what s means and, where a person can do something, what.
func (s State) Sentence() string {
	switch s {
	case StateQueued:
		return "waiting for a worker"
	case StateResolving:
		return "looking the room up"
	case StateConnecting:
		return "connecting to the room"
	case StateLive:
		return "the room is being heard"
	case StateRecall:
		return "comments only, by polling"
	case StateOffline:
		return "the author is not live"
	case StateEnded:
		return "the live has ended"
	case StateRateLimited:
		return "Kuaishou says that requests come too fast; asking less often, and a logged-in cookie may help"
	case StateCaptcha:
		return "Kuaishou asks for a captcha; solve it in the browser that the cookie is from"
	case StateLoginRequired:
		return "Kuaishou wants a login; supply a logged-in cookie (with kuaishou.live.web_st) or the room's endpoint"
	case StatePassword:
		return "the room has a password; supply the room's endpoint"
	case StateBanned:
		return "the room is closed by Kuaishou or to this account"
	case StateNotFound:
		return "Kuaishou knows no such author; check the live ID"
	case StateUnreachable:
		return "Kuaishou could not be reached or its answer could not be read"
	case StateInvalid:
		return "the live ID or endpoint cannot be used as it is written"
	case StateFailed:
		return "frames could not be kept on this machine"
	case StateStopped:
		return "this worker has let go of the room"
	}
	return string(s)
}

// Report is what a room says of itself: on the way, and at its end.
type Report struct {
	State State
	// Reason is a sentence for a person, with Kuaishou's own words behind it
	// when there were any. It holds no secret.
	Reason string
	// Code is Kuaishou's result code, or 0.
	Code int
	// RetryAfter is when to look at the room again. Set in a last report only.
	RetryAfter time.Duration
	// LiveStreamID, Author and Title are empty while they are not known.
	LiveStreamID string
	Author       string
	Title        string
	// Via is the resolver that found the way into the room, Account the name of
	// the account that it was found with, or that was refused. Empty: none yet.
	Via     string
	Account string
}

// RetryDelays says for each state in which a room can be given up how long to
// wait before it is looked at again.
type RetryDelays map[State]time.Duration

// DefaultRetryDelays returns a new table. Other clients found that asking in a
// loop prolongs a block, so what only a person can change is asked seldom.
func DefaultRetryDelays() RetryDelays {
	return RetryDelays{
		StateOffline:       4 * time.Minute, // at most: sooner when it is likely to begin
		StateEnded:         time.Minute,     // authors often come right back
		StateRateLimited:   5 * time.Minute,
		StateCaptcha:       30 * time.Minute,
		StateLoginRequired: 30 * time.Minute,
		StatePassword:      30 * time.Minute,
		StateBanned:        time.Hour,
		StateNotFound:      6 * time.Hour,
		StateUnreachable:   30 * time.Second,
		StateInvalid:       24 * time.Hour,
		StateFailed:        10 * time.Second,
	}
}

// With returns a copy of d in which the delays of changed hold.
func (d RetryDelays) With(changed RetryDelays) RetryDelays {
	merged := make(RetryDelays, len(d)+len(changed))
	for _, table := range []RetryDelays{d, changed} {
		for state, delay := range table {
			merged[state] = delay
		}
	}
	return merged
}

// After returns the delay for s, up to a fifth shorter or longer so that rooms
// refused together do not come back together. It is 0 for a state not in d.
func (d RetryDelays) After(s State) time.Duration {
	return jittered(d[s], 0.2)
}
