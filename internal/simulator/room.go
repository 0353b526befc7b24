package simulator

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// room is a live room: an author who is on air or not.
type room struct {
	simulator *Simulator
	liveID    string
	options   RoomOptions
	playback  *Playback // nil: what it pushes is invented

	mu        sync.Mutex
	answer    Answer
	page      PageStyle
	faults    Faults
	live      bool
	broadcast uint64          // how many there were, the current one included
	streams   map[string]bool // the liveStreamIds of all broadcasts
	generator *generator      // of the current broadcast
	tokens    map[string]*token
	renewals  map[string]uint64 // of the tokens of the current broadcast, by account
	last      time.Time         // of the last push: the next one is later
	conns     map[*conn]bool    // that have entered
	repeated  uint64            // which of Options.Repeat comes next, modulo their number
	owed      float64           // of them, the fraction left from earlier pushes
	recalled  time.Time         // when comments were last recalled
	running   bool              // run is, or is about to be
	thawed    chan struct{}     // nil unless half open; closed when that is over
}

func newRoom(s *Simulator, liveID string, options RoomOptions) *room {
	return &room{
		simulator: s, liveID: liveID, options: options, streams: make(map[string]bool), conns: make(map[*conn]bool),
		repeated: xxhash.Sum64String(liveID),
	}
}

// now is the room's clock: each call is a later millisecond, so that no two
// pushes of a room have the same time. The caller holds mu.
func (r *room) now() time.Time {
	t := time.Now().Truncate(time.Millisecond)
	if !t.After(r.last) {
		t = r.last.Add(time.Millisecond)
	}
	r.last = t
	return t
}

// goLive begins a broadcast, unless one is on, and returns its liveStreamId.
func (r *room) goLive() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.live {
		r.live = true
		r.broadcast++
		r.generator = newGenerator(r.simulator, r.liveID, r.broadcast, r.now)
		if r.playback != nil && r.playback.LiveStreamID != "" {
			r.generator.streamID = r.playback.LiveStreamID
		}
		r.streams[r.generator.streamID] = true
		r.renewals, r.tokens = make(map[string]uint64), make(map[string]*token)
		r.issue(AnyGuest)
	}
	return r.generator.streamID
}

// end tells everybody that the live has ended, and closes their connections.
func (r *room) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.live {
		return nil
	}
	r.live = false
	f, err := r.refusal(r.generator.streamID, Rejection{Code: CodeEnded})
	if err != nil {
		return err
	}
	r.dismiss(f)
	return nil
}

// dismiss sends f to everybody and pushes nothing to them after it. The caller
// holds mu.
func (r *room) dismiss(f *frame) {
	for c := range r.conns {
		if c.hears == hearsAll {
			c.send(f)
		} else {
			c.send(&frame{then: f.then, code: f.code}) // f is about another broadcast
		}
		delete(r.conns, c)
	}
}

// tell sends f to everybody who hears everything. The caller holds mu.
func (r *room) tell(f *frame) {
	for c := range r.conns {
		if c.hears == hearsAll {
			c.send(f)
		}
	}
}

// eventOf is the columns of an event for those who entered streamID.
func (r *room) eventOf(streamID string, t time.Time) schema.Event {
	return schema.Event{LiveID: r.liveID, LiveStreamID: streamID, EventTime: t}
}

// refusal is a 103 for those who entered streamID, after which the connection
// is closed. The caller holds mu.
func (r *room) refusal(streamID string, why Rejection) (*frame, error) {
	f := &frame{then: goodbye}
	t := r.now()
	if r.playback == nil {
		f.add(&schema.RoomEvent{
			Event:       r.eventOf(streamID, t),
			PayloadType: kuaishou.PayloadType_SC_ERROR.String(),
		})
	}
	return f, control(f, kuaishou.PayloadType_SC_ERROR, &kuaishou.SCWebError{
		Code: why.Code, Msg: Title(int(why.Code)), SubCode: why.SubCode, MinDelayMs: why.MinDelayMs, MaxDelayMs: why.MaxDelayMs,
	}, t)
}

