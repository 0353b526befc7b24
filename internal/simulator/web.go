package simulator

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// routes are all paths: those of Kuaishou's hosts, and our own below /simulator/.
func (s *Simulator) routes() http.Handler {
	mux := http.NewServeMux()
	for _, form := range pageForms {
		mux.HandleFunc("GET "+form+"{eid}", s.servePage)
	}
	mux.HandleFunc("GET /s/{code}", s.serveShortLink)
	mux.HandleFunc("GET /login", s.serveLogin)
	mux.HandleFunc("GET /live_api/liveroom/livedetail", s.serveDetail)
	mux.HandleFunc("GET /live_api/liveroom/websocketinfo", s.serveSocketInfo)
	mux.HandleFunc("POST /live_api/liveroom/recall", s.serveRecall)
	mux.HandleFunc("GET /live_api/liveroom/status", s.serveStatus)
	mux.HandleFunc("GET /live_api/emoji/allgifts", s.serveAllGifts)
	mux.HandleFunc("GET /live_api/emoji/gift-list", s.serveGiftList)
	mux.HandleFunc("GET /live_api/emoji/icon", s.serveIcons)
	mux.HandleFunc("POST /rest/k/live/byUser", s.serveByUser)
	mux.HandleFunc("POST /rest/wd/live/gift/all", s.serveCatalogue)
	mux.HandleFunc("GET /websocket/group1/{code}", s.serveSocket)
	mux.HandleFunc("GET /websocket/group2/{code}", s.serveSocket)
	s.control(mux)
	return mux
}

// pageForms are the paths that a room's page is shown at: on live.kuaishou.com,
// www.kuaishou.com, and the hosts of shared links.
var pageForms = []string{"/u/", "/profile/", "/fw/live/", "/fw/photo/"}

// serveSocket is one of a room's two websocket URLs. A dead one hangs up.
func (s *Simulator) serveSocket(w http.ResponseWriter, r *http.Request) {
	room := s.byCode(r.PathValue("code"))
	if room == nil {
		http.NotFound(w, r)
		return
	}
	first := strings.HasPrefix(r.URL.Path, "/websocket/group1/")
	v := s.judge(r, CallSocket, room.liveID, room, room.truth())
	if !v.wait(r) {
		return
	}
	switch {
	case room.dead(first) || v.answer.Reset:
		s.trace.dialled(r, room, first, 0)
		panic(http.ErrAbortHandler)
	case v.answer.Status != 0:
		s.trace.dialled(r, room, first, 0)
		v.write(w, r, "", nil)
	default:
		s.acceptSocket(w, r, room, first)
	}
}

func (s *Simulator) serveDetail(w http.ResponseWriter, r *http.Request) {
	liveID := r.FormValue("principalId")
	room := s.room(liveID)
	v := s.judge(r, CallDetail, liveID, room, room.truth())
	fields := object{}
	if v.code == CodeOK || v.code == CodeOffline {
		fields = room.detail(callerOf(r).account, v.code)
		if v.answer.NoEndpoint {
			fields["websocketInfo"] = object{}
		}
	}
	v.data(w, r, fields)
}

// serveSocketInfo is where the token and the two URLs of a broadcast come from.
func (s *Simulator) serveSocketInfo(w http.ResponseWriter, r *http.Request) {
	room, v := s.byStream(r, CallWebsocketInfo, r.FormValue("liveStreamId"))
	fields := object{}
	if v.code == CodeOK && !v.answer.NoEndpoint {
		token, urls := room.entrance(callerOf(r).account, false)
		fields = object{"token": token, "websocketUrls": urls}
	}
	v.data(w, r, fields)
}

// byStream finds the room whose current broadcast streamID is, and judges a call
// about it.
func (s *Simulator) byStream(r *http.Request, call, streamID string) (*room, verdict) {
	s.mu.RLock()
	room := s.entrances[streamID]
	s.mu.RUnlock()
	if room == nil {
		return nil, s.judge(r, call, "", nil, CodeBadParameter)
	}
	truth := room.truth()
	if truth == CodeOK && room.state().LiveStreamID != streamID {
		truth = CodeEnded
	}
	complete := call != CallWebsocketInfo || r.FormValue("caver") == "2"
	return room, s.judge(r, call, room.liveID, room, s.strictly(complete, truth))
}

