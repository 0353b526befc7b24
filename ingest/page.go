package ingest

import (
	"fmt"
	"strings"
)

// roomInfo is what a room page or a livedetail answer says of a room.
type roomInfo struct {
	// code and message are the errorType of a page or the result of an answer;
	// code is 0 when the look-up went well.
	code    int
	message string
	// captcha is set when the page asks for one instead of showing the room.
	captcha bool

	living       bool
	liveStreamID string
	title        string
	authorID     string
	author       string
	forbidden    int  // status.forbiddenState
	banned       bool // author.bannedStatus.banned
	token        string
	urls         []string
}

// parsePage reads the room that a page is about. The pages' other entries are
// recommendations and are never looked at.
func parsePage(page []byte) (roomInfo, error) {
	captcha := captchaAssignment.Match(page)
	text, err := initialState(page)
	if err != nil {
		if captcha {
			return roomInfo{captcha: true}, nil
		}
		return roomInfo{}, err
	}
	state, err := parseLoose(text)
	if err != nil {
		if captcha {
			return roomInfo{captcha: true}, nil
		}
		return roomInfo{}, fmt.Errorf("__INITIAL_STATE__: %w", err)
	}
	room := state.at("liveroom") // itself the room before mid 2023
	if playList := room.at("playList").list(); len(playList) > 0 {
		active := room.at("activeIndex").number()
		if active < 0 || active >= len(playList) {
			active = 0
		}
		room = playList[active]
	}
	if !room.filled() {
		return roomInfo{captcha: captcha}, nil
	}
	info := readRoom(room)
	info.captcha = captcha
	info.living = room.at("isLiving").truth()
	failure := room.at("errorType")
	info.code = failure.at("type").number()
	info.message = strings.TrimSpace(failure.at("title").text() + " " + failure.at("content").text())
	return info, nil
}

// parseDetail reads the answer of livedetail.
func parseDetail(answer []byte) (roomInfo, error) {
	v, err := parseLoose(answer)
	if err != nil {
		return roomInfo{}, err
	}
	data := v.at("data")
	if !data.filled() {
		return roomInfo{}, fmt.Errorf("the answer holds no data")
	}
	info := readRoom(data)
	info.living = info.liveStreamID != ""
	if info.code = data.at("result").number(); info.code == codeOK {
		info.code = 0
	}
	info.message = answerMessage(data)
	return info, nil
}

// answerMessage returns what a REST answer says for people.
func answerMessage(data looseValue) string {
	for _, name := range []string{"error_msg", "errorMsg", "message", "msg", "title"} {
		if message := data.at(name).text(); message != "" {
			return message
		}
	}
	return ""
}

// readRoom reads what pages and livedetail have in common.
func readRoom(room looseValue) roomInfo {
	socket := room.at("websocketInfo")
	return roomInfo{
		liveStreamID: room.at("liveStream", "id").text(),
		title:        room.at("liveStream", "caption").text(),
		authorID:     room.at("author", "id").text(),
		author:       room.at("author", "name").text(),
		forbidden:    room.at("status", "forbiddenState").number(),
		banned:       room.at("author", "bannedStatus", "banned").truth(),
		token:        socket.at("token").text(),
		urls:         socketURLs(socket),
	}
}

// socketURLs reads the list under either of its two names.
func socketURLs(v looseValue) []string {
	var urls []string
	for _, name := range []string{"websocketUrls", "webSocketAddresses"} {
		for _, element := range v.at(name).list() {
			if u := element.text(); u != "" && len(urls) < maxSocketURLs {
				urls = append(urls, u)
			}
		}
	}
	return urls
}

// maxSocketURLs bounds what is kept of a list; two are usual.
const maxSocketURLs = 16

// judge says how it stands with the room that liveID asked for. A live room
// has no token yet when the page brought none.
func (info roomInfo) judge(liveID string) Resolution {
	found := Resolution{Author: info.author, Title: info.title}
	refuse := func(state State, code int, reason string) Resolution {
		found.State, found.Code, found.Reason = state, code, reason
		return found
	}
	// The error first: a page that was refused says isLiving false all the same.
	if info.code != 0 {
		state := stateOfCode(info.code)
		if state == StateLive || state == StateEnded {
			state = StateOffline
		}
		return refuse(state, info.code, reasonOfCode(info.code, info.message))
	}
	live := info.living && info.liveStreamID != ""
	if info.captcha && !live {
		found.weak = info.authorID != "" // the room is shown all the same
		return refuse(StateCaptcha, codeSliderCaptcha, StateCaptcha.Sentence())
	}
	switch {
	case info.authorID == "":
		return refuse(StateUnreachable, 0, joinReason("the page names no author", info.message))
	case !strings.EqualFold(info.authorID, liveID):
		return refuse(StateUnreachable, 0, fmt.Sprintf(
			"the page is about %s, not about %s; if they are the same author, use the first", quotable(info.authorID), liveID))
	case live:
		found.State = StateLive
		found.Endpoint = Endpoint{LiveStreamID: info.liveStreamID, Token: info.token, URLs: info.urls}
		return found
	case info.living:
		return refuse(StateUnreachable, 0, "the page says that the author is live, but not in which broadcast")
	case info.forbidden != 0 && info.forbidden != codeOK:
		state := stateOfCode(info.forbidden)
		if state == StateEnded {
			state = StateOffline
		}
		return refuse(state, info.forbidden, reasonOfCode(info.forbidden, info.message))
	case info.banned:
		return refuse(StateBanned, 0, StateBanned.Sentence())
	}
	return refuse(StateOffline, 0, StateOffline.Sentence())
}

// joinReason adds Kuaishou's own words to a sentence.
func joinReason(sentence, message string) string {
	if message = quotable(message); message == "" {
		return sentence
	}
	return fmt.Sprintf("%s (%s)", sentence, message)
}
