package ingest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	kuaishou "kslive/proto"
)

// resolver looks rooms up; Client does.
type resolver interface {
	// Resolve answers every trouble but that of ctx with a State. The Endpoint of
	// a room that is live is valid.
	Resolve(ctx context.Context, liveID string, within time.Duration) (Resolution, error)
	// Recall and Over are as Client's.
	Recall(ctx context.Context, liveID, broadcast string, cursors map[string]int64, within time.Duration) (History, error)
	Over(ctx context.Context, liveID, broadcast string) bool
	// AccountsChanged is closed when there are other accounts than at the call,
	// which may be let in where those were not.
	AccountsChanged() <-chan struct{}
}

// lookUpEvery is after how many failures in a row a room is looked up again.
const lookUpEvery = 3

// lostWithin is how soon a look-up is wanted while a broadcast goes unheard.
const lostWithin = 5 * time.Second

// probeWithin is how soon it is to be known whether a broadcast that has fallen
// silent is still on air.
const probeWithin = 30 * time.Second

// room hears one claimed live, from look-up to the end of the broadcast. Its
// run method is called once.
type room struct {
	liveID    string
	epoch     int64
	endpoint  *Endpoint     // as given with the lives row; nil: it is looked up
	within    time.Duration // how soon the first look-up is wanted
	resolver  resolver
	frames    frameAppender
	connector *connector
	retry     RetryDelays
	report    func(Report) // what is so on the way; called by run's goroutine
	coverage  *coverageLog // nil: not recorded
	metrics   roomMetrics
	logger    *slog.Logger

	// What run knows by now.
	at            Endpoint  // valid, or without a Token when no way in is known
	found         time.Time // when at was
	via, account  string
	proxy         *url.URL // that the socket goes out by; nil: no account's own
	author, title string
	connections   int           // tried so far for this broadcast
	lastErrorCode int           // of the latest SC_ERROR since a session was stable
	heard         bool          // let in at least once: its silence is an end
	failures      int           // in a row: sessions that were not stable
	untrusted     int           // of these, since a look-up
	refusals      int           // look-ups refused since a session was stable
	badTokens     int           // tokens refused since a session was stable
	askAnew       bool          // look the room up before the next connection
	given         bool          // at is the endpoint of the lives row
	trouble       string        // why it is connecting again, for people
	from, to      time.Duration // the server's window for a reconnect, 0 if not told
	turnedAway    int           // connections in a row that were closed as soon as we had entered
	muted         bool          // it was looked up anew because only counters came
	stuck         bool          // it was entered anew because nothing came
	doubt         string        // that they did, while nothing else has come
	recalling     bool          // there is no socket: comments are recalled
	history       *recalledHistory
	seam          bool           // a socket takes over from recalling
	seams         sync.WaitGroup // for the polls that follow on a socket
}

// run hears the room until its live has ended, it cannot be heard, or ctx is
// done, and says which. What ctx ends is taking: frames that the server sends
// while the room is being left are still kept.
func (r *room) run(ctx context.Context) (last *Report) {
	defer r.seams.Wait()
	for last = r.begin(ctx); last == nil; {
		if last = r.findWayIn(ctx); last != nil {
			break
		}
		// Here thousands of rooms are for hours: little of each is on the stack.
		s := r.connect(ctx)
		s.run(ctx)
		last = r.conclude(ctx, s)
	}
	return last
}

// begin takes the endpoint that was given. It returns the last report when that
// is none.
func (r *room) begin(ctx context.Context) *Report {
	r.askAnew = true
	if r.endpoint == nil {
		return nil
	}
	if err := r.endpoint.Validate(); err != nil {
		last := r.refused(ctx, time.Now(), r.last(StateInvalid, 0, err.Error()))
		return &last
	}
	r.at, r.given, r.askAnew = *r.endpoint, true, false
	r.via = ViaEndpoint // found is zero: nobody knows when it was
	return nil
}

// findWayIn returns when there is a socket to connect to, or with the last
// report when the room is over.
func (r *room) findWayIn(ctx context.Context) *Report {
	if r.askAnew {
		if last, over := r.lookUp(ctx); over {
			return &last
		}
	}
	if r.recalling {
		if last, over := r.recall(ctx); over {
			return &last
		}
	}
	return nil
}

// conclude records a session that is over, and waits until the next may begin. It
// returns the last report when the room is over.
func (r *room) conclude(ctx context.Context, s *session) *Report {
	last, over := r.judge(ctx, s.ending)
	r.ended(ctx, s.record, s.ending, last)
	if !over && !sleep(ctx, r.backoff()) {
		last, over = r.refused(ctx, time.Now(), r.last(StateStopped, 0, StateStopped.Sentence())), true
	}
	if !over {
		return nil
	}
	return &last
}

