package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"kslive/schema"
)

// How long a combo lives after its last tick when the server does not say, and
// at most.
const (
	comboLife    = 5 * time.Minute
	maxComboLife = 10 * time.Minute
)

// maxCombos is how many combos are remembered; more than that are no room's.
const maxCombos = 10_000

// combos folds the ticks of gifts. A tick tells how often the gift was sent so
// far in its combo, so the gifts of a combo are its batch size times the largest
// count; what was told of it once is not told again.
type combos struct {
	open    map[string]*combo
	current map[string]string // the combo that a sender is at
	latest  *combo            // nil when it is over
}

// combo is what is sent under one merge key.
type combo struct {
	key   string
	tick  schema.Gift // the one with the largest count
	told  uint32      // how much of that count
	until time.Time
}

func newCombos() *combos {
	return &combos{open: make(map[string]*combo), current: make(map[string]string)}
}

// gifts are so many of one kind from one sender.
type gifts struct {
	schema.Gift
	number uint64 // told now
	whole  uint64 // in the combo so far
}

// add takes a tick. It answers how many gifts it adds, and what is over by it.
func (c *combos) add(tick schema.Gift) (added uint64, over []gifts) {
	if tick.MergeKey == "" { // nothing can be folded
		number := uint64(tick.BatchSize) * uint64(tick.ComboCount)
		return number, []gifts{{tick, number, number}}
	}
	key := tick.LiveStreamID + "/" + tick.MergeKey
	one := c.open[key]
	if one != nil && tick.ReceivedAt.After(one.until) {
		over = append(over, c.end(one)...)
		one = nil
	}
	if one == nil {
		if len(c.open) >= maxCombos {
			over = append(over, c.end(c.oldest())...)
		}
		one = &combo{key: key, tick: tick}
		one.tick.ComboCount = 0
		c.open[key] = one
	}
	if before := c.open[c.current[tick.UserID]]; before != nil && before != one {
		over = append(over, c.tell(before)...)
	}
	c.current[tick.UserID], c.latest = key, one
	one.until = tick.ReceivedAt.Add(lifeOf(tick))
	if tick.ComboCount > one.tick.ComboCount {
		added = uint64(tick.BatchSize) * uint64(tick.ComboCount-one.tick.ComboCount)
		one.tick = tick
	}
	if isSingle(tick.MergeKey) {
		over = append(over, c.tell(one)...)
	}
	return added, over
}

// isSingle says whether a merge key is one of gifts that are no combo.
func isSingle(mergeKey string) bool {
	_, rest, _ := strings.Cut(mergeKey, "-")
	return strings.HasPrefix(rest, "0-")
}

func lifeOf(tick schema.Gift) time.Duration {
	if tick.ExpireDuration == 0 {
		return comboLife
	}
	return time.Duration(min(tick.ExpireDuration, uint64(maxComboLife.Milliseconds()))) * time.Millisecond
}

// expire answers the combos that are over at a time.
func (c *combos) expire(now time.Time) (over []gifts) {
	for _, one := range c.open {
		if now.After(one.until) {
			over = append(over, c.end(one)...)
		}
	}
	return inOrder(over)
}

// all ends every combo.
func (c *combos) all() (over []gifts) {
	for _, one := range c.open {
		over = append(over, c.end(one)...)
	}
	return inOrder(over)
}

// end forgets a combo and answers what was not told of it yet.
func (c *combos) end(one *combo) []gifts {
	delete(c.open, one.key)
	if c.current[one.tick.UserID] == one.key {
		delete(c.current, one.tick.UserID)
	}
	return c.tell(one)
}

// tell answers what was not told yet of a combo.
func (c *combos) tell(one *combo) []gifts {
	if c.latest == one {
		c.latest = nil
	}
	if one.told >= one.tick.ComboCount {
		return nil
	}
	batch := uint64(one.tick.BatchSize)
	told := gifts{one.tick, batch * uint64(one.tick.ComboCount-one.told), batch * uint64(one.tick.ComboCount)}
	one.told = one.tick.ComboCount
	return []gifts{told}
}

func (c *combos) oldest() (oldest *combo) {
	for _, one := range c.open {
		if oldest == nil || one.until.Before(oldest.until) {
			oldest = one
		}
	}
	return oldest
}

func inOrder(over []gifts) []gifts {
	slices.SortFunc(over, func(a, b gifts) int {
		return cmp.Or(a.EventTime.Compare(b.EventTime), cmp.Compare(a.MergeKey, b.MergeKey))
	})
	return over
}

// running is the combo that was added to last, unless it is over.
func (c *combos) running() (gifts, bool) {
	if c.latest == nil {
		return gifts{}, false
	}
	tick := c.latest.tick
	whole := uint64(tick.BatchSize) * uint64(tick.ComboCount)
	return gifts{tick, whole, whole}, true
}

// worth adds up gifts in 快币, and knows what they are called: some ticks tell it.
type worth struct {
	kinds map[uint32]*kindWorth
}

type kindWorth struct {
	name   string // "" when it was not told
	number uint64
	price  uint64 // of one
	known  bool   // the price is
}

// add counts gifts of the kind of a tick, which may tell the price.
func (w *worth) add(tick schema.Gift, number uint64) {
	kind := w.kinds[tick.GiftID]
	if kind == nil {
		if w.kinds == nil {
			w.kinds = make(map[uint32]*kindWorth)
		}
		kind = &kindWorth{}
		w.kinds[tick.GiftID] = kind
	}
	kind.number += number
	kind.name = cmp.Or(tick.GiftName, kind.name)
	switch {
	case tick.UnitPrice > 0:
		kind.price, kind.known = uint64(tick.UnitPrice), true
	case !kind.known && tick.BatchSize == 1 && tick.Rank > 0:
		kind.price, kind.known = uint64(tick.Rank)-1, true
	}
}

// name is what gifts of a kind are called.
func (w *worth) name(giftID uint32) string {
	if kind := w.kinds[giftID]; kind != nil && kind.name != "" {
		return kind.name
	}
	return fmt.Sprintf("gift %d", giftID)
}

// sum is the value of all whose price is known, and whether that is all.
func (w *worth) sum() (value uint64, exact bool) {
	exact = true
	for _, kind := range w.kinds {
		value += kind.number * kind.price
		exact = exact && kind.known
	}
	return value, exact
}
