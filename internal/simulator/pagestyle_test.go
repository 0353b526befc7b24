package simulator

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

type pageRoom struct {
	LiveStream struct{ ID string }
	Author     struct {
		ID           string
		BannedStatus struct{ Banned bool }
	}
	IsLiving      bool
	AuthToken     *string
	WebsocketInfo struct {
		Token              string
		WebSocketAddresses []string
	}
	Status struct{ ForbiddenState int }
}

func TestPageStyles(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	room, _ := s.Room(liveID)
	show := func(style PageStyle) string {
		t.Helper()
		if err := s.SetPage(liveID, style); err != nil {
			t.Fatal(err)
		}
		return get(t, s.URL()+"/u/"+liveID)
	}
	type listed struct {
		Liveroom struct {
			ActiveIndex int
			PlayList    []pageRoom
		}
	}
	list := func(page string) listed {
		match := stateScript.FindStringSubmatch(page)
		if match == nil {
			t.Fatalf("no state in %s", page)
		}
		return parse[listed](t, strings.ReplaceAll(match[1], ":undefined", ":null"))
	}

	old := stateScript.FindStringSubmatch(show(PageStyle{Old: true}))
	if entry := parse[struct{ Liveroom pageRoom }](t, strings.ReplaceAll(old[1], ":undefined", ":null")).Liveroom; entry.LiveStream.ID != room.LiveStreamID {
		t.Errorf("an old page shows %+v", entry)
	}
	if strings.Contains(old[1], "playList") {
		t.Error("an old page has a playList")
	}

	quoted := regexp.MustCompile(`window\.__INITIAL_STATE__=JSON\.parse\((".*?[^\\]")\);\(function`).FindStringSubmatch(show(PageStyle{Parsed: true}))
	var text string
	if quoted == nil || json.Unmarshal([]byte(quoted[1]), &text) != nil {
		t.Fatal("no JSON.parse on the page")
	}
	if got := parse[listed](t, text).Liveroom.PlayList[0]; got.LiveStream.ID != room.LiveStreamID {
		t.Errorf("a parsed page shows %+v", got)
	}

	for active := range 3 {
		state := list(show(PageStyle{Active: active})).Liveroom
		if state.ActiveIndex != active || len(state.PlayList) != 3 {
			t.Fatalf("place %d: index %d of %d", active, state.ActiveIndex, len(state.PlayList))
		}
		for i, entry := range state.PlayList {
			if (entry.Author.ID == liveID) != (i == active) {
				t.Errorf("place %d: %s is at %d", active, entry.Author.ID, i)
			}
		}
	}
	if entry := list(show(PageStyle{Endpoint: true})).Liveroom.PlayList[0]; entry.WebsocketInfo.Token != room.Token ||
		len(entry.WebsocketInfo.WebSocketAddresses) != 2 {
		t.Errorf("with an endpoint: %+v", entry)
	}
	if entry := list(show(PageStyle{Banned: true})).Liveroom.PlayList[0]; entry.IsLiving || !entry.Author.BannedStatus.Banned || entry.Status.ForbiddenState != 0 {
		t.Errorf("a banned author: %+v", entry)
	}
	for _, entry := range list(show(PageStyle{Stranger: true})).Liveroom.PlayList {
		if entry.Author.ID == liveID || !entry.IsLiving {
			t.Errorf("a page about somebody else shows %+v", entry)
		}
	}
	if s.SetPage(liveID, PageStyle{Active: 3}) == nil {
		t.Error("a fourth place")
	}
}

func TestShortLinksLeadToEveryForm(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	v := visit(t, "127.0.0.1", "")
	for i, link := range s.ShortLinks(liveID) {
		response, err := v.ask(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		to, _ := response.Location()
		if response.StatusCode != http.StatusFound || !strings.HasPrefix(to.Path, pageForms[i]+liveID) {
			t.Errorf("%s leads to %v", link, to)
			continue
		}
		if !strings.Contains(get(t, to.String()), liveID) {
			t.Errorf("%v does not show the room", to)
		}
	}
}

// TestNoEndpointForGuests is the answer without a token to who is not logged in.
func TestNoEndpointForGuests(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 1})
	room, _ := s.Room(liveID)
	setPolicy(t, s, Policy{Name: "login", Account: AnyGuest, Answer: Answer{NoEndpoint: true}})
	api := s.URL() + "/live_api/liveroom/"
	for _, url := range []string{api + "websocketinfo?liveStreamId=" + room.LiveStreamID, api + "livedetail?principalId=" + liveID} {
		for cookies, want := range map[string]bool{"did=web_1": false, loggedIn: true} {
			response, err := visit(t, "127.0.0.1", cookies).ask(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			if body := bodyOf(t, response); strings.Contains(body, `"token":"`) != want || !strings.Contains(body, `"result":1`) {
				t.Errorf("%s with %q: %s", url, cookies, body)
			}
		}
	}
}
