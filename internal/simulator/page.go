package simulator

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
)

const caption = "晚上好，欢迎来玩"

// unset stands for a field that the page writes as undefined; unsetJSON is what
// it looks like in JSON.
const (
	unset     = "\x00undefined"
	unsetJSON = `"\u0000undefined"`
)

// name is the author's, the same for a live ID always.
func (r *room) name() string {
	rng := rand.New(source(r.simulator.options.Seed, r.liveID, 0, 0))
	return pick(rng, nameHeads) + pick(rng, nameTails)
}

// detail is a room as the page and livedetail show it to an account, for CodeOK or
// CodeOffline.
func (r *room) detail(account string, code int) object {
	state := r.state()
	live := code == CodeOK
	stream, socketInfo, game := object{}, object{}, object{}
	if live {
		token, urls := r.entrance(account, false)
		socketInfo = object{"token": token, "webSocketAddresses": urls}
		stream = liveStream(state.LiveStreamID)
		game = object{"id": "1001", "name": "王者荣耀", "poster": "", "description": "", "categoryName": "手游", "watchingCount": "1.2万"}
	}
	return object{
		"liveStream":    stream,
		"author":        author(r.liveID, r.name(), live),
		"gameInfo":      game,
		"noticeList":    noticeList(),
		"isLiving":      live,
		"config":        object{"enableWebHistoryFeed": true, "needLoginToWatchHD": false},
		"websocketInfo": socketInfo,
		"status":        object{"forbiddenState": code},
	}
}

func liveStream(id string) object {
	return object{
		"id": id, "poster": "https://p1.a.yximgs.com/poster.jpg", "playUrls": []any{}, "url": "", "hlsPlayUrl": "", "location": nil,
		"type": "live", "liveGuess": false, "expTag": "1_i/0_unknown0", "privateLive": false, "caption": caption,
	}
}

func author(liveID, name string, living bool) object {
	return object{
		"id": liveID, "name": name, "description": "喜欢就点个关注吧</script><b>\"'", "avatar": "https://p1.a.yximgs.com/a.jpg", "sex": "F",
		"living": living, "originUserId": 2_030_000_003, "timestamp": 0, "verifiedStatus": object{"verified": false},
		"bannedStatus": object{"banned": false, "socialBanned": false, "isolate": false, "defriend": false},
		"counts":       object{"fan": "53", "follow": "7", "photo": "2.1万"},
	}
}

func noticeList() []object {
	return []object{{"userName": "直播公告：", "content": notices[0]}}
}

// playing is the room's entry on its page.
func (r *room) playing(account string, code int, style PageStyle) object {
	entry := r.detail(account, code)
	delete(entry, "noticeList")
	entry["authToken"] = unset
	if !style.Endpoint {
		entry["websocketInfo"] = object{} // visitors ask websocketinfo
	}
	if style.Banned {
		entry["liveStream"], entry["isLiving"] = object{}, false
		entry["author"] = bannedAuthor(r, true)
		entry["status"] = object{}
	}
	return entry
}

// refusedEntry is the page's entry when the detail call failed.
func refusedEntry(room *room, code int) object {
	entry := object{
		"liveStream": object{}, "author": object{}, "gameInfo": object{}, "isLiving": false, "authToken": unset,
		"config": object{}, "websocketInfo": object{}, "status": object{"forbiddenState": code},
		"errorType": object{"type": code, "title": Title(code), "content": fmt.Sprintf("错误代码%d", code), "url": ""},
	}
	if room == nil {
		return entry
	}
	switch code {
	case CodePassword:
		entry["author"], entry["authToken"] = author(room.liveID, room.name(), true), nil
	case CodeBanned, CodeSocialBanned, CodeRoomBanned, CodeKicked, CodeRegion:
		entry["author"] = bannedAuthor(room, code == CodeBanned)
	}
	return entry
}

// bannedAuthor is an author who is, or who has banned the one who asks.
func bannedAuthor(room *room, banned bool) object {
	who := author(room.liveID, room.name(), false)
	who["bannedStatus"] = object{"banned": banned, "socialBanned": false, "isolate": false, "defriend": false}
	return who
}

// recommended are the other entries of the page's list: rooms nobody asked for.
func (s *Simulator) recommended() []object {
	var entries []object
	for i := range recommendations {
		id := LiveID(s.options.Seed, -1-i)
		entries = append(entries, object{
			"liveStream": liveStream(liveStreamID(s.options.Seed, id, 1)), "author": author(id, "推荐主播", true), "gameInfo": object{},
			"isLiving": true, "authToken": unset, "config": object{}, "websocketInfo": object{}, "status": object{"forbiddenState": CodeOK},
		})
	}
	return entries
}

func (s *Simulator) servePage(w http.ResponseWriter, r *http.Request) {
	liveID := r.PathValue("eid")
	room := s.room(liveID)
	v := s.judge(r, CallPage, liveID, room, room.truth())
	if v.answer.LoginPage {
		// Another name of this host is another host.
		scheme, _, _ := strings.Cut(s.url, ":")
		http.Redirect(w, r, scheme+"://localhost"+s.url[strings.LastIndexByte(s.url, ':'):]+"/login", http.StatusFound)
		return
	}
	setCookies(w, r)
	if v.answer.CaptchaPage {
		v.write(w, r, "text/html; charset=utf-8", fmt.Appendf(nil, captchaHTML, captchaScript))
		return
	}
	style, entry := room.style(), object(nil)
	if v.code == CodeOK || v.code == CodeOffline {
		entry = room.playing(callerOf(r).account, v.code, style)
	} else {
		entry = refusedEntry(room, v.code)
	}
	script, err := style.script(s.initialState(style, entry))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	captcha := ""
	if v.code == CodeCaptcha {
		captcha = captchaScript
	}
	v.write(w, r, "text/html; charset=utf-8", fmt.Appendf(nil, pageHTML, captcha, script))
}

// style is the shape of the room's page; a page about no room has today's.
func (r *room) style() PageStyle {
	if r == nil {
		return PageStyle{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.page
}

const captchaScript = `<script>window.__CAPTCHA_INFO__={"type":2};</script>`

const captchaHTML = `<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8"><title>快手</title>%s</head><body></body></html>`

const pageHTML = `<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8"><title>快手直播</title>%s</head>` +
	`<body><div id="app"></div><script>window.__INITIAL_STATE__=%s;` +
	`(function(){var s;(s=document.currentScript||document.scripts[document.scripts.length-1]).parentNode.removeChild(s);}());` +
	`</script></body></html>`

// setCookies gives a visitor a device, unless it has one.
func setCookies(w http.ResponseWriter, r *http.Request) {
	for _, cookie := range []http.Cookie{
		{Name: "did", Value: fmt.Sprintf("web_%016x%016x", rand.Uint64(), rand.Uint64())},
		{Name: "clientid", Value: "3"},
		{Name: "client_key", Value: "65890b29"},
		{Name: "kpn", Value: "GAME_ZONE"},
		{Name: "kuaishou.live.bfb1s", Value: fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())},
	} {
		if _, err := r.Cookie(cookie.Name); err == nil {
			continue
		}
		cookie.Path = "/"
		http.SetCookie(w, &cookie)
	}
}