// lookUp learns the endpoint anew. It returns true when the room is over.
func (r *room) lookUp(ctx context.Context) (Report, bool) {
	r.tell(StateResolving, 0, joinReason(StateResolving.Sentence(), r.trouble))
	began := time.Now()
	within := r.within
	if r.heard {
		within = lostWithin
	}
	found, err := r.resolver.Resolve(ctx, r.liveID, within)
	switch {
	case ctx.Err() != nil:
		return r.refused(ctx, began, r.last(StateStopped, 0, StateStopped.Sentence())), true
	case err != nil:
		found = Resolution{State: StateUnreachable, Reason: err.Error(), RetryAfter: r.retry.After(StateUnreachable)}
	}
	return r.learn(ctx, began, found)
}

// learn takes in the answer of a look-up that began then. It returns true when
// the room is over.
func (r *room) learn(ctx context.Context, began time.Time, found Resolution) (Report, bool) {
	if found.Author != "" {
		r.author, r.title = found.Author, found.Title
	}
	switch found.State {
	case StateLive, StateRecall:
		r.enterBy(found)
		return Report{}, false
	case StateOffline, StateEnded:
		if r.heard {
			return r.refused(ctx, began, r.last(StateEnded, found.Code, StateEnded.Sentence())), true
		}
	case StateRateLimited, StateCaptcha, StateLoginRequired, StateUnreachable:
		// These are about us and not about the room. The token may well be good
		// still, and where the operator gave the endpoint it is all there is.
		if r.at.Token != "" && r.badTokens == 0 && r.refusals == 0 {
			r.refusals++
			r.askAnew = false
			r.trouble = joinReason("connecting with the endpoint known; the look-up was refused: "+found.Reason, r.trouble)
			return Report{}, false
		}
	}
	r.via, r.account = found.Via, found.Account
	last := r.last(found.State, found.Code, found.Reason)
	last.RetryAfter = found.RetryAfter
	return r.refused(ctx, began, last), true
}

// enterBy has the room be entered in the way that was found.
func (r *room) enterBy(found Resolution) {
	if found.Endpoint.LiveStreamID != r.at.LiveStreamID {
		r.connections, r.lastErrorCode, r.muted, r.stuck, r.doubt = 0, 0, false, false, ""
	}
	r.recalling = found.State == StateRecall
	if r.recalling {
		r.trouble = found.Reason
	}
	r.at, r.found, r.given, r.askAnew = found.Endpoint, time.Now(), false, false
	r.via, r.account, r.proxy = found.Via, found.Account, found.proxy
}

// connect opens a socket at the next of the room's addresses. The session is over
// when it could not.
func (r *room) connect(ctx context.Context) *session {
	r.tell(StateConnecting, r.lastErrorCode, cmp.Or(r.trouble, StateConnecting.Sentence()))
	address := r.at.URLs[r.connections%len(r.at.URLs)]
	s := &session{
		connector: r.connector,
		frames:    r.frames,
		metrics:   r.metrics,
		coverage:  r.coverage,
		record:    r.attempt(time.Now()),
		entered: func() {
			r.heard, r.trouble = true, ""
			r.tell(StateLive, 0, r.doubt)
			r.catchUp(ctx)
		},
	}
	var err error
	s.hello, err = clientMessage(kuaishou.PayloadType_CS_ENTER_ROOM, enterRoom(r.at, uint32(r.connections), uint32(r.lastErrorCode)))
	if err != nil {
		s.ending = ending{cause: causeWrite, err: err}
		return s
	}
	r.connections++
	if s.conn, err = r.connector.dial(ctx, address, r.proxy); err != nil {
		s.ending = ending{cause: causeDial, err: err}
		return s
	}
	if r.doubt != "" {
		s.spoke = func() {
			r.doubt = ""
			r.tell(StateLive, 0, "")
		}
	}
	if !r.muted && time.Since(r.found) >= r.connector.timing.stale {
		s.mute = r.connector.timing.mute
	}
	s.probe.anew = !r.stuck
	s.probe.ask = func(ctx context.Context) (Resolution, error) { return r.resolver.Resolve(ctx, r.liveID, probeWithin) }
	s.frame.LiveId, s.frame.LiveStreamId = r.liveID, r.at.LiveStreamID
	s.frame.SessionId, s.frame.Epoch = s.record.SessionId, r.epoch
	return s
}

