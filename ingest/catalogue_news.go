package ingest

import "fmt"

const (
	// maxKnownGifts bounds all gifts that there ever were.
	maxKnownGifts = 100_000
	// fewPrices may differ at once whatever share of the known ones they are.
	fewPrices = 3
)

// doubt says why a list is not to be believed after what is known, and what to
// do if it is right all the same; empty when it is believed.
func (due giftsDue) doubt(source string, list []gift, known map[uint32]gift) string {
	last := due.gifts
	if last == 0 {
		return ""
	}
	if source != due.source {
		last = 0
	}
	reason := doubt(list, known, last)
	if reason != "" {
		reason += "; it is not believed. If it is right: UPDATE gift_refresh SET gifts = 0, next_at = now()"
	}
	return reason
}

// doubt says why a list with prices is not to be believed, empty when it is. A
// list that is cut, in which prices are missing, or that is in another currency
// can be told from what is known, and from how many gifts it named the last time
// (0: not known).
func doubt(list []gift, known map[uint32]gift, last int) string {
	if len(list)*2 < last {
		return fmt.Sprintf("the list names only %d gifts, and had %d the last time", len(list), last)
	}
	met, lost, changed := 0, 0, 0
	for _, g := range list {
		before := known[g.id]
		if before.unitPrice == 0 {
			continue
		}
		met++
		switch g.unitPrice {
		case before.unitPrice:
		case 0:
			lost++
		default:
			changed++
		}
	}
	if lost > fewPrices && lost*5 > met {
		return fmt.Sprintf("the price of %d of %d gifts has become 0 at once", lost, met)
	}
	if changed > fewPrices && changed*2 > met {
		return fmt.Sprintf("the price of %d of %d gifts has changed at once", changed, met)
	}
	return ""
}

// news are those of a list that say something new. A list without prices has
// none about gifts whose price is known.
func news(list []gift, known map[uint32]gift) []gift {
	var fresh []gift
	room := max(0, maxKnownGifts-len(known))
	for _, g := range list {
		before, there := known[g.id]
		if there && (before.same(g) || before.priced && !g.priced) {
			continue
		}
		if !there {
			if room == 0 {
				continue
			}
			room--
		}
		fresh = append(fresh, g)
	}
	return fresh
}
