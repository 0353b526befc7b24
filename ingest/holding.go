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
	live := h.live
	logger := i.o.Logger.With("live", live.Text)
	current := i.metrics.rooms.WithLabelValues(string(StateQueued))
	current.Inc()
	unheard := false
	report := func(r Report) {
		if now := r.LiveStreamID != "" && r.State != StateLive && r.State != StateRecall; now != unheard {
			unheard = now
			i.metrics.countUnheard(now)
		}
		current.Dec()
		current = i.metrics.rooms.WithLabelValues(string(r.State))
		current.Inc()
		h.state.Store(&r.State)
		i.changes.add(StateChange{ID: live.ID, Epoch: live.Epoch, Report: r})
		if r.State == StateLive && !h.entered.Swap(true) && h.successor {
			i.wakeUp() // to take over
		}
		logger.Debug("room", "state", r.State, "reason", r.Reason, "code", r.Code)
	}
	last := live.Habits.planned(i.hear(ctx, live, report, logger), time.Now(), i.o.Client.retry)
	if unheard {
		i.metrics.countUnheard(false)
	}
	current.Dec()
	if last.State == StateStopped {
		last.Reason = context.Cause(ctx).Error()
	}
	level := slog.LevelInfo
	if last.State == StateStopped {
		level = slog.LevelDebug // because of us; thousands at once when the worker stops
	}
	logger.Log(ctx, level, "room left", "state", last.State, "reason", last.Reason, "code", last.Code, "again_in", last.RetryAfter)
	i.changes.drop(live.ID)
	// The row is given back also when the room was told to stop.
	releasing, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := i.o.Lives.Release(releasing, live.ID, live.Epoch, last); err != nil {
		logger.Warn("the row could not be given back; that is done when the lease is renewed", "err", err)
	}
}

// hear runs the room of a row.
func (i *Ingester) hear(ctx context.Context, live Live, report func(Report), logger *slog.Logger) Report {
	liveID, err := i.o.Client.ParseLiveID(live.Text)
	if errors.Is(err, ErrShortLink) {
		report(Report{State: StateResolving, Reason: "asking what the short link stands for"})
		if liveID, err = i.o.Client.LiveIDOf(ctx, live.Text); err != nil {
			return i.o.Client.unresolved(ctx, err)
		}
		said := report
		report = func(r Report) {
			r.Reason = strings.TrimPrefix(fmt.Sprintf("%s; the short link of %s", r.Reason, liveID), "; ")
			said(r)
		}
	}
	if err != nil {
		return Report{State: StateInvalid, Reason: err.Error(), RetryAfter: i.o.Client.retry.After(StateInvalid)}
	}
	defer i.o.Client.accounts.hold(liveID)()
	heard := room{
		liveID: liveID, epoch: live.Epoch, endpoint: live.Endpoint,
		within:   live.within(time.Now(), i.o.Client.retry[StateOffline]),
		resolver: i.o.Client, frames: lookedAt{i.frames, &i.activities, &i.taps}, connector: i.sockets, retry: i.o.Client.retry,
		report: report, coverage: i.coverage, metrics: i.metrics, logger: logger,
	}
	return heard.run(ctx)
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
