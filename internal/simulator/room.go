package simulator

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

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
	faults    Faults
	live      bool
	broadcast uint64          // how many there were, the current one included
	streams   map[string]bool // the liveStreamIds of all broadcasts
	generator *generator      // of the current broadcast
	used      map[string]bool // the tokens of the current broadcast; true when one was entered with
	renewals  uint64          // of the token of the current broadcast
	last      time.Time       // of the last push: the next one is later
	conns     map[*conn]bool  // that have entered
	running   bool            // run is, or is about to be
	thawed    chan struct{}   // nil unless half open; closed when that is over
}

func newRoom(s *Simulator, liveID string, options RoomOptions) *room {
	return &room{simulator: s, liveID: liveID, options: options, streams: make(map[string]bool), conns: make(map[*conn]bool)}
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

// goLive begins a broadcast, unless one is on, and returns its liveStreamId
// and token.
func (r *room) goLive() (streamID, token string) {
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
		r.renewals = 0
		r.used = map[string]bool{r.token(): false}
	}
	return r.generator.streamID, r.token()
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
		c.send(f)
		delete(r.conns, c)
	}
}

// refusal is a 103 for those who entered streamID, after which the connection
// is closed. The caller holds mu.
func (r *room) refusal(streamID string, why Rejection) (*frame, error) {
	f := &frame{then: goodbye}
	t := r.now()
	if r.playback == nil {
		f.add(&schema.RoomEvent{
			Event:       schema.Event{LiveID: r.liveID, LiveStreamID: streamID, EventTime: t},
			PayloadType: kuaishou.PayloadType_SC_ERROR.String(),
		})
	}
	return f, control(f, kuaishou.PayloadType_SC_ERROR, &kuaishou.SCWebError{
		Code: why.Code, Msg: title(int(why.Code)), MinDelayMs: why.MinDelayMs, MaxDelayMs: why.MaxDelayMs,
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

// enter lets a connection in, or answers it with the reason why not.
func (r *room) enter(c *conn, request *kuaishou.CSWebEnterRoom) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if code := r.admission(request); code != CodeOK {
		f, err := r.refusal(request.LiveStreamId, Rejection{Code: code})
		if err == nil {
			c.send(f)
		}
		return err
	}
	if r.playback != nil {
		return r.beginPlay(c)
	}
	t := r.now()
	f := &frame{}
	f.add(&schema.RoomEvent{Event: r.generator.event(t), PayloadType: kuaishou.PayloadType_SC_ENTER_ROOM_ACK.String()})
	ack := &kuaishou.SCWebEnterRoomAck{
		MinReconnectMs: 1000, MaxReconnectMs: 5000,
		HeartbeatIntervalMs: uint64(r.simulator.options.Heartbeat.Milliseconds()),
	}
	if err := control(f, kuaishou.PayloadType_SC_ENTER_ROOM_ACK, ack, t); err != nil {
		return err
	}
	if !r.mute() {
		c.send(f)
	}
	r.used[request.Token] = true
	r.conns[c] = true
	if !r.running {
		r.running = r.simulator.begin(r.run)
	}
	return nil
}

// admission is CodeOK or the reason to refuse an entry. The caller holds mu.
func (r *room) admission(request *kuaishou.CSWebEnterRoom) uint32 {
	used, issued := r.used[request.Token]
	switch {
	case !r.live || r.generator.streamID != request.LiveStreamId && r.streams[request.LiveStreamId]:
		return CodeEnded
	case r.generator.streamID != request.LiveStreamId:
		return CodeBadParameter
	case r.faults.RefuseToken || !issued:
		return CodeBadToken
	case r.faults.RefuseReconnect && used && request.ReconnectCount > 0:
		return CodeBadToken
	default:
		return CodeOK
	}
}

// token is the newest that opens the current broadcast. The caller holds mu.
func (r *room) token() string {
	return tokenOf(r.simulator.options.Seed, r.liveID, r.broadcast, r.renewals)
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
		LiveID: r.liveID, State: "offline", Broadcasts: r.broadcast, Connections: len(r.conns), Answer: r.answer, Faults: r.faults,
	}
	if r.broadcast > 0 {
		state.LiveStreamID, state.Token = r.generator.streamID, r.token()
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

// run pushes for as long as anybody is connected.
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
	if len(r.conns) == 0 {
		r.running = false
		return 0, false
	}
	if r.mute() || r.simulator.stopped.Load() {
		return every, true
	}
	rate := r.options.Rate
	if rate == 0 {
		rate = r.simulator.options.Rate
	}
	if r.faults.Burst > 0 {
		rate *= r.faults.Burst
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
		for c := range r.conns {
			c.send(f)
		}
	}
	return interval, true
}
