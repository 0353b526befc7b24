package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The ways to learn how a room is entered, as they are named in --resolvers and
// in live_state.via.
const (
	ViaEndpoint = "endpoint"   // given with the lives row, or by the operator's program
	ViaPage     = "page"       // the room's page and, where that names no socket, websocketinfo
	ViaDetail   = "livedetail" // the same as JSON
	ViaByUser   = "byuser"     // the call of the mobile share page
	ViaRecall   = "recall"     // no socket: the history of comments, polled
)

// DefaultResolvers is the order in which they are asked.
//
// What the operator gives comes first, since it costs no call. The page is what
// a browser asks first: it sets the cookies that the other calls want, and it
// alone tells all refusals apart. That leaves it one call dearer than livedetail
// for rooms that are live, but most looks are at rooms that are not, and a room
// off air costs one call either way. livedetail is for when the page cannot be
// read or names no socket. byuser is reported by few, and asks as a guest from
// the mobile page. recall comes last: it brings comments only.
func DefaultResolvers() []string {
	return []string{ViaEndpoint, ViaPage, ViaDetail, ViaByUser, ViaRecall}
}

// checkResolvers says what is wrong with a list of resolvers.
func checkResolvers(names []string) error {
	known := DefaultResolvers()
	for i, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no resolver %q; want some of %s", quotable(name), strings.Join(known, ","))
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("the resolver %q is named twice", name)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("no resolvers are named; want some of %s", strings.Join(known, ","))
	}
	if i := slices.Index(names, ViaEndpoint); i > 0 && i < len(names)-1 {
		return errors.New("the resolver endpoint comes either first or last")
	}
	if i := slices.Index(names, ViaRecall); i >= 0 && slices.ContainsFunc(names[i:], func(name string) bool { return name != ViaRecall && name != ViaEndpoint }) {
		return errors.New("the resolver recall comes after those that bring a socket")
	}
	return nil
}

// room looks one room up with the resolvers in their order, until one of them
// knows how it stands with the room. The duration is what Kuaishou asked to
// wait, or 0.
//
// A refusal about us lets the next resolver try, where that is no use of what
// was just told to slow down: after 请求过快 nothing more is asked from this
// address; an account that was asked for a captcha or a login asks its host no
// more, and a host that did not answer is left alone, but the mobile page,
// which asks as a guest of another host, may still know. A verdict about the
// room ends the chain.
func (c caller) room(ctx context.Context, liveID string) (Resolution, time.Duration) {
	var said refusals
	for _, name := range c.client.resolvers {
		asking := c
		if name == ViaByUser {
			asking = c.asGuest()
		}
		if name == ViaEndpoint || c.guest && name != ViaByUser || !said.leave(name) || !asking.may() {
			continue
		}
		found, retryAfter := asking.by(ctx, name, liveID, said.broadcast)
		if ctx.Err() != nil || asking.attempt.rests {
			break
		}
		found.Via = name
		if found.State == StateNotFound && said.broadcast != "" {
			found.State = StateUnreachable // of an author who was just seen
		}
		asking.attempt.weak = found.weak
		asking.judged(found.State)
		if found.State == StateRecall {
			found.Reason = fmt.Sprintf("%s; %s", StateRecall.Sentence(), said.reason(-1))
		}
		if !found.State.aboutUs() {
			return said.with(found), retryAfter
		}
		said.add(found, retryAfter)
	}
	return said.best()
}

// by asks one resolver. broadcast is the live's broadcast if one before has
// named it.
func (c caller) by(ctx context.Context, name, liveID, broadcast string) (Resolution, time.Duration) {
	switch name {
	case ViaPage:
		return c.page(ctx, liveID)
	case ViaDetail:
		return c.detail(ctx, liveID)
	case ViaByUser:
		return c.byUser(ctx, liveID)
	}
	c.attempt.known = true // nobody is asked before the first poll
	return Resolution{State: StateRecall, Endpoint: Endpoint{LiveStreamID: broadcast}}, 0
}

// aboutUs says whether s is a refusal of who asks, or no answer: it says nothing
// of the room.
func (s State) aboutUs() bool { return s.aboutAccount() || s == StateUnreachable }

// refusals are what the resolvers of one look-up said so far.
type refusals struct {
	list      []Resolution // in the order of asking
	wait      time.Duration
	broadcast string // named by one that knew no socket
	author    string
	title     string
}

func (r *refusals) add(found Resolution, retryAfter time.Duration) {
	r.list = append(r.list, found)
	r.wait = max(r.wait, retryAfter)
	if found.broadcast != "" {
		r.broadcast = found.broadcast
	}
	if found.Author != "" {
		r.author, r.title = found.Author, found.Title
	}
}

// leave says whether there is any use in asking the resolver after what was
// said.
func (r *refusals) leave(name string) bool {
	for _, said := range r.list {
		switch {
		case said.State == StateRateLimited:
			return false
		case name == ViaDetail && (said.down || said.State == StateCaptcha):
			return false
		case name == ViaRecall && said.down:
			return false
		}
	}
	return name != ViaRecall || r.broadcast != ""
}

// with adds what was learnt before to an answer.
func (r *refusals) with(found Resolution) Resolution {
	if found.Author == "" {
		found.Author, found.Title = r.author, r.title
	}
	return found
}

// best is the refusal to report: the first one about which somebody can do
// something, since the resolvers that know most come first; else that of the
// first, such as that it could not be reached. The reason also names, in few
// words, what the others said.
func (r *refusals) best() (Resolution, time.Duration) {
	if len(r.list) == 0 {
		return Resolution{State: StateUnreachable, Reason: "none of the resolvers could be asked"}, 0
	}
	i := max(0, slices.IndexFunc(r.list, func(said Resolution) bool { return said.State.aboutAccount() }))
	best := r.list[i]
	if others := r.reason(i); others != "" {
		best.Reason += "; " + others
	}
	best.Author, best.Title = r.author, r.title
	return best, r.wait
}

// reason says in few words what each but one said.
func (r *refusals) reason(but int) string {
	var words []string
	for i, said := range r.list {
		if i != but {
			words = append(words, said.inShort())
		}
	}
	return strings.Join(words, ", ")
}

// inShort is a refusal in a few words.
func (r Resolution) inShort() string {
	if r.Code != 0 {
		return fmt.Sprintf("%s says %s (code %d)", r.Via, r.State, r.Code)
	}
	return fmt.Sprintf("%s says %s", r.Via, r.State)
}
