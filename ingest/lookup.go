package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// room looks one room up. The duration is what Kuaishou asked to wait, or 0.
func (c caller) room(ctx context.Context, liveID string) (Resolution, time.Duration) {
	page, err := c.call(ctx, ask{path: "/u/" + liveID, accept: acceptPage})
	if err != nil {
		return unanswered(err)
	}
	info, err := parsePage(page.body)
	switch {
	case err != nil && page.elsewhere != "":
		return Resolution{State: StateLoginRequired, Reason: fmt.Sprintf(
			"Kuaishou sends to %s instead of showing the room; log in with a browser and supply its cookie", page.elsewhere)}, 0
	case err != nil:
		c.client.logger.Warn("the room page cannot be read; asking livedetail", "live_id", liveID, "error", err)
		detail, err := c.getJSON(ctx, "/live_api/liveroom/livedetail", url.Values{"principalId": {liveID}})
		if err != nil {
			return unanswered(err)
		}
		if info, err = parseDetail(detail.body); err != nil {
			return unanswered(fmt.Errorf("neither the room page nor livedetail can be read: %w", err))
		}
	}
	found := info.judge(liveID)
	if found.State != StateLive || found.Endpoint.Validate() == nil {
		return found, 0
	}
	return c.socket(ctx, found)
}

// socket completes the endpoint of a live room.
func (c caller) socket(ctx context.Context, found Resolution) (Resolution, time.Duration) {
	refuse := func(state State, code int, reason string) (Resolution, time.Duration) {
		return Resolution{State: state, Code: code, Reason: reason, Author: found.Author, Title: found.Title}, 0
	}
	// However unlikely it was: now it is on air and unheard.
	if soon := time.Now().Add(lostWithin); soon.Before(c.deadline) {
		c.deadline = soon
	}
	got, err := c.getJSON(ctx, "/live_api/liveroom/websocketinfo",
		url.Values{"liveStreamId": {found.Endpoint.LiveStreamID}, "caver": {"2"}})
	if err != nil {
		return unanswered(err)
	}
	v, err := parseLoose(got.body)
	if err != nil {
		return unanswered(fmt.Errorf("websocketinfo: %w", err))
	}
	data := v.at("data")
	if code := data.at("result").number(); code != codeOK && code != 0 {
		state := stateOfCode(code)
		if state == StateNotFound {
			state = StateUnreachable // about the broadcast: the author was just seen
		}
		return refuse(state, code, reasonOfCode(code, answerMessage(data)))
	}
	found.Endpoint.Token, found.Endpoint.URLs = data.at("token").text(), socketURLs(data)
	if found.Endpoint.Token == "" || len(found.Endpoint.URLs) == 0 {
		return refuse(StateLoginRequired, 0, "Kuaishou names no socket for the room, as it does to those not logged in; "+
			"supply a logged-in cookie (with kuaishou.live.web_st) or the room's endpoint")
	}
	if err := found.Endpoint.Validate(); err != nil {
		return unanswered(fmt.Errorf("websocketinfo: %w", err))
	}
	return found, 0
}

// unanswered is the Resolution for a call that brought nothing to read.
func unanswered(err error) (Resolution, time.Duration) {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return Resolution{State: refused.state, Reason: refused.Error()}, refused.retryAfter
	}
	return Resolution{State: StateUnreachable, Reason: quotable(err.Error())}, 0
}
