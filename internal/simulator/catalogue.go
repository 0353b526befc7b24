package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// catalogueGift is a line of the gift catalogue.
type catalogueGift struct {
	ID        uint32
	Name      string
	UnitPrice uint32 // 快币, unless it was changed
	CanCombo  bool
}

var catalogue = []catalogueGift{
	{1, "荧光棒", 1, true},
	{2, "棒棒糖", 2, true},
	{9, "啤酒", 10, true},
	{10, "甜甜圈", 3, true},
	{16, "皇冠", 188, true},
	{33, "烟花", 328, false},
	{113, "火箭", 1000, false},
	{114, "玫瑰", 1, true},
	{156, "穿云箭", 2888, false},
	{164, "猫粮", 1, true},
	{10042, "小心心", 1, true},
}

// retired is a gift that is named and cannot be bought any more.
var retired = catalogueGift{ID: 7, Name: "么么哒"}

// free is the kind of gift that is paid in a free currency. Nobody gives it here.
var free = catalogueGift{ID: 10001, Name: "免费灯牌"}

// prices are those that were changed. It is safe for concurrent use.
type prices struct {
	mu      sync.Mutex
	changed map[uint32]uint32 // by the gift's ID
}

// now is a gift with the price that it has now.
func (p *prices) now(gift catalogueGift) catalogueGift {
	p.mu.Lock()
	defer p.mu.Unlock()
	if price, ok := p.changed[gift.ID]; ok {
		gift.UnitPrice = price
	}
	return gift
}

// GiftPrice is what a gift costs from now on, in 快币.
type GiftPrice struct {
	ID        uint32 `json:"id"`
	UnitPrice uint32 `json:"unitPrice"`
}

// SetGiftPrice changes the price of a gift, in the lists and for combos that
// begin from now on.
func (s *Simulator) SetGiftPrice(price GiftPrice) error {
	for _, gift := range catalogue {
		if gift.ID == price.ID && price.UnitPrice > 0 {
			s.prices.mu.Lock()
			defer s.prices.mu.Unlock()
			s.prices.changed[price.ID] = price.UnitPrice
			return nil
		}
	}
	return errors.New("that is no gift of the catalogue, or no price above 0")
}

// serveAllGifts is the list without prices. Like Kuaishou's it has no result
// when it has gifts.
func (s *Simulator) serveAllGifts(w http.ResponseWriter, r *http.Request) {
	v := s.judge(r, CallAllGifts, "", nil, CodeOK)
	if v.code != CodeOK {
		v.data(w, r, object{})
		return
	}
	gifts := object{}
	for _, gift := range append([]catalogueGift{retired, free}, catalogue...) {
		gifts[strconv.FormatUint(uint64(gift.ID), 10)] = object{"giftName": gift.Name, "giftUrl": giftURL(gift)}
	}
	v.writeJSON(w, r, object{"data": gifts})
}

// serveGiftList is the list of a broadcast.
func (s *Simulator) serveGiftList(w http.ResponseWriter, r *http.Request) {
	_, v := s.byStream(r, CallGiftList, r.FormValue("liveStreamId"))
	fields := object{}
	if v.code == CodeOK {
		fields = object{"giftList": s.giftList(), "token": "gift-list"}
	}
	v.data(w, r, fields)
}

// serveCatalogue is the mobile page's list of all gifts.
func (s *Simulator) serveCatalogue(w http.ResponseWriter, r *http.Request) {
	v := s.judge(r, CallCatalogue, "", nil, CodeOK)
	if v.code != CodeOK {
		v.writeJSON(w, r, object{"result": v.code, "error_msg": Title(v.code)})
		return
	}
	v.writeJSON(w, r, object{"result": CodeOK, "gifts": s.giftList()})
}

func (s *Simulator) giftList() []object {
	gifts := []object{giftEntry(free, 4, "免费礼物")}
	for _, gift := range catalogue {
		gifts = append(gifts, giftEntry(s.prices.now(gift), 1, "普通礼物"))
	}
	return gifts
}

func giftEntry(gift catalogueGift, kind int, kindName string) object {
	return object{
		"id": gift.ID, "name": gift.Name, "type": kind, "giftTypeName": kindName, "unitPrice": gift.UnitPrice,
		"virtualPrice": gift.UnitPrice, "maxBatchSize": 1314, "canCombo": gift.CanCombo,
		"picUrl": []object{{"cdn": "p1.a.yximgs.com", "url": giftURL(gift)}},
	}
}

func giftURL(gift catalogueGift) string {
	return fmt.Sprintf("https://p1.a.yximgs.com/gift/%d.png", gift.ID)
}
