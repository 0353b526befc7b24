package ingest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	kuaishou "kslive/proto"
)

// commented is an answer of the recall call with comments.
func commented(t *testing.T, texts ...string) History {
	history := History{State: StateLive, Cursors: map[string]int64{"1": int64(len(texts))}}
	for _, text := range texts {
		history.Envelopes = append(history.Envelopes,
			serverMessage(t, kuaishou.PayloadType_SC_WEB_COMMENT_FEED, &kuaishou.WebCommentFeed{Id: text, Content: text}))
	}
	return history
}

var onlyRecall = Resolution{
	State: StateRecall, Via: ViaRecall, Endpoint: Endpoint{LiveStreamID: "o7JXLjlM8Rt"}, Reason: "comments only, by polling; page says login_required",
}

// recalledTexts are the comments that were kept from recalls, in their order.
func (r *recorder) recalledTexts(t *testing.T) []string {
	var texts []string
	for _, frame := range r.frames {
		if frame.Source == kuaishou.Frame_SOURCE_RECALL {
			batch := decoded(frame)
			for _, comment := range batch.Comments {
				if comment.Source != "recall" || frame.LiveStreamId != "o7JXLjlM8Rt" || frame.SessionId == 0 || frame.FrameNumber == 0 {
					t.Errorf("source %q of frame %v", comment.Source, frame)
				}
				texts = append(texts, comment.Content)
			}
		}
	}
	return texts
}

func TestRoomRecalls(t *testing.T) {
	over := History{State: StateOffline, Code: 671, Reason: "主播尚未开播"}
	r := &recorder{answers: []Resolution{onlyRecall}, recalls: []History{commented(t, "a", "b"), commented(t, "b", "c"), {State: StateUnreachable}, over}}
	last := r.run(t, quick(), nil)
	if last.State != StateEnded || last.Code != 671 || last.Via != ViaRecall || last.RetryAfter <= 0 {
		t.Errorf("ended with %+v", last)
	}
	if diff := cmp.Diff([]State{StateResolving, StateConnecting, StateRecall}, r.states()); diff != "" {
		t.Errorf("states (-want +got)\n%s", diff)
	}
	if reason := r.reports[2].Reason; !strings.HasPrefix(reason, "comments only, by polling; page says login_required; since 2") {
		t.Errorf("reason %q", reason)
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, r.recalledTexts(t)); diff != "" {
		t.Errorf("comments (-want +got)\n%s", diff)
	}
}

func TestRoomRecallEnds(t *testing.T) {
	for name, test := range map[string]struct {
		recalls []History
		want    State
	}{
		"refused":              {[]History{commented(t, "a"), {State: StateRateLimited, Code: 2, Reason: "请求过快", RetryAfter: 2 * time.Hour}}, StateRateLimited},
		"refused at once":      {[]History{{State: StateCaptcha, Code: 400002, Reason: "滑块", RetryAfter: 2 * time.Hour}}, StateCaptcha},
		"unreachable for long": {[]History{{State: StateUnreachable, Reason: "EOF", RetryAfter: time.Millisecond}}, StateUnreachable},
	} {
		r := &recorder{answers: []Resolution{onlyRecall}, recalls: test.recalls}
		last := r.run(t, quick(), nil)
		if last.State != test.want || last.RetryAfter <= 0 || test.want != StateUnreachable && last.RetryAfter != 2*time.Hour {
			t.Errorf("%s: ended with %+v", name, last)
		}
		if test.want == StateUnreachable && r.recalled != recallTries {
			t.Errorf("%s: %d polls, want %d", name, r.recalled, recallTries)
		}
	}
}

func TestRoomRecallIsFollowedByASocket(t *testing.T) {
	caughtUp := make(chan struct{})
	s := serve(t, func(p *peer) {
		p.entered()
		p.ack(time.Minute)
		<-caughtUp
		p.fail(601, "")
		p.closing()
	})
	limits := quick()
	limits.betterFrom = time.Millisecond
	r := &recorder{
		answers: []Resolution{onlyRecall, onlyRecall, {State: StateRateLimited}, {State: StateLive, Via: ViaPage, Endpoint: s.endpoint("/")}},
		recalls: []History{commented(t, "a")},
	}
	heard := newRoom(r, limits, nil)
	heard.frames = signalled{r, "at the seam", caughtUp}
	polled := 0
	heard.report = func(report Report) {
		r.report(report)
		if report.State == StateLive {
			r.mu.Lock()
			defer r.mu.Unlock()
			polled, r.recalls = r.recalled, []History{commented(t, "a", "at the seam")}
		}
	}
	last := *heard.run(t.Context())
	r.check(t, last)
	if last.State != StateEnded || last.Via != ViaPage {
		t.Errorf("ended with %+v", last)
	}
	if diff := cmp.Diff([]string{"a", "at the seam"}, r.recalledTexts(t)); diff != "" || r.recalled != polled+1 {
		t.Errorf("%d polls at the seam; comments (-want +got)\n%s", r.recalled-polled, diff)
	}
}

