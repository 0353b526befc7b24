package ingest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"time"

	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// History is a part of a broadcast's comments as the recall call answers it.
type History struct {
	// State is StateLive when it was answered, else what is in the way.
	State  State
	Code   int
	Reason string
	// RetryAfter is when to ask again at the soonest; 0 when it was answered.
	RetryAfter time.Duration
	// Envelopes are the comments, each in an envelope of ours, as they are kept in
	// frames.
	Envelopes [][]byte
	// Cursors are to be asked with the next time.
	Cursors map[string]int64
	Account string
}

// recallKinds are the payload types that stand for the kinds of comments in the
// history; no server sends them.
var recallKinds = []struct {
	key  string
	kind kuaishou.PayloadType
}{
	{"1", kuaishou.PayloadType_SC_WEB_COMMENT_FEED},
	{"2", kuaishou.PayloadType_SC_WEB_COMMENT_RICH_TEXT_MESSAGE},
}

// Recall asks for the comments of a broadcast that are newer than cursors, which
// are those of the last answer, or nil. It is a call like others and waits for
// its turn; within is as in Resolve. The only error is that of ctx.
func (c *Client) Recall(ctx context.Context, liveID, broadcast string, cursors map[string]int64, within time.Duration) (History, error) {
	call, unwell := c.guestCaller(liveID, within)
	if unwell != nil {
		return History{State: unwell.State, Reason: unwell.Reason, RetryAfter: unwell.RetryAfter}, nil
	}
	asked := map[string]int64{"1": 0, "2": 0}
	maps.Copy(asked, cursors)
	got, err := call.call(ctx, ask{
		path: "/live_api/liveroom/recall", accept: acceptJSON,
		body: map[string]any{"liveStreamId": broadcast, "feedTypeCursorMap": asked},
	})
	if ctx.Err() != nil {
		return History{}, fmt.Errorf("recalling comments of %s: %w", liveID, ctx.Err())
	}
	if errors.Is(err, errRests) && c.accounts.replaced(call.account) {
		return c.Recall(ctx, liveID, broadcast, cursors, within) // by what is there instead
	}
	answer := History{Account: call.name()}
	if err != nil {
		refused, retryAfter := unanswered(err)
		if errors.Is(err, errRests) {
			refused.State = StateRateLimited
		}
		answer.State, answer.Reason = refused.State, refused.Reason
		answer.RetryAfter = max(c.retry.After(answer.State), retryAfter)
	} else {
		answer.read(got.body, asked)
		if answer.State != StateLive {
			answer.RetryAfter = c.retry.After(answer.State)
		}
	}
	call.judged(answer.State)
	return answer, nil
}

// guestCaller makes calls that need no login: with an account that can be used
// or, when there is none, as a guest from an address that can be.
func (c *Client) guestCaller(liveID string, within time.Duration) (caller, *Resolution) {
	c.accounts.look()
	call := caller{client: c, deadline: time.Now().Add(within), attempt: new(attempt)}
	if call.account = c.accounts.choose(liveID, nil); call.account != nil {
		return call, nil
	}
	if call.account = c.accounts.atWell(liveID); call.account != nil {
		return call.asGuest(), nil
	}
	refused := c.refused(liveID, Resolution{}, 0)
	return caller{}, &refused
}

// name is the account's; a guest has none.
func (c caller) name() string {
	if c.guest {
		return ""
	}
	return c.account.spec.name
}

// read reads an answer to asked.
func (h *History) read(body []byte, asked map[string]int64) {
	v, err := parseLoose(body)
	if err != nil {
		h.State, h.Reason = StateUnreachable, quotable(fmt.Sprintf("the history of comments cannot be read: %v", err))
		return
	}
	data := v.at("data")
	if code := data.at("result").number(); code != codeOK && (code != 0 || !data.at("backTraceFeedMap").filled()) {
		h.State, h.Code, h.Reason = stateOfCode(code), code, reasonOfCode(code, answerMessage(data))
		return
	}
	h.State, h.Cursors = StateLive, asked
	for _, recalled := range recallKinds {
		if next := data.at("feedTypeCursorMap", recalled.key); next.text() != "" {
			h.Cursors[recalled.key] = int64(next.number())
		}
		for _, feed := range data.at("backTraceFeedMap", recalled.key, "historyFeedList").list() {
			h.Envelopes = append(h.Envelopes, recallEnvelope(recalled.kind, feed))
		}
	}
}

// recallEnvelope puts an envelope of ours around a recalled comment. What is no
// comment in base64 is kept as it is, as JSON where it is no text: it becomes a row
// of undecoded, unless by chance it is a message.
func recallEnvelope(kind kuaishou.PayloadType, feed looseValue) []byte {
	text, _ := feed.any.(string)
	raw, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil:
		raw = []byte(text)
	case len(raw) == 0: // no text, or an empty one
		raw = feed.json()
	}
	// A message of these fields can always be encoded.
	envelope, _ := proto.Marshal(&kuaishou.SocketMessage{PayloadType: kind, Payload: raw})
	return envelope
}

// AccountsChanged is closed when an account is added or changed after the call.
func (c *Client) AccountsChanged() <-chan struct{} { return c.accounts.changed() }

// Over asks whether a broadcast is over, by the light call that is said to be
// for that. What it says is a guess, since few have seen its answer: only a clear yes
// counts, and is to be checked by a look-up.
func (c *Client) Over(ctx context.Context, liveID, broadcast string) bool {
	call, unwell := c.guestCaller(liveID, time.Minute)
	if unwell != nil {
		return false
	}
	got, err := call.getJSON(ctx, "/live_api/liveroom/status", url.Values{"liveStreamId": {broadcast}})
	if err != nil {
		return false
	}
	v, err := parseLoose(got.body)
	if err != nil {
		return false
	}
	data := v.at("data")
	code := data.at("result").number()
	call.judged(stateOfCode(code))
	living, said := data.at("living").any.(bool)
	return code == codeLiveEnded || code == codeNotLive || code == codeOK && said && !living
}