func (s *Simulator) serveRecall(w http.ResponseWriter, r *http.Request) {
	var request struct {
		LiveStreamID      string           `json:"liveStreamId"`
		FeedTypeCursorMap map[string]int64 `json:"feedTypeCursorMap"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxMessage)).Decode(&request); err != nil {
		s.judge(r, CallRecall, "", nil, CodeBadParameter).data(w, r, object{})
		return
	}
	room, v := s.byStream(r, CallRecall, request.LiveStreamID)
	fields, comments := object{}, []entry(nil)
	if v.code == CodeOK {
		var err error
		if fields, comments, err = room.history(request.FeedTypeCursorMap); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	if v.data(w, r, fields) {
		s.ledger.add(comments)
	}
}

func (s *Simulator) serveStatus(w http.ResponseWriter, r *http.Request) {
	_, v := s.byStream(r, CallStatus, r.FormValue("liveStreamId"))
	living := v.code == CodeOK
	if v.answer.Code == 0 && (v.code == CodeOffline || v.code == CodeEnded) {
		v.code = CodeOK // the truth is in living
	}
	v.data(w, r, object{"living": living})
}

// serveByUser is the mobile share page's call: everything in one answer.
func (s *Simulator) serveByUser(w http.ResponseWriter, r *http.Request) {
	var request byUserRequest
	if err := json.NewDecoder(io.LimitReader(r.Body, maxMessage)).Decode(&request); err != nil {
		s.judge(r, CallByUser, "", nil, CodeBadParameter).writeJSON(w, r, object{"result": CodeBadParameter})
		return
	}
	room := s.room(request.EID)
	v := s.judge(r, CallByUser, request.EID, room, s.strictly(request.complete(r), room.truth()))
	switch v.code {
	case CodeOK:
		fields := object{
			"result": CodeOK,
			"liveStream": object{
				"liveStreamId": room.state().LiveStreamID, "living": true, "caption": caption, "user": object{"user_name": room.name()},
			},
		}
		if !v.answer.NoEndpoint {
			fields["token"], fields["webSocketAddresses"] = room.entrance(callerOf(r).account, true)
		}
		v.writeJSON(w, r, fields)
	case CodeOffline:
		v.writeJSON(w, r, object{"result": CodeOK, "liveStream": object{"living": false, "user": object{"user_name": room.name()}}})
	default:
		v.writeJSON(w, r, object{"result": v.code, "error_msg": Title(v.code)})
	}
}

// serveShortLink leads to one of the forms of the room's address, by the number
// behind the code: see ShortLinks.
func (s *Simulator) serveShortLink(w http.ResponseWriter, r *http.Request) {
	code, number, _ := strings.Cut(r.PathValue("code"), "-")
	room := s.byCode(code)
	form, err := strconv.Atoi(cmp.Or(number, "0"))
	if room == nil || err != nil || form < 0 || form >= len(pageForms) {
		http.NotFound(w, r)
		return
	}
	v := s.judge(r, CallShortLink, room.liveID, room, CodeOK)
	if v.answer != (Answer{}) {
		v.write(w, r, "text/html; charset=utf-8", nil)
		return
	}
	http.Redirect(w, r, s.url+pageForms[form]+room.liveID+"?shareId="+code, http.StatusFound)
}

// serveLogin is the page that who is not logged in is sent to.
func (s *Simulator) serveLogin(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8"><title>登录</title></head><body>请先登录</body></html>`)
}

func (s *Simulator) serveIcons(w http.ResponseWriter, r *http.Request) {
	icons := object{}
	for _, token := range []string{"[笑哭]", "[赞]", "[玫瑰]", "[捂脸]", "[爱心]", "[加油]", "[再见]", "[抱拳]"} {
		icons[token] = "https://p1.a.yximgs.com/emoji/" + shortCode(token) + ".png"
	}
	s.judge(r, CallIcons, "", nil, CodeOK).writeJSON(w, r, object{"data": icons})
}
