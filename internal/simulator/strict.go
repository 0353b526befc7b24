package simulator

import (
	"net/http"
	"strings"
)

// kuaishouOrigin is the site whose pages open sockets.
const kuaishouOrigin = "https://live.kuaishou.com"

// byUserRequest is what the mobile share page sends.
type byUserRequest struct {
	Source      int    `json:"source"`
	EID         string `json:"eid"`
	ShareMethod string `json:"shareMethod"`
	ClientType  string `json:"clientType"`
}

// strictly is the code for a call that says all that the site's own pages say, or
// need not: truth, else CodeBadParameter.
func (s *Simulator) strictly(complete bool, truth int) int {
	if s.options.Strict && !complete {
		return CodeBadParameter
	}
	return truth
}

// complete is whether the call has everything that the mobile page's has.
func (b byUserRequest) complete(r *http.Request) bool {
	query := r.URL.Query()
	return b.Source == 5 && b.ShareMethod == "card" && b.ClientType == "WEB_OUTSIDE_SHARE_H5" &&
		query.Get("kpn") == "GAME_ZONE" && query.Has("captchaToken")
}

// fromBrowser is whether a handshake is what a page of the site has a browser
// send: one of Kuaishou's, or of the simulator.
func (s *Simulator) fromBrowser(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return (origin == kuaishouOrigin || origin == s.url) && strings.HasPrefix(r.UserAgent(), "Mozilla/")
}
