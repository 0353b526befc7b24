package ingest

import (
	"context"
	"errors"
	"net/url"
	"time"
)

// GiftsURL is where phones read the list of all gifts.
const GiftsURL = "https://v.m.chenzhongtech.com"

// giftsWithin is within which time the answer of a list is wanted: rooms are
// looked up first.
const giftsWithin = time.Hour

// onAir is a broadcast that is being heard; empty: none is.
type onAir struct {
	liveID, broadcast string
}

// giftAnswer is what a list said.
type giftAnswer struct {
	gifts      []gift
	state      State // StateLive, or what is in the way, for the reason
	reason     string
	retryAfter time.Duration // what Kuaishou asked to wait, or 0
}

// giftList asks one list, once, when no room waits for its turn any more. It
// asks as a guest, from an address that is well, so that no account can be asked
// for a captcha or a login because of it. That it asks too fast is about the
// address, and rests it like any other call.
func (c *Client) giftList(ctx context.Context, source string, live onAir) giftAnswer {
	call, unwell := c.guestCaller(live.liveID, giftsWithin)
	if unwell != nil {
		return giftAnswer{state: StateRateLimited, reason: unwell.Reason, retryAfter: unwell.RetryAfter}
	}
	call = call.asGuest()
	got, err := call.call(ctx, c.giftAsk(source, live))
	if err != nil {
		refused, retryAfter := unanswered(err)
		answer := giftAnswer{state: refused.State, reason: refused.Reason, retryAfter: retryAfter}
		if errors.Is(err, errRests) {
			answer.state = StateRateLimited
		}
		call.judged(answer.state)
		return answer
	}
	var answer giftAnswer
	answer.gifts, answer.state, answer.reason = readGifts(source, got.body)
	call.judged(answer.state)
	return answer
}

func (c *Client) giftAsk(source string, live onAir) ask {
	switch source {
	case giftAllList:
		return ask{base: c.gifts, path: "/rest/wd/live/gift/all", accept: acceptJSON, body: struct{}{}}
	case giftRoomList:
		return ask{path: "/live_api/emoji/gift-list", query: url.Values{"liveStreamId": {live.broadcast}}, accept: acceptJSON}
	}
	return ask{path: "/live_api/emoji/allgifts", accept: acceptJSON}
}

// priceReading is a list of prices to believe, or why there is none.
type priceReading struct {
	source     string // empty: none
	gifts      []gift
	reasons    []string
	retryAfter time.Duration
	slowed     bool // nothing more is to be asked now
}

// readPrices asks for the list of all gifts and, when that cannot be had, for
// that of a broadcast that is being heard.
func (k *catalogue) readPrices(ctx context.Context, due giftsDue, known map[uint32]gift) (r priceReading, err error) {
	for _, source := range []string{giftAllList, giftRoomList} {
		var live onAir
		if source == giftRoomList {
			if live, err = k.lives.onAir(ctx); err != nil {
				return r, err
			}
			if live.broadcast == "" {
				r.reasons = append(r.reasons, source+": not asked, since no room is being heard")
				break
			}
		}
		answer := k.client.giftList(ctx, source, live)
		reason := answer.reason
		if answer.state == StateLive {
			reason = due.doubt(source, answer.gifts, known)
		}
		if reason == "" {
			r.source, r.gifts = source, answer.gifts
			break
		}
		r.reasons = append(r.reasons, source+": "+reason)
		r.retryAfter = max(r.retryAfter, answer.retryAfter)
		if r.slowed = answer.state == StateRateLimited; r.slowed {
			break
		}
	}
	return r, nil
}
