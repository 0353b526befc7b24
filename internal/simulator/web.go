package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// routes are all paths: those of Kuaishou's hosts, and our own below /simulator/.
func (s *Simulator) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /u/{eid}", s.servePage)
	mux.HandleFunc("GET /s/{code}", s.serveShortLink)
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

// serveSocket is one of a room's two websocket URLs. A dead one hangs up.
func (s *Simulator) serveSocket(w http.ResponseWriter, r *http.Request) {
	room := s.byCode(r.PathValue("code"))
	if room == nil {
		http.NotFound(w, r)
		return
	}
	if room.dead(strings.HasPrefix(r.URL.Path, "/websocket/group1/")) {
		panic(http.ErrAbortHandler)
	}
	s.acceptSocket(w, r)
}

// object is a JSON object.
type object map[string]any

// verdict is what a call is about to answer for a room.
type verdict struct {
	code   int // CodeOK, or why not
	delay  time.Duration
	broken bool
}

// judge decides on a call; room is nil when there is none.
func judge(room *room, call string) verdict {
	if room == nil {
		return verdict{code: CodeNoAuthor}
	}
	room.mu.Lock()
	defer room.mu.Unlock()
	v := verdict{code: CodeOK, delay: room.answer.Delay, broken: room.answer.Broken}
	if room.answer.Code != 0 && (room.answer.Call == "" || room.answer.Call == call) {
		v.code = room.answer.Code
	} else if !room.live {
		v.code = CodeOffline
	}
	return v
}

