package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// page asks the room's page and, where it names no socket, websocketinfo: once,
// since repeating that call while refused prolongs the block. The duration, as
// in all of these, is what Kuaishou asked to wait, or 0.
func (c caller) page(ctx context.Context, liveID string) (Resolution, time.Duration) {
	page, err := c.call(ctx, ask{path: "/u/" + liveID, accept: acceptPage})
	if err != nil {
		return unanswered(err)
	}
	info, err := parsePage(page.body)
	switch {
	case err != nil && page.elsewhere != "":
		return Resolution{State: StateLoginRequired, weak: true, Reason: fmt.Sprintf(
			"Kuaishou sends to %s instead of showing the room; log in with a browser and supply its cookie", page.elsewhere)}, 0
	case err != nil:
		return unread("the room page cannot be read", err)
	}
	found := info.judge(liveID)
	if found.State != StateLive || found.Endpoint.Validate() == nil {
		return found, 0
	}
	c.judged(StateLive) // the page was shown; what follows is another call
	return c.socket(ctx, found)
}

// detail asks livedetail, which says the same as the page.
func (c caller) detail(ctx context.Context, liveID string) (Resolution, time.Duration) {
	got, err := c.getJSON(ctx, "/live_api/liveroom/livedetail", url.Values{"principalId": {liveID}})
	if err != nil {
		return unanswered(err)
	}
	info, err := parseDetail(got.body)
	if err != nil {
		return unread("livedetail cannot be read", err)
	}
	found := info.judge(liveID)
	if found.State != StateLive || found.Endpoint.Validate() == nil {
		return found, 0
	}
	if found.Endpoint.Token != "" && len(found.Endpoint.URLs) > 0 {
		return unusable(found)
	}
	return noSocket(found), 0
}

// socket completes the endpoint of a live room.
func (c caller) socket(ctx context.Context, found Resolution) (Resolution, time.Duration) {
	// However unlikely it was: now it is on air and unheard.
	if soon := time.Now().Add(lostWithin); soon.Before(c.deadline) {
		c.deadline = soon
	}
	got, err := c.getJSON(ctx, "/live_api/liveroom/websocketinfo",
		url.Values{"liveStreamId": {found.Endpoint.LiveStreamID}, "caver": {"2"}})
	if err != nil {
		refused, retryAfter := unanswered(err)
		refused.broadcast, refused.Author, refused.Title = found.Endpoint.LiveStreamID, found.Author, found.Title
		refused.down = refused.down && !c.attempt.known
		return refused, retryAfter
	}
	v, err := parseLoose(got.body)
	if err != nil {
		return unread("websocketinfo cannot be read", err)
	}
	data := v.at("data")
	if code := data.at("result").number(); code != codeOK && code != 0 {
		state := stateOfCode(code)
		if state == StateNotFound {
			state = StateUnreachable // about the broadcast: the author was just seen
		}
		return refuse(found, state, code, reasonOfCode(code, answerMessage(data))), 0
	}
	found.Endpoint.Token, found.Endpoint.URLs = data.at("token").text(), socketURLs(data)
	if found.Endpoint.Token == "" || len(found.Endpoint.URLs) == 0 {
		return noSocket(found), 0
	}
	if found.Endpoint.Validate() != nil {
		return unusable(found)
	}
	return found, 0
}

// refuse turns what was found of a live room into a refusal that remembers the
// broadcast.
func refuse(found Resolution, state State, code int, reason string) Resolution {
	return Resolution{
		State: state, Code: code, Reason: reason,
		Author: found.Author, Title: found.Title, broadcast: found.Endpoint.LiveStreamID,
	}
}

// noSocket is the answer to those who may know that a room is live, and no more.
func noSocket(found Resolution) Resolution {
	refused := refuse(found, StateLoginRequired, 0, "Kuaishou names no socket for the room, as it does to those not logged in; "+
		"supply a logged-in cookie (with kuaishou.live.web_st) or the room's endpoint")
	refused.weak = true
	return refused
}

// unusable is an endpoint that cannot be used as Kuaishou wrote it.
func unusable(found Resolution) (Resolution, time.Duration) {
	return refuse(found, StateUnreachable, 0, "what Kuaishou names as the room's socket cannot be used: "+found.Endpoint.Validate().Error()), 0
}

// unanswered is the Resolution for a call that brought nothing to read.
func unanswered(err error) (Resolution, time.Duration) {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return Resolution{State: refused.state, Reason: refused.Error(), down: true, weak: true}, refused.retryAfter
	}
	return Resolution{State: StateUnreachable, Reason: quotable(err.Error()), down: true}, 0
}

// unread is the Resolution for an answer that makes no sense.
func unread(what string, err error) (Resolution, time.Duration) {
	return Resolution{State: StateUnreachable, Reason: quotable(fmt.Sprintf("%s: %v", what, err))}, 0
}
