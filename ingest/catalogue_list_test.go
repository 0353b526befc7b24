package ingest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// giftsJSON is a list as gift/all answers it, of gifts 1 to n at a price each.
func giftsJSON(n int, price func(id int) int) string {
	var entries []string
	for id := 1; id <= n; id++ {
		entries = append(entries, fmt.Sprintf(`{"id":%d,"name":"礼物%d","unitPrice":%d}`, id, id, price(id)))
	}
	return `{"result":1,"gifts":[` + strings.Join(entries, ",") + `]}`
}

func TestReadGifts(t *testing.T) {
	const entry = `{"id":9,"name":" 啤\u0000酒 ","type":1,"giftTypeName":"普通礼物","unitPrice":10,"virtualPrice":"10","maxBatchSize":1314,"canCombo":true,
		"picUrl":[{"cdn":"p1","url":"https://p1.a.yximgs.com/9.png"},{"url":"x"}],"promptMessages":{"1":"x"}}`
	beer := gift{
		source: giftAllList, id: 9, name: "啤 酒", kind: 1, kindName: "普通礼物", priced: true, unitPrice: 10, virtualPrice: 10,
		maxBatchSize: 1314, canCombo: true, picture: "https://p1.a.yximgs.com/9.png",
	}
	inRoom, free := beer, gift{source: giftAllList, id: 2, name: "荧光棒", kind: 4, priced: true}
	inRoom.source = giftRoomList
	for _, test := range []struct {
		source, body string
		want         []gift
	}{
		{giftAllList, `{"result":1,"gifts":[` + entry + `,{"id":"2","name":"荧光棒","type":4,"unitPrice":0,"picUrl":"none"}]}`, []gift{free, beer}},
		{giftAllList, `{"gifts":[` + entry + `,` + entry + `]}`, []gift{beer}},
		{giftRoomList, `{"data":{"result":1,"giftList":[` + entry + `],"token":"x"}}`, []gift{inRoom}},
		{giftNameList, `{"data":{"result":1,"9":{"giftName":"啤酒","giftUrl":"u"}}}`, []gift{{source: giftNameList, id: 9, name: "啤酒", picture: "u"}}},
	} {
		got, state, reason := readGifts(test.source, []byte(test.body))
		if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(gift{})); diff != "" || state != StateLive || reason != "" {
			t.Errorf("%s: %s (%s) (-want +got)\n%s", test.body, state, reason, diff)
		}
	}
}

// What is refused, cut or makes no sense is no list.
func TestReadGiftsRefuses(t *testing.T) {
	whole := giftsJSON(20, func(id int) int { return id })
	for _, test := range []struct {
		source, body string
		want         State
		reason       string
	}{
		{giftAllList, `{"result":2,"error_msg":"请求过快，请稍后重试"}`, StateRateLimited, "(code 2: 请求过快，请稍后重试)"},
		{giftAllList, `{"result":400002}`, StateCaptcha, "(code 400002)"},
		{giftRoomList, `{"data":{"result":109}}`, StateLoginRequired, "(code 109)"},
		{giftRoomList, `{"data":{"result":671}}`, StateUnreachable, "(code 671)"},
		{giftNameList, `{"data":{"result":22,"error_msg":"错误代码22"}}`, StateUnreachable, "错误代码22"},
		{giftAllList, `{"result":987}`, StateUnreachable, "(code 987)"},
		{giftAllList, whole[:len(whole)/2], StateUnreachable, "cannot be read"},
		{giftAllList, "<html>", StateUnreachable, "cannot be read"},
		{giftAllList, "", StateUnreachable, "cannot be read"},
		{giftAllList, `{"result":1}`, StateUnreachable, "names no gifts"},
		{giftAllList, `{"result":1,"gifts":[]}`, StateUnreachable, "names no gifts"},
		{giftAllList, `{"result":1,"gifts":{"1":{}}}`, StateUnreachable, "names no gifts"},
		{giftNameList, `{"data":{"result":1}}`, StateUnreachable, "names no gifts"},
		{giftAllList, `[1]`, StateUnreachable, "names no gifts"},
		{giftAllList, giftsJSON(20, func(int) int { return 0 }), StateUnreachable, "all prices in the list are 0"},
		{giftAllList, giftsJSON(20, func(id int) int { return 5 - id }), StateUnreachable, "15 of the 20 gifts in the list cannot be read"},
		{giftAllList, giftsJSON(20, func(id int) int { return id * 1_000_000 }), StateUnreachable, "10 of the 20 gifts in the list cannot be read"},
		{giftAllList, strings.ReplaceAll(whole, `"unitPrice"`, `"price"`), StateUnreachable, "20 of the 20 gifts"},
		{giftAllList, strings.ReplaceAll(whole, `"id":1`, `"id":4294967296`), StateUnreachable, "11 of the 20 gifts"},
		{giftAllList, `{"gifts":[{"id":1,"name":"a","unitPrice":1},{"id":1,"name":"a","unitPrice":2}]}`, StateUnreachable, "1 of the 2 gifts"},
		{giftAllList, giftsJSON(maxGifts+1, func(int) int { return 1 }), StateUnreachable, "more than 20000 gifts"},
	} {
		got, state, reason := readGifts(test.source, []byte(test.body))
		if state != test.want || !strings.Contains(reason, test.reason) || len(got) > 0 {
			t.Errorf("%s %.80s: %d gifts, %s (%s); want %s (%s)", test.source, test.body, len(got), state, reason, test.want, test.reason)
		}
	}
	// One that cannot be read leaves the others.
	if got, state, _ := readGifts(giftAllList, []byte(strings.Replace(whole, `"unitPrice":7`, `"unitPrice":null`, 1))); state != StateLive || len(got) != 19 {
		t.Errorf("%d gifts, %s", len(got), state)
	}
}