// write answers body, late or cut in the middle when the verdict says so.
func (v verdict) write(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	if v.delay > 0 {
		timer := time.NewTimer(v.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	if v.broken {
		body = body[:len(body)/2]
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(body)
}

func (v verdict) writeJSON(w http.ResponseWriter, r *http.Request, answer any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(answer); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	v.write(w, r, "application/json; charset=utf-8", body.Bytes())
}

// data answers {"data":{"result":code,…}}: HTTP 200 whatever the code.
func (v verdict) data(w http.ResponseWriter, r *http.Request, fields object) {
	fields["result"] = v.code
	if v.code != CodeOK {
		fields["error_msg"] = title(v.code)
	}
	v.writeJSON(w, r, object{"data": fields})
}

func (s *Simulator) serveDetail(w http.ResponseWriter, r *http.Request) {
	room := s.room(r.FormValue("principalId"))
	v := judge(room, "livedetail")
	fields := object{}
	if v.code == CodeOK || v.code == CodeOffline {
		fields = room.detail(v.code)
	}
	v.data(w, r, fields)
}

// serveSocketInfo is where the token and the two URLs of a broadcast come from.
func (s *Simulator) serveSocketInfo(w http.ResponseWriter, r *http.Request) {
	room, v := s.byStream(r.FormValue("liveStreamId"), "websocketinfo")
	fields := object{}
	if v.code == CodeOK {
		token, urls := room.entrance()
		fields = object{"token": token, "websocketUrls": urls}
	}
	v.data(w, r, fields)
}

// byStream finds the room whose current broadcast streamID is.
func (s *Simulator) byStream(streamID, call string) (*room, verdict) {
	s.mu.RLock()
	room := s.entrances[streamID]
	s.mu.RUnlock()
	if room == nil {
		return nil, verdict{code: CodeBadParameter}
	}
	v := judge(room, call)
	if v.code == CodeOK && room.state().LiveStreamID != streamID {
		v.code = CodeEnded
	}
	return room, v
}

// entrance is the token and the websocket URLs of the current broadcast. While
// reconnects are refused, it is a token that nobody has entered with.
func (r *room) entrance() (token string, urls []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	base := "ws" + r.simulator.url[len("http"):] + "/websocket/"
	code := "/" + shortCode(r.liveID)
	urls = []string{base + "group1" + code, base + "group2" + code}
	if r.faults.RefuseReconnect && r.used[r.token()] {
		r.renewals++
		r.used[r.token()] = false
	}
	return r.token(), urls
}

func (s *Simulator) serveRecall(w http.ResponseWriter, r *http.Request) {
	var request struct {
		LiveStreamID      string           `json:"liveStreamId"`
		FeedTypeCursorMap map[string]int64 `json:"feedTypeCursorMap"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxMessage)).Decode(&request); err != nil {
		verdict{code: CodeBadParameter}.data(w, r, object{})
		return
	}
	room, v := s.byStream(request.LiveStreamID, "recall")
	fields := object{}
	if v.code == CodeOK {
		var err error
		if fields, err = room.history(request.FeedTypeCursorMap); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	v.data(w, r, fields)
}

// history is the last comments of the current broadcast.
func (r *room) history(cursors map[string]int64) (object, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.generator.recent.answer(r.generator.streamID, cursors)
}

func (s *Simulator) serveStatus(w http.ResponseWriter, r *http.Request) {
	_, v := s.byStream(r.FormValue("liveStreamId"), "status")
	living := v.code == CodeOK
	if v.code == CodeOffline || v.code == CodeEnded {
		v.code = CodeOK
	}
	v.data(w, r, object{"living": living})
}

// serveByUser is the mobile share page's call: everything in one answer.
func (s *Simulator) serveByUser(w http.ResponseWriter, r *http.Request) {
	var request struct {
		EID string `json:"eid"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, maxMessage)).Decode(&request); err != nil {
		verdict{}.writeJSON(w, r, object{"result": CodeBadParameter})
		return
	}
	room := s.room(request.EID)
	v := judge(room, "byUser")
	switch v.code {
	case CodeOK:
		token, urls := room.entrance()
		v.writeJSON(w, r, object{
			"result": CodeOK, "token": token, "webSocketAddresses": urls,
			"liveStream": object{
				"liveStreamId": room.state().LiveStreamID, "living": true, "caption": caption, "user": object{"user_name": room.name()},
			},
		})
	case CodeOffline:
		v.writeJSON(w, r, object{"result": CodeOK, "liveStream": object{"living": false, "user": object{"user_name": room.name()}}})
	default:
		v.writeJSON(w, r, object{"result": v.code, "error_msg": title(v.code)})
	}
}

func (s *Simulator) serveShortLink(w http.ResponseWriter, r *http.Request) {
	room := s.byCode(r.PathValue("code"))
	if room == nil {
		http.NotFound(w, r)
		return
	}
	http.Redirect(w, r, s.url+"/u/"+room.liveID+"?shareId="+r.PathValue("code"), http.StatusFound)
}

func (s *Simulator) serveAllGifts(w http.ResponseWriter, r *http.Request) {
	gifts := object{}
	for _, gift := range catalogue {
		gifts[strconv.FormatUint(uint64(gift.ID), 10)] = object{"giftName": gift.Name, "giftUrl": giftURL(gift)}
	}
	verdict{}.writeJSON(w, r, object{"data": gifts})
}

func (s *Simulator) serveGiftList(w http.ResponseWriter, r *http.Request) {
	_, v := s.byStream(r.FormValue("liveStreamId"), "gift-list")
	fields := object{}
	if v.code == CodeOK {
		fields = object{"giftList": giftList(), "token": "gift-list"}
	}
	v.data(w, r, fields)
}

func (s *Simulator) serveCatalogue(w http.ResponseWriter, r *http.Request) {
	verdict{}.writeJSON(w, r, object{"result": CodeOK, "gifts": giftList()})
}

func giftList() []object {
	var gifts []object
	for _, gift := range catalogue {
		gifts = append(gifts, object{
			"id": gift.ID, "name": gift.Name, "type": 1, "giftTypeName": "普通礼物", "unitPrice": gift.UnitPrice,
			"virtualPrice": gift.UnitPrice, "maxBatchSize": 1314, "canCombo": gift.CanCombo,
			"picUrl": []object{{"cdn": "p1.a.yximgs.com", "url": giftURL(gift)}},
		})
	}
	return gifts
}

func giftURL(gift catalogueGift) string {
	return fmt.Sprintf("https://p1.a.yximgs.com/gift/%d.png", gift.ID)
}

func (s *Simulator) serveIcons(w http.ResponseWriter, r *http.Request) {
	icons := object{}
	for _, token := range []string{"[笑哭]", "[赞]", "[玫瑰]", "[捂脸]", "[爱心]", "[加油]", "[再见]", "[抱拳]"} {
		icons[token] = "https://p1.a.yximgs.com/emoji/" + shortCode(token) + ".png"
	}
	verdict{}.writeJSON(w, r, object{"data": icons})
}
