package ingest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// The lists of gifts that Kuaishou answers. None needs a login, as is reported.
const (
	giftAllList  = "gift/all"  // of the mobile pages, with prices
	giftRoomList = "gift-list" // of a broadcast, with prices
	giftNameList = "allgifts"  // names only
)

const (
	maxGifts = 20_000 // of a list
	// maxGiftPrice, in 快币, is a million CNY: what costs more was not read right.
	maxGiftPrice = 10_000_000
	maxPicture   = 2000 // bytes of its address
)

// gift is what a list says of a gift.
type gift struct {
	source       string // the list
	id           uint32
	name         string
	kind         uint32
	kindName     string
	priced       bool
	unitPrice    uint32 // 快币
	virtualPrice uint32
	maxBatchSize uint32
	canCombo     bool
	picture      string
}

// same says whether two lists say the same of a gift. Its picture is at another
// server's address each time.
func (g gift) same(other gift) bool {
	g.source, g.picture = other.source, other.picture
	return g == other
}

// readGifts reads the answer of a list: each gift once, by ID. The State is
// StateLive when it could be read, else what is in the way, and the reason says
// so. A list of which more than a tenth makes no sense is none.
func readGifts(source string, body []byte) (gifts []gift, state State, reason string) {
	v, err := parseLoose(body)
	if err != nil {
		return nil, StateUnreachable, quotable(fmt.Sprintf("the list cannot be read: %v", err))
	}
	if source != giftAllList {
		v = v.at("data")
	}
	if code := v.at("result").number(); code != codeOK && code != 0 {
		if state = stateOfCode(code); !state.aboutUs() {
			state = StateUnreachable // those are about rooms: the call itself may be wrong
		}
		return nil, state, reasonOfCode(code, answerMessage(v))
	}
	entries := giftEntries(source, v)
	if len(entries) == 0 {
		return nil, StateUnreachable, "the list names no gifts"
	}
	if len(entries) > maxGifts {
		return nil, StateUnreachable, fmt.Sprintf("the list names more than %d gifts", maxGifts)
	}
	gifts, bad := distinctGifts(source, entries)
	if bad*10 > len(entries) {
		return nil, StateUnreachable, fmt.Sprintf("%d of the %d gifts in the list cannot be read", bad, len(entries))
	}
	if source != giftNameList && !slices.ContainsFunc(gifts, func(g gift) bool { return g.unitPrice > 0 }) {
		return nil, StateUnreachable, "all prices in the list are 0"
	}
	return gifts, StateLive, ""
}

// giftEntries are the gifts of an answer, all in the form that gift/all has.
func giftEntries(source string, v looseValue) []looseValue {
	switch source {
	case giftAllList:
		return v.at("gifts").list()
	case giftRoomList:
		return v.at("giftList").list()
	}
	fields, _ := v.any.(map[string]any)
	var entries []looseValue
	for id, said := range fields {
		if entry := (looseValue{said}); entry.filled() { // result and the like are not
			entries = append(entries, looseValue{map[string]any{
				"id": id, "name": entry.at("giftName").text(), "picUrl": []any{map[string]any{"url": entry.at("giftUrl").text()}},
			}})
		}
	}
	return entries
}

// distinctGifts reads entries. Those that cannot be read are counted as bad, and
// so are those that contradict another one with their ID.
func distinctGifts(source string, entries []looseValue) (gifts []gift, bad int) {
	read := make(map[uint32]gift, len(entries))
	contradicted := make(map[uint32]bool)
	for _, entry := range entries {
		g, ok := readGift(source, entry)
		before, known := read[g.id]
		switch {
		case !ok:
			bad++
		case !known:
			read[g.id] = g
		case !before.same(g):
			bad++
			contradicted[g.id] = true
		}
	}
	for id, g := range read {
		if !contradicted[id] {
			gifts = append(gifts, g)
		}
	}
	slices.SortFunc(gifts, func(a, b gift) int { return cmp.Compare(a.id, b.id) })
	return gifts, bad
}

// readGift reads one entry. Without an ID, or a price where the list has them,
// it says nothing.
func readGift(source string, entry looseValue) (gift, bool) {
	id, ok := entry.at("id").whole()
	if !ok || id == 0 {
		return gift{}, false
	}
	g := gift{source: source, id: id, name: quotable(entry.at("name").text())}
	if pictures := entry.at("picUrl").list(); len(pictures) > 0 {
		if g.picture = pictures[0].at("url").text(); len(g.picture) > maxPicture {
			g.picture = ""
		}
	}
	if source == giftNameList {
		return g, g.name != ""
	}
	g.priced = true
	if g.unitPrice, ok = entry.at("unitPrice").whole(); !ok || g.unitPrice > maxGiftPrice {
		return gift{}, false
	}
	g.kind, _ = entry.at("type").whole()
	g.kindName = quotable(entry.at("giftTypeName").text())
	g.virtualPrice, _ = entry.at("virtualPrice").whole()
	g.maxBatchSize, _ = entry.at("maxBatchSize").whole()
	g.canCombo = entry.at("canCombo").truth()
	return g, true
}

// whole returns a whole number of 32 bits, and whether it is one.
func (v looseValue) whole() (uint32, bool) {
	n, err := strconv.ParseUint(v.text(), 10, 32)
	if err != nil {
		return 0, false
	}
	return uint32(n), true
}
