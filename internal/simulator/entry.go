package simulator

import (
	kuaishou "kslive/proto"
	"kslive/schema"
)

// hearing is what a connection that has been let in gets to hear.
type hearing int

const (
	hearsAll      hearing = iota
	hearsCounters         // 310 without any feeds
	hearsNothing          // heartbeats are answered
)

// token is one that opens the current broadcast.
type token struct {
	mobile bool // it is from byUser
	used   bool // it was entered with
}

// The fields 8 and 9 of an entry from the mobile share page, which sends no
// pageId.
const (
	mobileKpn = "KUAISHOU_H5"
	mobileKpf = "OUTSIDE_IOS_H5"
)

// admit decides on an entry: what is heard, or the reason to refuse it. The
// caller holds mu.
func (r *room) admit(c *conn, request *kuaishou.CSWebEnterRoom) (hearing, Rejection) {
	issued := r.tokens[request.Token]
	current := r.generator != nil && r.generator.streamID == request.LiveStreamId
	switch {
	case r.faults.Refusal.Code != 0:
		return hearsNothing, r.faults.Refusal
	case r.faults.CountersOnly && r.live && (!current || issued == nil):
		return hearsCounters, Rejection{}
	case !r.live, !current && r.streams[request.LiveStreamId]:
		return hearsNothing, Rejection{Code: CodeEnded}
	case !current:
		return hearsNothing, Rejection{Code: CodeBadParameter}
	case r.faults.RefuseToken, issued == nil,
		r.faults.RefuseReconnect && issued.used && request.ReconnectCount > 0,
		!r.simulator.options.AnyEntry && issued.mobile != enteredMobile(request):
		return hearsNothing, Rejection{Code: CodeBadToken}
	case c.address != r:
		return hearsNothing, Rejection{} // a URL of another room: no data flows
	default:
		return hearsAll, Rejection{}
	}
}

// enteredMobile is whether an entry has the form of the mobile share page's.
func enteredMobile(request *kuaishou.CSWebEnterRoom) bool {
	return request.Kpn == mobileKpn && request.Kpf == mobileKpf && request.PageId == ""
}

// enter lets a connection in, or answers it with the reason why not.
func (r *room) enter(c *conn, request *kuaishou.CSWebEnterRoom) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	heard, refused := r.admit(c, request)
	if refused.Code != 0 {
		f, err := r.refusal(request.LiveStreamId, refused)
		if refused.Code == CodeBadToken && r.faults.HangUp {
			f = &frame{then: goodbye}
		}
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
	f.add(&schema.RoomEvent{Event: r.eventOf(request.LiveStreamId, t), PayloadType: kuaishou.PayloadType_SC_ENTER_ROOM_ACK.String()})
	options := r.simulator.options
	ack := &kuaishou.SCWebEnterRoomAck{
		MinReconnectMs: uint64(options.MinReconnect.Milliseconds()), MaxReconnectMs: uint64(options.MaxReconnect.Milliseconds()),
		HeartbeatIntervalMs: uint64(options.Heartbeat.Milliseconds()),
	}
	if err := control(f, kuaishou.PayloadType_SC_ENTER_ROOM_ACK, ack, t); err != nil {
		return err
	}
	if !r.mute() {
		c.send(f)
	}
	if issued := r.tokens[request.Token]; issued != nil {
		issued.used = true
	}
	c.hears, c.streamID = heard, request.LiveStreamId
	r.conns[c] = true
	r.start()
	return nil
}

// start pushes, unless that goes on already. The caller holds mu.
func (r *room) start() {
	if !r.running {
		r.running = r.simulator.begin(r.run)
	}
}

// token is the newest for the web that opens the current broadcast. The caller
// holds mu.
func (r *room) token() string {
	return tokenOf(r.simulator.options.Seed, r.liveID, r.broadcast, r.renewals, webToken)
}

// mobileToken is the newest from byUser. The caller holds mu.
func (r *room) mobileToken() string {
	return tokenOf(r.simulator.options.Seed, r.liveID, r.broadcast, r.renewals, mobileToken)
}

// issue makes the newest tokens open the current broadcast. The caller holds mu.
func (r *room) issue() {
	r.tokens[r.token()] = &token{}
	r.tokens[r.mobileToken()] = &token{mobile: true}
}

// entrance is a token and the websocket URLs of the current broadcast. While
// reconnects are refused, it is a token that nobody has entered with.
func (r *room) entrance(mobile bool) (name string, urls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	base := "ws" + r.simulator.url[len("http"):] + "/websocket/"
	code := "/" + shortCode(r.liveID)
	urls = []string{base + "group1" + code, base + "group2" + code}
	if r.faults.RefuseReconnect && (r.tokens[r.token()].used || r.tokens[r.mobileToken()].used) {
		r.renewals++
		r.issue()
	}
	if mobile {
		return r.mobileToken(), urls
	}
	return r.token(), urls
}