// control encodes a message about the connection itself into f.
func control(f *frame, kind kuaishou.PayloadType, message proto.Message, t time.Time) error {
	payload, err := proto.Marshal(message)
	if err != nil {
		return fmt.Errorf("encoding a %v: %w", kind, err)
	}
	f.data, err = envelope(kind, payload, kuaishou.SocketMessage_NONE, t)
	return err
}

func (r *room) leave(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

func (r *room) state() RoomState {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := RoomState{
		LiveID: r.liveID, State: "offline", Broadcasts: r.broadcast, Connections: len(r.conns),
		Answer: r.answer, Page: r.page, Faults: r.faults,
	}
	if r.broadcast > 0 {
		state.LiveStreamID = r.generator.streamID
		state.Token, _ = r.tokensOf(AnyGuest)
	}
	switch {
	case r.answer.Code != 0:
		state.State = "refusing"
	case r.live:
		state.State = "live"
	}
	return state
}

// settle waits until a push that has begun is queued.
func (r *room) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
}

// recallLasts is how long a room goes on for those who only recall its comments.
const recallLasts = time.Minute

// run pushes for as long as anybody is connected, or recalls comments.
func (r *room) run() {
	every := r.simulator.options.PushEvery
	// Rooms that were entered together do not push together.
	next := time.Now().Add(rand.N(every/2 + 1))
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-r.simulator.ctx.Done():
			return
		case <-timer.C:
		}
		interval, ok := r.push(every)
		if !ok {
			return
		}
		// From when it was due rather than from now, so that the rate is kept;
		// unless it was missed by much, when catching up would be a burst.
		next = next.Add(interval)
		if late := time.Since(next); late > 3*every {
			next = next.Add(late)
		}
		timer.Reset(time.Until(next))
	}
}

// push sends one push to everybody and says how long until the next, or
// reports false when nobody is left.
func (r *room) push(every time.Duration) (time.Duration, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.conns) == 0 && time.Since(r.recalled) > recallLasts {
		r.running = false
		return 0, false
	}
	if !r.live || r.mute() || r.simulator.stopped.Load() {
		return every, true
	}
	rate := r.options.Rate
	if rate == 0 {
		rate = r.simulator.options.Rate
	}
	if r.faults.Burst > 0 {
		rate *= r.faults.Burst
	}
	if len(r.simulator.options.Repeat) > 0 {
		for _, f := range r.repeat(every, rate) {
			r.tell(f)
		}
		return every, true
	}
	frames, interval, err := r.generator.next(every, rate)
	if err != nil {
		r.simulator.options.Logger.Error("inventing a push", "live_id", r.liveID, "error", err)
		return every, true
	}
	for range r.faults.Garbage {
		f, err := r.generator.garbage()
		if err != nil {
			r.simulator.options.Logger.Error("inventing garbage", "live_id", r.liveID, "error", err)
			break
		}
		frames = append(frames, f)
	}
	for _, f := range frames {
		r.tell(f)
	}
	for c := range r.conns {
		if c.hears == hearsCounters {
			if err := r.count(c); err != nil {
				r.simulator.options.Logger.Error("counting", "live_id", r.liveID, "error", err)
			}
		}
	}
	return interval, true
}

// count sends nothing but counters to a connection that hears those only. The
// caller holds mu.
func (r *room) count(c *conn) error {
	f, t := &frame{}, r.now()
	of := *r.generator
	of.streamID = c.streamID
	payload, err := of.counted(f, t)
	if err != nil {
		return err
	}
	if f.data, err = envelope(kuaishou.PayloadType_SC_FEED_PUSH, payload, kuaishou.SocketMessage_NONE, t); err != nil {
		return err
	}
	c.send(f)
	return nil
}
