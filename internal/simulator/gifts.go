package simulator

import (
	"fmt"
	"maps"
	"time"

	kuaishou "kslive/proto"
	"kslive/schema"
)

// combo is a run of the same gift by the same sender.
type combo struct {
	sender *person
	gift   catalogueGift
	batch  uint32
	key    string // mergeKey
	count  uint32 // sends so far
	open   bool   // more sends may follow
	// last is when the last send was, as time into the broadcast.
	last time.Duration
}

const (
	// maxCombos is how many runs may be under way in a room.
	maxCombos = 64
	// comboLife is how long a run lives after its last send: a repeat within it
	// continues the count of the same mergeKey.
	comboLife = 300 * time.Second
)

// gift is one tick of a combo: of one that runs, or of a new one.
func (g *generator) gift(f *frame, push *kuaishou.SCWebFeedPush, t time.Time) {
	c := g.combo(t)
	c.count += 1 + g.rng.Uint32N(3)
	c.last = g.elapsed
	c.open = c.gift.CanCombo && !chance(g.rng, 8)
	style := uint32(0)
	if c.batch > 1 {
		style = 1 + g.rng.Uint32N(7)
	}
	kind, assistantName := assistant(g.rng)
	feed := &kuaishou.WebGiftFeed{
		User:                c.sender.info,
		GiftId:              c.gift.ID,
		MergeKey:            c.key,
		BatchSize:           c.batch,
		ComboCount:          c.count,
		Rank:                c.gift.UnitPrice*c.batch + 1,
		ExpireDuration:      uint64(comboLife.Milliseconds()),
		ClientTimestamp:     uint64(t.UnixMilli()),
		SlotDisplayDuration: 3000,
		StarLevel:           style,
		StyleType:           kuaishou.WebGiftFeed_StyleType(style),
		LiveAssistantType:   kind,
		DeviceHash:          c.sender.device,
		DanmakuDisplay:      c.gift.UnitPrice > 100,
		SenderState:         c.sender.state,
	}
	row := &schema.Gift{
		Event: g.event(t), User: c.sender.user, Audience: c.sender.audience,
		GiftID: c.gift.ID, MergeKey: c.key, BatchSize: c.batch, ComboCount: c.count,
		Rank: feed.Rank, ExpireDuration: feed.ExpireDuration, ClientTimestamp: feed.ClientTimestamp,
		SlotDisplayDuration: feed.SlotDisplayDuration, StarLevel: style, StyleType: styleName(style),
		LiveAssistantType: assistantName, DeviceHash: feed.DeviceHash, DanmakuDisplay: feed.DanmakuDisplay,
	}
	if chance(g.rng, 3) {
		feed.AiDataInfo = &kuaishou.AiDataInfo{UnitPrice: c.gift.UnitPrice, GiftName: c.gift.Name}
		row.GiftName, row.UnitPrice = c.gift.Name, c.gift.UnitPrice
	}
	push.GiftFeeds = append(push.GiftFeeds, feed)
	f.add(row)
}

// styleName is the text that a styleType becomes in a row.
func styleName(style uint32) string {
	if style == 0 {
		return ""
	}
	return fmt.Sprintf("batch_star_%d", style-1)
}

// combo picks a run that is open, or begins one.
func (g *generator) combo(t time.Time) *combo {
	if len(g.combos) > 0 && !chance(g.rng, 4) {
		if c := pick(g.rng, g.combos); c.open {
			return c
		}
	}
	c := &combo{sender: g.person(), gift: g.prices.now(pick(g.rng, catalogue)), batch: 1}
	if !c.gift.CanCombo || chance(g.rng, 4) {
		c.key = fmt.Sprintf("%d-0-%d-1", c.sender.number, c.gift.ID)
		if known := g.singles[c.key]; known != nil && g.elapsed-known.last < comboLife {
			return known
		}
		g.singles[c.key] = c
		return c
	}
	c.batch = pick(g.rng, []uint32{1, 1, 1, 1, 10, 66})
	comboKey := fmt.Sprintf("%s_%d", text(g.rng, urlDigits[:62], 16), t.UnixMilli())
	c.key = fmt.Sprintf("%d-%s-%d-%d", c.sender.number, comboKey, c.gift.ID, c.batch)
	if len(g.combos) == maxCombos {
		g.combos = append(g.combos[:0], g.combos[1:]...)
	}
	g.combos = append(g.combos, c)
	return c
}

// forgetSingles drops the runs without a combo key that are over.
func (g *generator) forgetSingles() {
	maps.DeleteFunc(g.singles, func(_ string, c *combo) bool { return g.elapsed-c.last >= comboLife })
}
