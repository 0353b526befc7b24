package ingest

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// MobileURL is where shared lives are shown to phones.
const MobileURL = "https://livev.m.chenzhongtech.com"

// guestPause is for how long the mobile page is not asked by an address that it
// has asked for a captcha or a login: the answer is about guests, not about the
// room, and nobody can change it.
const guestPause = 10 * time.Minute

// byUser asks what the mobile share page asks: everything in one answer. Its
// token enters with an Endpoint that is Mobile.
func (c caller) byUser(ctx context.Context, liveID string) (Resolution, time.Duration) {
	got, err := c.call(ctx, ask{
		base: c.client.mobile, path: "/rest/k/live/byUser", accept: acceptJSON,
		query: url.Values{"kpn": {"GAME_ZONE"}, "captchaToken": {""}},
		body:  map[string]any{"source": 5, "eid": liveID, "shareMethod": "card", "clientType": "WEB_OUTSIDE_SHARE_H5"},
	})
	if err != nil {
		return unanswered(err)
	}
	v, err := parseLoose(got.body)
	if err != nil {
		return unread("byUser cannot be read", err)
	}
	found := judgeByUser(v)
	if found.State == StateCaptcha || found.State == StateLoginRequired {
		c.client.guests.pause(c.account.exit.name, time.Now().Add(guestPause))
	}
	return found, 0
}

// judgeByUser says how it stands with the room that was asked for. The answer
// names no author ID that could be checked: it is about whom was asked for.
func judgeByUser(v looseValue) Resolution {
	stream := v.at("liveStream")
	found := Resolution{Author: stream.at("user", "user_name").text(), Title: stream.at("caption").text()}
	if code := v.at("result").number(); code != codeOK {
		state := stateOfCode(code)
		switch {
		case code == codeBadParameter, code == 0:
			state = StateUnreachable // of a call that few have seen it may be the call that is wrong
		case state == StateEnded:
			state = StateOffline
		}
		return refuse(found, state, code, reasonOfCode(code, answerMessage(v)))
	}
	if !stream.at("living").truth() {
		if !stream.filled() {
			return refuse(found, StateUnreachable, 0, "byUser says nothing of the room")
		}
		return refuse(found, StateOffline, 0, StateOffline.Sentence())
	}
	found.Endpoint = Endpoint{
		LiveStreamID: stream.at("liveStreamId").text(), Token: v.at("token").text(), URLs: socketURLs(v), Mobile: true,
	}
	switch {
	case found.Endpoint.LiveStreamID == "":
		return refuse(found, StateUnreachable, 0, "byUser says that the author is live, but not in which broadcast")
	case found.Endpoint.Token == "" || len(found.Endpoint.URLs) == 0:
		return noSocket(found)
	case found.Endpoint.Validate() != nil:
		return refuse(found, StateUnreachable, 0, fmt.Sprintf("what byUser names as the room's socket cannot be used: %v", found.Endpoint.Validate()))
	}
	found.State = StateLive
	return found
}
