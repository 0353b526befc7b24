package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// releaseTimeout bounds giving back one room, also while the worker stops.
const releaseTimeout = 10 * time.Second

// holding is one slot that this worker holds, or is about to take over, and the
// goroutine that holds its room.
type holding struct {
	live      Live
	successor bool                    // began as the successor of the slot's owner
	stop      context.CancelCauseFunc // safe for any goroutine; the first cause counts
	expiry    *time.Timer             // stops the room when the lease is no longer trusted
	state     atomic.Pointer[State]   // as the room told it last; nil before that
	entered   atomic.Bool             // it was live once

	// Owned by the goroutine of Ingester.Run.
	taken   bool // the successor has become the owner
	offered bool // other workers may become the successor
	leaving bool // the room was told to stop
}

// trust moves the moment until which the lease is trusted.
func (h *holding) trust(until time.Time) { h.expiry.Reset(time.Until(until)) }

// leave tells the room to stop.
func (h *holding) leave(cause error) {
	h.leaving = true
	h.stop(cause)
}

// lose tells the room to stop because the slot is not this worker's any more.
func (h *holding) lose() {
	if h.offered {
		h.leave(errHandedOver)
	} else {
		h.leave(errLeaseLost)
	}
}

// owned says whether the slot is this worker's.
func (h *holding) owned() bool { return h.taken || !h.successor }

// heard says whether the room is on air and heard now.
func (h *holding) heard() bool {
	state := h.state.Load()
	return state != nil && *state == StateLive
}

// unknown says whether the room is still being looked up for the first time.
func (h *holding) unknown() bool {
	state := h.state.Load()
	return state == nil || *state == StateResolving && !h.entered.Load()
}

// open starts the room of a slot.
func (i *Ingester) open(h *holding, trustedUntil time.Time) {
	ctx, stop := context.WithCancelCause(context.Background())
	h.stop = stop
	h.expiry = time.AfterFunc(time.Until(trustedUntil), func() { stop(errLeaseLost) })
	i.holdings[h.live.ID] = h
	go func() { // leave waits for it, by ended
		defer func() { i.ended <- h }()
		defer h.expiry.Stop()
		defer stop(nil)
		i.hold(ctx, h)
	}()
}

// hold runs the room until it is over and gives the row back.
func (i *Ingester) hold(ctx context.Context, h *holding) {
	t := i.teller(h)
	i.giveBack(ctx, t, i.hear(ctx, t))
}

// hear runs the room of a row.
func (i *Ingester) hear(ctx context.Context, t *teller) (last *Report) {
	heard, last := i.roomOf(ctx, t)
	if last != nil {
		return last
	}
	defer i.o.Client.accounts.hold(heard.liveID)()
	return heard.run(ctx)
}

// roomOf is the room of a row, or the last report when there is none.
func (i *Ingester) roomOf(ctx context.Context, t *teller) (*room, *Report) {
	live, report := t.live, t.tell
	liveID, err := i.o.Client.ParseLiveID(live.Text)
	if errors.Is(err, ErrShortLink) {
		report(Report{State: StateResolving, Reason: "asking what the short link stands for"})
		if liveID, err = i.o.Client.LiveIDOf(ctx, live.Text); err != nil {
			last := i.o.Client.unresolved(ctx, err)
			return nil, &last
		}
		report = func(r Report) {
			r.Reason = strings.TrimPrefix(fmt.Sprintf("%s; the short link of %s", r.Reason, liveID), "; ")
			t.tell(r)
		}
	}
	if err != nil {
		return nil, &Report{State: StateInvalid, Reason: err.Error(), RetryAfter: i.o.Client.retry.After(StateInvalid)}
	}
	return &room{
		liveID: liveID, epoch: live.Epoch, endpoint: live.Endpoint,
		within:   live.within(time.Now(), i.o.Client.retry[StateOffline]),
		resolver: i.o.Client, frames: i.looked, connector: i.sockets, retry: i.o.Client.retry,
		report: report, coverage: i.coverage, metrics: i.metrics, logger: t.logger,
	}, nil
}