// When the operator has changed an account, a room that recalls is looked up at
// once, and not when it would have been.
func TestRoomRecallEndsWithAnotherAccount(t *testing.T) {
	s := serve(t, ended)
	r := &recorder{
		answers: []Resolution{onlyRecall, {State: StateLive, Via: ViaPage, Endpoint: s.endpoint("/")}},
		recalls: []History{commented(t, "a")}, changed: make(chan struct{}),
	}
	heard := newRoom(r, quick(), nil) // which looks again after an hour
	heard.report = func(report Report) {
		r.report(report)
		if report.State == StateRecall {
			close(r.changed)
		}
	}
	last := *heard.run(t.Context())
	r.check(t, last)
	if last.State != StateEnded || last.Via != ViaPage || r.lookUps != 2 {
		t.Errorf("ended with %+v after %d look-ups", last, r.lookUps)
	}
}

// signalled closes seen when a frame with text has been kept.
type signalled struct {
	frameAppender
	text string
	seen chan struct{}
}

func (s signalled) Append(frame *kuaishou.Frame) error {
	err := s.frameAppender.Append(frame)
	if strings.Contains(string(frame.Data), s.text) {
		close(s.seen)
	}
	return err
}

func TestRoomRecallFindsTheEnd(t *testing.T) {
	limits := quick()
	limits.over = time.Millisecond
	r := &recorder{answers: []Resolution{onlyRecall, {State: StateOffline, Code: 671}}, recalls: []History{commented(t, "a")}, over: true}
	if last := r.run(t, limits, nil); last.State != StateEnded && last.State != StateOffline {
		t.Errorf("ended with %+v", last)
	}
}

// counters is a push with nothing but counters.
func counters(t *testing.T) []byte {
	return serverMessage(t, kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{DisplayWatchingCount: "1.2万", DisplayLikeCount: "5", PushInterval: 2000, CommentCursor: "x"})
}

func TestRoomWithCountersOnlyIsLookedUpOnce(t *testing.T) {
	mute := func(p *peer, n int) {
		p.entered()
		p.ack(time.Minute)
		for range n {
			p.send(counters(t))
		}
	}
	s := serve(t, func(p *peer) { mute(p, muteCounters); p.drain() }, func(p *peer) {
		mute(p, 2*muteCounters)
		p.send(serverMessage(t, kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{CommentFeeds: []*kuaishou.WebCommentFeed{{Content: "x"}}}))
		p.fail(601, "")
		p.closing()
	})
	limits := quick()
	limits.mute = time.Nanosecond
	endpoint := s.endpoint("/")
	r := &recorder{answers: []Resolution{{State: StateLive, Via: ViaPage, Endpoint: endpoint}}}
	if last := r.run(t, limits, &endpoint); last.State != StateEnded || r.lookUps != 1 || !slices.Equal(r.causes, []string{causeMute}) {
		t.Errorf("ended with %+v after %d look-ups and %v", last, r.lookUps, r.causes)
	}
	said := func(word string) bool {
		return slices.ContainsFunc(r.reports, func(report Report) bool {
			return report.State == StateLive && strings.Contains(report.Reason, word)
		})
	}
	if now := r.reports[len(r.reports)-1]; !said("only counters came") || now.State != StateLive || now.Reason != "" {
		t.Errorf("it is not said for as long as it is so, and no longer: %+v", r.reports)
	}
}

func TestQuiet(t *testing.T) {
	push := func(message *kuaishou.SCWebFeedPush) []byte {
		message.DisplayWatchingCount = "500"
		return serverMessage(t, kuaishou.PayloadType_SC_FEED_PUSH, message)
	}
	long := time.Now().Add(-time.Hour)
	for name, test := range map[string]struct {
		last []byte
		want bool
	}{
		"counters":  {push(&kuaishou.SCWebFeedPush{GiftCursor: "x"}), true},
		"a comment": {push(&kuaishou.SCWebFeedPush{CommentFeeds: []*kuaishou.WebCommentFeed{{Content: "x"}}}), false},
		"a like":    {push(&kuaishou.SCWebFeedPush{LikeFeeds: []*kuaishou.WebLikeFeed{{}}}), false},
		"few watch": {serverMessage(t, kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{DisplayWatchingCount: "12"}), false},
		"a signal":  {serverMessage(t, kuaishou.PayloadType_SC_ACTION_SIGNAL, &kuaishou.SCActionSignal{}), false},
		"an answer": {serverMessage(t, kuaishou.PayloadType_SC_HEARTBEAT_ACK, &kuaishou.SCWebHeartbeatAck{}), true},
	} {
		var q quiet
		for range muteCounters {
			q.note(kuaishou.PayloadType_SC_FEED_PUSH, push(&kuaishou.SCWebFeedPush{}))
		}
		kind, _ := payloadType(test.last)
		q.note(kind, test.last)
		if got := q.suspect(long, time.Minute); got != test.want || q.suspect(time.Now(), time.Minute) {
			t.Errorf("%s: suspect %v, want %v", name, got, test.want)
		}
	}
}
