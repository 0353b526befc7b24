package simulator

import (
	"net/http"
	"testing"

	"github.com/gorilla/websocket"
)

func TestStrict(t *testing.T) {
	t.Parallel()
	const browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
	for _, strict := range []bool{true, false} {
		s, liveID := startLive(t, Options{Seed: 1, Strict: strict})
		state, err := s.Room(liveID)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			origin, userAgent string
			well              bool
		}{
			{kuaishouOrigin, browser, true},
			{s.URL(), browser, true},
			{"", browser, false},
			{"https://example.com", browser, false},
			{kuaishouOrigin, "", false},
			{kuaishouOrigin, "Go-http-client/1.1", false},
		} {
			header := http.Header{"User-Agent": {test.userAgent}}
			if test.origin != "" {
				header.Set("Origin", test.origin)
			}
			socket, response, err := websocket.DefaultDialer.Dial("ws"+s.URL()[len("http"):]+"/websocket/group1/"+shortCode(liveID), header)
			if err == nil {
				_ = socket.Close()
			}
			if response == nil || (err == nil) != (test.well || !strict) || err != nil && response.StatusCode != http.StatusForbidden {
				t.Errorf("strict %v: handshake %+v: %v", strict, test, err)
			}
		}
		type info struct{ Data struct{ Result int } }
		type byUser struct{ Result int }
		const whole = `{"source":5,"shareMethod":"card","clientType":"WEB_OUTSIDE_SHARE_H5","eid":"`
		for query, well := range map[string]bool{"&caver=2": true, "": false, "&caver=1": false} {
			got := parse[info](t, get(t, s.URL()+"/live_api/liveroom/websocketinfo?liveStreamId="+state.LiveStreamID+query)).Data.Result
			if (got == CodeOK) != (well || !strict) || got != CodeOK && got != CodeBadParameter {
				t.Errorf("strict %v: websocketinfo %q: %d", strict, query, got)
			}
		}
		for _, test := range []struct {
			query, body string
			well        bool
		}{
			{"?kpn=GAME_ZONE&captchaToken=", whole, true},
			{"?kpn=GAME_ZONE", whole, false},
			{"?captchaToken=", whole, false},
			{"?kpn=GAME_ZONE&captchaToken=", `{"source":5,"eid":"`, false},
			{"?kpn=GAME_ZONE&captchaToken=", `{"shareMethod":"card","clientType":"WEB_OUTSIDE_SHARE_H5","eid":"`, false},
		} {
			got := parse[byUser](t, post(t, s.URL()+"/rest/k/live/byUser"+test.query, test.body+liveID+`"}`)).Result
			if (got == CodeOK) != (test.well || !strict) || got != CodeOK && got != CodeBadParameter {
				t.Errorf("strict %v: byUser %+v: %d", strict, test, got)
			}
		}
	}
}