// giveBack gives the row of a room that is over back, also when it was told to stop.
func (i *Ingester) giveBack(ctx context.Context, t *teller, heard *Report) {
	t.over()
	last := t.live.Habits.planned(*heard, time.Now(), i.o.Client.retry)
	level := slog.LevelInfo
	if last.State == StateStopped {
		last.Reason = context.Cause(ctx).Error()
		level = slog.LevelDebug // because of us; thousands at once when the worker stops
	}
	t.logger.Log(ctx, level, "room left", "state", last.State, "reason", last.Reason, "code", last.Code, "again_in", last.RetryAfter)
	releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := i.o.Lives.Release(releasing, t.live.ID, t.live.Epoch, last); err != nil {
		t.logger.Warn("the row could not be given back; that is done when the lease is renewed", "err", err)
	}
}

// teller tells what is so of a room: the metrics, the row's pending change and
// the log. Its methods belong to the goroutine that holds the room.
type teller struct {
	*holding
	ingester *Ingester
	logger   *slog.Logger
	current  prometheus.Gauge // that counts the room now
	unheard  bool             // it is on air, as far as is known, and not heard
}

func (i *Ingester) teller(h *holding) *teller {
	t := &teller{holding: h, ingester: i, logger: i.o.Logger.With("live", h.live.Text)}
	t.count(StateQueued)
	return t
}

func (t *teller) count(state State) {
	t.current = t.ingester.metrics.rooms.WithLabelValues(string(state))
	t.current.Inc()
}

func (t *teller) tell(r Report) {
	if now := r.LiveStreamID != "" && r.State != StateLive && r.State != StateRecall; now != t.unheard {
		t.unheard = now
		t.ingester.metrics.countUnheard(now)
	}
	t.current.Dec()
	t.count(r.State)
	t.state.Store(&r.State)
	t.ingester.changes.add(StateChange{ID: t.live.ID, Epoch: t.live.Epoch, Report: r})
	if r.State == StateLive && !t.entered.Swap(true) && t.successor {
		t.ingester.wakeUp() // to take over
	}
	t.logger.Debug("room", "state", r.State, "reason", r.Reason, "code", r.Code)
}

// over has seen the last of the room.
func (t *teller) over() {
	if t.unheard {
		t.ingester.metrics.countUnheard(false)
	}
	t.current.Dec()
	t.ingester.changes.drop(t.live.ID)
}

// pendingChanges holds the newest state of each room until it is told.
type pendingChanges struct {
	mu    sync.Mutex
	byRow map[int64]StateChange // guarded by mu
}

func (p *pendingChanges) add(change StateChange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byRow == nil {
		p.byRow = make(map[int64]StateChange)
	}
	p.byRow[change.ID] = change
}

// drop forgets a change that a final one follows.
func (p *pendingChanges) drop(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.byRow, id)
}

// take takes out the changes but those of rows that are to be kept back.
func (p *pendingChanges) take(keep func(id int64) bool) []StateChange {
	p.mu.Lock()
	defer p.mu.Unlock()
	changes := make([]StateChange, 0, len(p.byRow))
	for id, change := range p.byRow {
		if !keep(id) {
			changes = append(changes, change)
			delete(p.byRow, id)
		}
	}
	return changes
}

// restore puts back changes that could not be told, unless there are newer ones.
func (p *pendingChanges) restore(changes []StateChange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, change := range changes {
		if _, newer := p.byRow[change.ID]; !newer {
			p.byRow[change.ID] = change
		}
	}
}

// tellStates writes the rooms' new states to live_state. What a successor knows
// is told when it is the owner, and what could not be told now, as the row was
// locked, with the next poll.
func (i *Ingester) tellStates(ctx context.Context) error {
	changes := i.changes.take(func(id int64) bool {
		h := i.holdings[id]
		return h != nil && !h.owned()
	})
	if len(changes) == 0 {
		return nil
	}
	unwritten, err := i.o.Lives.Report(ctx, changes)
	i.changes.restore(slices.DeleteFunc(unwritten, func(c StateChange) bool {
		h := i.holdings[c.ID]
		return h == nil || h.live.Epoch != c.Epoch
	}))
	return err
}