// pricedGifts are gifts 1 to n at a price each, and the same by ID.
func pricedGifts(n int, price func(id int) int) (list []gift, byID map[uint32]gift) {
	list, _, _ = readGifts(giftAllList, []byte(giftsJSON(n, price)))
	byID = make(map[uint32]gift)
	for _, g := range list {
		byID[g.id] = g
	}
	return list, byID
}

func TestDoubt(t *testing.T) {
	_, known := pricedGifts(100, func(id int) int { return 10 * id })
	for _, test := range []struct {
		name  string
		n     int
		price func(id int) int
		last  int
		want  string
	}{
		{"as before", 100, func(id int) int { return 10 * id }, 100, ""},
		{"more of them", 300, func(id int) int { return 10 * id }, 100, ""},
		{"half of them", 50, func(id int) int { return 10 * id }, 100, ""},
		{"a cut list", 49, func(id int) int { return 10 * id }, 100, "names only 49 gifts, and had 100 the last time"},
		{"a list of another kind", 49, func(id int) int { return 10 * id }, 0, ""},
		{"some are free now", 100, func(id int) int { return 10 * id * min(1, id/21) }, 100, ""},
		{"too many are free now", 100, func(id int) int { return 10 * id * min(1, id/22) }, 100, "the price of 21 of 100 gifts has become 0 at once"},
		{"half cost more", 100, func(id int) int { return 10*id + id%2 }, 100, ""},
		{"in another currency", 100, func(id int) int { return id }, 100, "the price of 100 of 100 gifts has changed at once"},
		{"a small list", 3, func(int) int { return 7 }, 0, ""},
	} {
		list, _ := pricedGifts(test.n, test.price)
		if got := doubt(list, known, test.last); !strings.HasSuffix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestGiftNews(t *testing.T) {
	list, known := pricedGifts(4, func(id int) int { return id })
	known[5] = gift{source: giftNameList, id: 5, name: "么么哒"}
	if fresh := news(list, known); len(fresh) > 0 {
		t.Errorf("what was said before is said to be new: %v", fresh)
	}
	list[0].picture, list[0].source = "elsewhere", giftRoomList
	list[1].unitPrice = 20
	list[2].name = "another"
	list = append(list, gift{source: giftAllList, id: 5, name: "么么哒", priced: true, unitPrice: 1}, gift{source: giftNameList, id: 4, name: "礼物四"})
	if diff := cmp.Diff([]gift{list[1], list[2], list[4]}, news(list, known), cmp.AllowUnexported(gift{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for id := range uint32(maxKnownGifts) {
		known[id] = gift{id: id}
	}
	if fresh := news([]gift{{id: maxKnownGifts, name: "one too many"}, {id: 1, name: "known"}}, known); len(fresh) != 1 {
		t.Errorf("of two gifts %d are kept", len(fresh))
	}
}

// A list is gifts with IDs and prices within bounds, each once, or it is said in
// a line why it is none.
func FuzzReadGifts(f *testing.F) {
	f.Add(0, []byte(giftsJSON(3, func(id int) int { return id - 1 })))
	f.Add(0, []byte(`{"result":2,"error_msg":"请求过快"}`))
	f.Add(0, []byte(`{"result":"1","gifts":[{"id":"9","unitPrice":1e1},{"id":-1},null,[]]}`))
	f.Add(1, []byte(`{"data":{"result":1,"giftList":[{"id":9,"name":"啤酒","unitPrice":10,"picUrl":[{"url":"u"}]}]}}`))
	f.Add(1, []byte(`{"data":{"result":109}}`))
	f.Add(2, []byte(`{"data":{"result":1,"7":{"giftName":"么么哒","giftUrl":"u"},"x":{"giftName":""}}}`))
	f.Add(2, []byte(`{"data":[]}`))
	sources := []string{giftAllList, giftRoomList, giftNameList}
	f.Fuzz(func(t *testing.T, source int, body []byte) {
		list, state, reason := readGifts(sources[uint(source)%3], body)
		if (state == StateLive) != (reason == "") || (state == StateLive) != (len(list) > 0) || len(reason) > 1000 || strings.ContainsAny(reason, "\r\n") {
			t.Errorf("%d gifts, %s because of %q", len(list), state, reason)
		}
		paid := false
		for i, g := range list {
			if g.id == 0 || i > 0 && g.id <= list[i-1].id || g.unitPrice > maxGiftPrice || len([]rune(g.name)) > 201 || len(g.picture) > maxPicture || g.priced != (g.source != giftNameList) {
				t.Errorf("%+v", g)
			}
			paid = paid || g.unitPrice > 0
		}
		if len(list) > 0 && list[0].priced != paid {
			t.Error("a list without a price above 0")
		}
		known := make(map[uint32]gift)
		for _, g := range list {
			known[g.id] = g
		}
		if fresh := news(list, known); len(fresh) > 0 || doubt(list, known, len(list)) != "" {
			t.Errorf("of a list that is said again %v is new, doubted because of %q", fresh, doubt(list, known, len(list)))
		}
		if len(news(list, nil)) != len(list) {
			t.Error("a new list is not new")
		}
	})
}
