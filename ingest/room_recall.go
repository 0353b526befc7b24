package ingest

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	kuaishou "kslive/proto"
)

const (
	// recallWithin is how soon a poll is wanted: rooms that are heard by a socket,
	// or may be, come first.
	recallWithin = 30 * time.Second
	// recallTries is how many polls in a row may bring no answer.
	recallTries = 5
	// recallKnown is how many comments are remembered, so that those that are sent
	// again are not kept again. It would do no harm: a comment is one event.
	recallKnown = 1000
)

// causeRecalled ends a session of recalled comments when a socket takes over.
const causeRecalled = "recalled"

var errTakenOver = errors.New("a way in was found, and a socket takes over")

// recalledHistory is what is known of the comments of a broadcast that were
// recalled. A room that gets a socket and loses it goes on where it was.
type recalledHistory struct {
	broadcast string

	mu      sync.Mutex // covers all below, and is held while a poll's frames are kept
	cursors map[string]int64
	known   map[uint64]bool
	record  *kuaishou.Frame // of the session that recalls
	written time.Time       // when that was last
}

// recall polls the comments of the room until a way in is found, the live has
// ended, or comments cannot be recalled any more; it returns true in all cases
// but the first. What was found is then what the room enters by.
func (r *room) recall(ctx context.Context) (Report, bool) {
	r.beginRecall()
	better := r.seekBetter(ctx)
	defer better.stop()
	poll := time.NewTimer(0)
	defer poll.Stop()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return r.endRecall(ctx, ending{cause: causeLeft}, r.last(StateStopped, 0, StateStopped.Sentence())), true
		case found := <-better.found:
			last, over := r.learn(ctx, time.Now(), found)
			if over {
				return r.endRecall(ctx, ending{cause: causeRefused, err: errors.New(last.Reason), code: last.Code}, last), true
			}
			r.seam = true
			return r.endRecall(ctx, ending{cause: causeRecalled, err: errTakenOver}, last), false
		case <-poll.C:
			asked := time.Now()
			answer, err := r.recallOnce(ctx)
			if ctx.Err() != nil {
				continue
			}
			if last, over := r.judgeRecall(answer, err, &failures); over {
				return r.endRecall(ctx, ending{cause: causeRefused, err: errors.New(last.Reason), code: last.Code}, last), true
			}
			// Half of the time is left to others that wait for their turns.
			poll.Reset(max(r.connector.timing.recall, 2*time.Since(asked), answer.RetryAfter))
		}
	}
}

// beginRecall begins a session of recalled comments.
func (r *room) beginRecall() {
	if r.history == nil || r.history.broadcast != r.at.LiveStreamID {
		r.history = &recalledHistory{broadcast: r.at.LiveStreamID, known: make(map[uint64]bool)}
	}
	h := r.history
	h.mu.Lock()
	defer h.mu.Unlock()
	h.record = r.attempt(time.Now())
	h.record.Coverage.State, h.record.Coverage.Reason = string(StateRecall), r.trouble
	r.tell(StateConnecting, 0, r.trouble)
}

// judgeRecall says what the answer to a poll means. It returns true with the
// room's last report when comments cannot be recalled any more. failures counts
// the polls in a row that brought no answer; err is that of keeping frames.
func (r *room) judgeRecall(answer History, err error, failures *int) (Report, bool) {
	if err != nil {
		return r.last(StateFailed, 0, StateFailed.Sentence()+": "+err.Error()), true
	}
	switch answer.State {
	case StateLive:
		*failures = 0
		r.account = answer.Account
		return Report{}, false
	case StateUnreachable:
		if *failures++; *failures < recallTries {
			return Report{}, false
		}
	case StateOffline, StateEnded:
		return r.last(StateEnded, answer.Code, answer.Reason), true
	}
	last := r.last(answer.State, answer.Code, answer.Reason)
	last.RetryAfter = max(last.RetryAfter, answer.RetryAfter)
	return last, true
}

// recallOnce polls and keeps the comments that are new. The error is that of
// keeping them.
func (r *room) recallOnce(ctx context.Context) (History, error) {
	h := r.history
	h.mu.Lock()
	defer h.mu.Unlock()
	answer, err := r.resolver.Recall(ctx, r.liveID, h.broadcast, maps.Clone(h.cursors), recallWithin)
	if err != nil || answer.State != StateLive {
		return answer, nil
	}
	for _, envelope := range answer.Envelopes {
		if err := r.keepRecalled(h, envelope); err != nil {
			return answer, err
		}
	}
	h.cursors = answer.Cursors
	now, c := time.Now(), h.record.Coverage
	c.LastFrameAt = now.UnixMilli()
	switch {
	case c.ConnectedAt == 0:
		c.ConnectedAt = now.UnixMilli()
		r.heard = true
		r.tell(StateRecall, 0, r.trouble+"; since "+now.UTC().Format("2006-01-02 15:04:05 UTC"))
	case now.Sub(h.written) < checkpointEvery && c.EndedAt == 0:
		return answer, nil
	}
	h.written = now
	r.coverage.record(h.record)
	return answer, nil
}

// keepRecalled keeps a comment unless it was kept before. The caller holds h.mu.
func (r *room) keepRecalled(h *recalledHistory, envelope []byte) error {
	key := xxhash.Sum64(envelope)
	if h.known[key] {
		return nil
	}
	c := h.record.Coverage
	err := r.frames.Append(&kuaishou.Frame{
		LiveId: r.liveID, LiveStreamId: h.broadcast, ReceivedAt: time.Now().UnixMilli(), Data: envelope,
		Source: kuaishou.Frame_SOURCE_RECALL, SessionId: h.record.SessionId, Epoch: r.epoch, FrameNumber: uint32(c.Frames) + 1,
	})
	if err != nil {
		return err
	}
	t, _ := payloadType(envelope)
	r.metrics.frame(t, len(envelope))
	c.Frames++
	c.Bytes += uint64(len(envelope))
	if len(h.known) >= recallKnown {
		clear(h.known)
	}
	h.known[key] = true
	return nil
}

// endRecall writes the end of the session. It answers last.
func (r *room) endRecall(ctx context.Context, end ending, last Report) Report {
	r.history.mu.Lock()
	defer r.history.mu.Unlock()
	r.ended(ctx, r.history.record, end, last)
	return last
}

// catchUp recalls once more when a socket has taken over, for what was said
// between the last poll and the first push.
func (r *room) catchUp(ctx context.Context) {
	if !r.seam || r.history.broadcast != r.at.LiveStreamID {
		return
	}
	r.seam = false
	r.seams.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, recallWithin)
		defer cancel()
		if _, err := r.recallOnce(ctx); err != nil {
			r.logger.Warn("the comments at the seam could not be kept", "live_id", r.liveID, "err", err)
		}
	})
}

// oneByOne has frames kept one at a time where that is not so by itself: those
// of a socket and those recalled come at the same time.
type oneByOne struct {
	mu     sync.Mutex
	frames frameAppender
}

func (o *oneByOne) Append(frame *kuaishou.Frame) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.frames.Append(frame)
}
