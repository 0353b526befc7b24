package simulator

import (
	"testing"

	kuaishou "kslive/proto"
)

// A price that is changed is that of the lists and of the gifts that are given
// from then on.
func TestGiftPrices(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	room, _ := s.Room(liveID)
	type gift struct{ ID, UnitPrice uint32 }
	lists := func() [2]map[uint32]uint32 {
		var prices [2]map[uint32]uint32
		for i, gifts := range [][]gift{
			parse[struct{ Gifts []gift }](t, post(t, s.URL()+"/rest/wd/live/gift/all", "{}")).Gifts,
			parse[struct{ Data struct{ GiftList []gift } }](t, get(t, s.URL()+"/live_api/emoji/gift-list?liveStreamId="+room.LiveStreamID)).Data.GiftList,
		} {
			prices[i] = make(map[uint32]uint32)
			for _, gift := range gifts {
				prices[i][gift.ID] = gift.UnitPrice
			}
		}
		return prices
	}
	before := lists()
	for _, known := range catalogue {
		if before[0][known.ID] != known.UnitPrice || before[1][known.ID] != known.UnitPrice {
			t.Errorf("%s costs %d, and %d and %d in the lists", known.Name, known.UnitPrice, before[0][known.ID], before[1][known.ID])
		}
	}

	client := Client{URL: s.URL()}
	for _, wrong := range []GiftPrice{{ID: 999, UnitPrice: 1}, {ID: 9}} {
		if client.SetGiftPrice(t.Context(), wrong) == nil {
			t.Errorf("%+v was taken", wrong)
		}
	}
	for _, known := range catalogue {
		if err := client.SetGiftPrice(t.Context(), GiftPrice{ID: known.ID, UnitPrice: known.UnitPrice + 1000}); err != nil {
			t.Fatal(err)
		}
	}
	after := lists()
	if after[0][9] != 1010 || after[1][9] != 1010 || after[0][free.ID] != 0 {
		t.Errorf("the lists have %v", after)
	}
	g := newGenerator(s, liveID, 2, newTestGenerator(1, liveID, 2).clock)
	given := 0
	for _, f := range invent(t, g, 50) {
		message := openMessage(t, f.data)
		if message.PayloadType != kuaishou.PayloadType_SC_FEED_PUSH {
			continue
		}
		for _, feed := range unmarshal(t, message.Payload, &kuaishou.SCWebFeedPush{}).GiftFeeds {
			given++
			if feed.Rank != after[0][feed.GiftId]*feed.BatchSize+1 || feed.AiDataInfo != nil && feed.AiDataInfo.UnitPrice != after[0][feed.GiftId] {
				t.Errorf("gift %d is given for %v, rank %d of %d", feed.GiftId, feed.AiDataInfo, feed.Rank, feed.BatchSize)
			}
		}
	}
	if given < 20 {
		t.Errorf("only %d gifts were given", given)
	}
}

// The lists can be refused like all else.
func TestGiftListsAreRefused(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	room, _ := s.Room(liveID)
	setPolicy(t, s, Policy{Name: "captcha", Answer: Answer{Code: CodeCaptcha}})
	type refusal struct {
		Result int
		Gifts  []any
		Data   map[string]any
	}
	all := parse[refusal](t, post(t, s.URL()+"/rest/wd/live/gift/all", "{}"))
	if all.Result != CodeCaptcha || len(all.Gifts) > 0 {
		t.Errorf("gift/all answers %+v", all)
	}
	for _, path := range []string{"/live_api/emoji/allgifts", "/live_api/emoji/gift-list?liveStreamId=" + room.LiveStreamID} {
		if data := parse[refusal](t, get(t, s.URL()+path)).Data; data["result"] != float64(CodeCaptcha) || len(data) != 2 {
			t.Errorf("%s answers %v", path, data)
		}
	}
}