// judge says whether the way a session ended is the end of the room. If not, it
// says so and has set what to do next.
func (r *room) judge(ctx context.Context, end ending) (Report, bool) {
	if end.entered && end.lasted >= r.connector.timing.stable {
		r.failures, r.untrusted, r.refusals, r.badTokens, r.lastErrorCode = 0, 0, 0, 0, 0
	}
	if end.cause == causeAppend {
		return r.last(StateFailed, 0, fmt.Sprintf("%s: %v", StateFailed.Sentence(), end.err)), true
	}
	reason := end.reason()
	if end.cause == causeRejected {
		r.lastErrorCode = end.code
		if state, over := r.rejected(end.code); over {
			last := r.last(state, end.code, reason)
			last.RetryAfter = max(last.RetryAfter, end.reconnectFrom)
			return last, true
		}
	}
	if ctx.Err() != nil {
		return r.last(StateStopped, 0, StateStopped.Sentence()), true
	}
	if end.found != nil {
		if r.stuck = end.found.Endpoint.LiveStreamID == r.at.LiveStreamID; r.stuck {
			r.doubt = "connected again, after this: " + reason
		}
		if last, over := r.learn(ctx, time.Now(), *end.found); over {
			return last, true
		}
		r.untrusted = 0
	}
	r.failures++
	r.untrusted++
	if r.distrusts(end) || r.untrusted >= lookUpEvery {
		r.askAnew, r.untrusted, r.turnedAway = true, 0, 0
	}
	if end.reconnectTo > 0 {
		r.from, r.to = end.reconnectFrom, end.reconnectTo
	}
	r.metrics.reconnect(end.cause)
	r.logger.Info("connection lost", "live_id", r.liveID, "cause", end.cause, "reason", reason, "failures", r.failures)
	r.trouble = "connecting again: " + reason
	r.tell(StateConnecting, end.code, r.trouble)
	return Report{}, false
}

// distrusts says whether the way a session ended speaks against the way in: the
// broadcast is likely an old one, or the token: a bad one gets the connection
// closed as soon as it was used. Once that can be an address that is just being
// closed down, of a server whose rooms had better not all be looked up.
func (r *room) distrusts(end ending) bool {
	if end.cause == causeClosed && !end.entered {
		r.turnedAway++
	} else {
		r.turnedAway = 0
	}
	if end.cause == causeMute {
		r.muted, r.doubt = true, "connected again, after this: "+end.reason()
	}
	return end.cause == causeMute || r.turnedAway >= 2
}

// rejected says whether an SC_ERROR is the end of the room, and in which state.
func (r *room) rejected(code int) (State, bool) {
	state := stateOfCode(code)
	switch code {
	case codeBadToken, codeNotLoggedIn, codeLoginNeeded:
		// Tokens grow old; another may do. One that is refused like the last does
		// not get better by asking on.
		r.badTokens++
		r.askAnew = true
		return state, r.badTokens > 1
	case codeLiveEnded, codeNotLive:
		if r.heard {
			return StateEnded, true
		}
		if r.given {
			// An endpoint outlives its broadcast in the lives row; the author may be
			// in the next one.
			r.given, r.askAnew = false, true
			return state, false
		}
	}
	switch state {
	case StateEnded, StateOffline, StateBanned, StatePassword, StateCaptcha, StateLoginRequired:
		return state, true
	}
	return state, false
}

// backoff is how long to wait before the next connection: a random time in the
// server's window, doubled for each failure in a row.
func (r *room) backoff() time.Duration {
	limits := r.connector.timing
	from, to := limits.reconnectFrom, limits.reconnectTo
	if r.to > 0 {
		from, to = r.from, r.to
	}
	wait := from + rand.N(to-from+1)
	for n := 1; n < r.failures && wait < limits.maxReconnect; n++ {
		wait = min(2*wait, limits.maxReconnect)
	}
	return wait
}

// tell reports what is so on the way.
func (r *room) tell(state State, code int, reason string) {
	r.report(r.reportOf(state, code, reason))
}

// last is the report that run returns.
func (r *room) last(state State, code int, reason string) Report {
	report := r.reportOf(state, code, reason)
	report.RetryAfter = r.retry.After(state)
	return report
}

func (r *room) reportOf(state State, code int, reason string) Report {
	return Report{
		State: state, Code: code, Reason: reason,
		LiveStreamID: r.at.LiveStreamID, Author: r.author, Title: r.title,
		Via: r.via, Account: r.account,
	}
}
