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
	ack := &kuaishou.SCWebEnterRoomAck{}
	if !r.faults.BareAck {
		ack = &kuaishou.SCWebEnterRoomAck{
			MinReconnectMs: uint64(options.MinReconnect.Milliseconds()), MaxReconnectMs: uint64(options.MaxReconnect.Milliseconds()),
			HeartbeatIntervalMs: uint64(options.Heartbeat.Milliseconds()),
		}
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

// tokensOf are the newest that open the current broadcast for an account, as it is
// named in Call: that for the web and that from byUser. The caller holds mu.
func (r *room) tokensOf(account string) (web, mobile string) {
	seed, renewals := r.simulator.options.Seed, r.renewals[account]
	return tokenOf(seed, r.liveID+" "+account, r.broadcast, renewals, webToken), tokenOf(seed, r.liveID+" "+account, r.broadcast, renewals, mobileToken)
}

// issue has an account's newest tokens open the current broadcast. While
// reconnects are refused, they are such as nobody has entered with. The caller
// holds mu.
func (r *room) issue(account string) (web, mobile string) {
	web, mobile = r.tokensOf(account)
	if r.faults.RefuseReconnect && r.tokens[web] != nil && (r.tokens[web].used || r.tokens[mobile].used) {
		r.renewals[account]++
		web, mobile = r.tokensOf(account)
	}
	if r.tokens[web] == nil {
		r.tokens[web], r.tokens[mobile] = &token{}, &token{mobile: true}
	}
	return web, mobile
}

// entrance is an account's token and the websocket URLs of the current broadcast.
func (r *room) entrance(account string, mobile bool) (name string, urls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	base := "ws" + r.simulator.url[len("http"):] + "/websocket/"
	code := "/" + shortCode(r.liveID)
	urls = []string{base + "group1" + code, base + "group2" + code}
	web, fromByUser := r.issue(account)
	if mobile {
		return fromByUser, urls
	}
	return web, urls
}

// issued is whether the room knows the token.
func (r *room) issued(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tokens[name] != nil
}
