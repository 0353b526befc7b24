package simulator

import (
	"encoding/json"
	"errors"
	"strings"
)

// PageStyle is which of the shapes that pages have had a room's page has. The
// zero value is today's.
type PageStyle struct {
	// Old is a page from before mid 2023: liveroom is the room, without playList.
	Old bool `json:"old"`
	// Parsed writes the state as JSON.parse("…").
	Parsed bool `json:"parsed"`
	// Active is the room's place in playList, from 0 to 2, with activeIndex to
	// tell; the others are recommendations.
	Active int `json:"active"`
	// Endpoint fills websocketInfo, which is {} on most pages.
	Endpoint bool `json:"endpoint"`
	// Banned says in author.bannedStatus that the author is, and in nothing else.
	Banned bool `json:"banned"`
}

// SetPage makes the room's page so from now on.
func (s *Simulator) SetPage(liveID string, style PageStyle) error {
	if style.Active < 0 || style.Active > recommendations {
		return errors.New("the place of a room on its page is not between 0 and 2")
	}
	return s.with(liveID, func(r *room) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.page = style
		return nil
	})
}

// recommendations is how many rooms a page shows beside the one asked for.
const recommendations = 2

// initialState is the page's liveroom around the room's entry.
func (s *Simulator) initialState(style PageStyle, entry object) object {
	common := object{"websocketUrls": []any{}, "token": "", "noticeList": noticeList(), "loading": false}
	if style.Old {
		for name, value := range common {
			entry[name] = value
		}
		return object{"liveroom": entry}
	}
	list := s.recommended()
	list = append(list[:style.Active:style.Active], append([]object{entry}, list[style.Active:]...)...)
	common["activeIndex"], common["playList"] = style.Active, list
	return object{"liveroom": common}
}

// script is the JavaScript expression that the page assigns.
func (p PageStyle) script(state object) (string, error) {
	if p.Parsed {
		// What stands in a string is JSON, in which nothing can be undefined.
		text, err := json.Marshal(state)
		if err != nil {
			return "", err
		}
		quoted, err := json.Marshal(strings.ReplaceAll(string(text), unsetJSON, "null"))
		return "JSON.parse(" + string(quoted) + ")", err
	}
	text, err := json.Marshal(state)
	return strings.ReplaceAll(string(text), unsetJSON, "undefined"), err
}
