package ingest

import (
	"context"
	"time"
)

// maxHandovers bounds how many rooms a worker hands over, and takes over, at a
// time: each is a look-up and a second connection.
const maxHandovers = 16

// offerTime is for how long an offer that nobody takes up stands. After that
// other rooms may be offered: those for whom it was may hold the live by now.
const offerTime = 5 * time.Second

// share claims what is due up to the worker's fair share, and gives back what it
// has beyond that, unless something holds the worker back.
func (i *Ingester) share(ctx context.Context) error {
	i.offered = 0
	before := i.paused
	if i.paused = i.heldBack(); i.paused != nil {
		for _, h := range i.holdings {
			h.leave(i.paused)
		}
	}
	if i.paused != before {
		i.renew(ctx) // the others share the rooms without this worker, or with it again
	}
	if i.paused != nil || i.failed != nil {
		return i.paused
	}
	load, err := i.o.Lives.Load(ctx)
	if err == nil && !load.registered(i.o.Lives.worker) {
		i.renew(ctx) // it was taken for dead
		load, err = i.o.Lives.Load(ctx)
	}
	if err == nil {
		err = i.divideExits(ctx, load)
	}
	if err != nil {
		return err
	}
	fair := min(load.share(i.o.Lives.worker), i.o.MaxRooms)
	i.metrics.share.Set(float64(fair))
	if !i.leaving {
		if err := i.take(ctx, load, fair); err != nil {
			return err
		}
	}
	return i.give(ctx, load, fair)
}

// take claims slots that are due, and becomes the successor for others that are
// offered, until the worker has its share.
func (i *Ingester) take(ctx context.Context, load Load, fair int) error {
	if err := i.claim(ctx, fair-len(i.holdings), 0); err != nil {
		return err
	}
	if load.Overdue > 0 {
		// Whoever comes first does not take them all.
		part := (load.Overdue + len(load.Workers) - 1) / max(1, len(load.Workers))
		if err := i.claim(ctx, min(part, i.o.MaxRooms-len(i.holdings)), overdueAfter); err != nil {
			return err
		}
	}
	entering := len(i.epochs(func(h *holding) bool { return !h.owned() }))
	return i.succeed(ctx, min(fair-len(i.holdings), maxHandovers-entering))
}

// claim takes up to n slots that have been due for a time.
func (i *Ingester) claim(ctx context.Context, n int, dueFor time.Duration) error {
	lives, err := i.o.Lives.Claim(ctx, Claims{Limit: n, DueFor: dueFor, Except: i.heldIDs()})
	if err != nil {
		return err
	}
	i.metrics.claims.Add(float64(len(lives)))
	for _, live := range lives {
		i.open(&holding{live: live}, i.trusted)
	}
	return nil
}

// heldIDs are the rows of which this worker has a slot, those included that it
// is leaving or entering.
func (i *Ingester) heldIDs() []int64 {
	ids := make([]int64, 0, len(i.holdings))
	for id := range i.holdings {
		ids = append(ids, id)
	}
	return ids
}

// succeed enters up to n rooms that others offer.
func (i *Ingester) succeed(ctx context.Context, n int) error {
	if n <= 0 {
		return nil
	}
	until := time.Now().Add(successionTime - successionTime/10)
	lives, err := i.o.Lives.Succeed(ctx, n, i.heldIDs())
	for _, live := range lives {
		i.open(&holding{live: live, successor: true}, until)
	}
	return err
}

// takeOver makes this worker the owner of slots whose rooms it has entered as
// the successor.
func (i *Ingester) takeOver(ctx context.Context) error {
	entered := i.epochs(func(h *holding) bool { return !h.owned() && !h.leaving && h.heard() })
	if len(entered) == 0 {
		return nil
	}
	taken, err := i.o.Lives.TakeOver(ctx, entered)
	i.metrics.takenOver.Add(float64(len(taken)))
	for _, id := range taken {
		i.holdings[id].taken = true
		i.holdings[id].trust(i.trusted)
	}
	return err
}

// give gives rooms to workers with room to spare when this one has clearly more
// than its share, until it has no more than that, or is leaving.
func (i *Ingester) give(ctx context.Context, load Load, fair int) error {
	staying, offered := 0, 0
	for _, h := range i.holdings {
		switch {
		case h.offered && !h.leaving:
			offered++
		case h.owned() && !h.leaving:
			staying++
		}
	}
	i.offered = offered
	over := staying - fair
	others, places := load.room(i.o.Lives.worker)
	// A few more or less are not worth a second connection; once begun, it is
	// done thoroughly.
	i.giving = over > 0 && places > 0 && (i.giving || i.leaving || over > max(1, fair*3/100))
	switch {
	case offered > 0 && (over < 0 || time.Since(i.offeredAt) > offerTime):
		return i.withdraw(ctx)
	case i.giving:
		return i.offer(ctx, others, min(over, places))
	}
	return nil
}

// offer gives up to n rooms to others: those that are only being looked up at
// once, those that are heard when another worker hears them too.
func (i *Ingester) offer(ctx context.Context, others []string, n int) error {
	var gifts []Gift
	offered := 0
	for id, h := range i.holdings {
		switch {
		case h.leaving || !h.owned():
		case h.offered:
			offered++
		case h.heard() || h.unknown():
			gifts = append(gifts, Gift{ID: id, Epoch: h.live.Epoch, Heard: h.heard()})
		}
	}
	n = min(n, maxHandovers-offered)
	if n <= 0 || len(gifts) == 0 {
		return nil
	}
	chosen, err := i.o.Lives.Offer(ctx, gifts, others, n)
	if err != nil {
		return err
	}
	heard := make(map[int64]bool, len(gifts))
	for _, g := range gifts {
		heard[g.ID] = g.Heard
	}
	for _, id := range chosen {
		switch h := i.holdings[id]; {
		case heard[id]:
			h.offered, i.offeredAt = true, time.Now()
			i.offered++
		case h.unknown(): // still: one that is being entered by now is kept
			h.leave(errGivenBack)
		}
	}
	return nil
}

// withdraw takes back the offers that nobody has taken up.
func (i *Ingester) withdraw(ctx context.Context) error {
	i.offeredAt = time.Now()
	ids, err := i.o.Lives.Withdraw(ctx)
	for _, id := range ids {
		if h := i.holdings[id]; h != nil {
			h.offered = false
		}
	}
	return err
}
