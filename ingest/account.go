package ingest

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cespare/xxhash/v2"
)

// loginCookie is what only the browser of somebody who is logged in has.
const loginCookie = "kuaishou.live.web_st"

// socketPause is for how long an account does not ask websocketinfo, whatever the
// room, once its answer is known: a guest's when a login was wanted, anybody's
// when it was 请求过快 for the second time in a row although pages are shown, as it
// is to calls that are not signed and to old cookies. Asking on is what gets an
// address blocked; what else brings in a room is still asked.
const socketPause = 10 * time.Minute

// account is one visitor of Kuaishou: cookies, and the exit that it comes from.
type account struct {
	spec      accountSpec
	jar       http.CookieJar
	loggedIn  bool
	proxy     *url.URL // nil: none of its own. It can hold a password.
	transport http.RoundTripper
	exit      *exit
	line      *line

	// Guarded by accounts.mu.
	health     health
	noSocket   time.Time      // until when websocketinfo is not asked
	socketFast int            // how often in a row it was 请求过快, while pages were shown
	doubts     map[string]int // by kind of call: how often in a row it was answered as if a login or a captcha was wanted
	since      time.Time      // when it was read
	gone       bool           // the operator took it out, or changed it
	calls      uint64
	refusals   uint64
}

// newAccount makes an account that comes from exit; base is the transport of
// those without a proxy.
func newAccount(spec accountSpec, host *url.URL, base http.RoundTripper, exit *exit) (*account, error) {
	jar, loggedIn, err := newJar(host, spec.cookies)
	if err != nil {
		return nil, err
	}
	a := &account{spec: spec, jar: jar, loggedIn: loggedIn, proxy: spec.exitProxy(), transport: base, exit: exit, since: time.Now(), doubts: make(map[string]int)}
	if a.proxy != nil {
		a.transport = proxied(base, a.proxy)
	}
	a.line = exit.budget.open(spec.interval)
	return a, nil
}

// close sends away the calls that wait for their turns.
func (a *account) close() {
	a.line.close()
	if a.proxy != nil {
		(&http.Client{Transport: a.transport}).CloseIdleConnections()
	}
}

// usable says whether calls may be made. The caller holds accounts.mu.
func (a *account) usable(now time.Time) bool {
	return !a.gone && !a.health.rests(now) && !a.exit.health.rests(now)
}

// resting is why and until when no calls are made: of the account's reasons and
// its exit's the one that lasts longer. The caller holds accounts.mu.
func (a *account) resting(now time.Time) (health, bool) {
	own, shared := a.health.rests(now), a.exit.health.rests(now)
	switch {
	case own && (!shared || a.health.until.IsZero() || a.health.until.After(a.exit.health.until)):
		return a.health, true
	case shared:
		return a.exit.health, true
	}
	return health{}, false
}

// weight is how strongly a room is drawn to the account. A room goes to the one
// that draws it most of those that can be used, so that only the rooms of an
// account that goes out move, and come back to it.
func (a *account) weight(liveID string) uint64 {
	return xxhash.Sum64String(liveID + "\x00" + a.spec.name)
}

func (a *account) String() string {
	return fmt.Sprintf("account %q (by %s)", a.spec.name, a.exit.name)
}
