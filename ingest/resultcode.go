package ingest

import (
	"fmt"
	"strings"
	"unicode"
)

// Result codes of Kuaishou, the same on pages, in REST answers and in a 103.
const (
	codeOK            = 1
	codeTooFast       = 2
	codeBusy          = 10
	codeServerError   = 11
	codeThrottled     = 15
	codeRepeated      = 16
	codeBadParameter  = 22
	codeNotLoggedIn   = 109
	codeLiveEnded     = 601
	codeKicked        = 606
	codeNotLive       = 671
	codeSocialBanned  = 672
	codeBanned        = 677
	codeLoginCode     = 705
	codeNoAuthor      = 999
	codeBadToken      = 6001
	codeLoginNeeded   = 60200
	codePasswordRoom  = 67601
	codeRegion        = 67606
	codeBannedInRoom  = 69101
	codeSliderCaptcha = 400002
)

// resultCode is what a code means for a room. How long until it is looked at
// again is a matter of the state: see DefaultRetryDelays.
type resultCode struct {
	code     int
	name     string // Kuaishou's own words where they are known, else what is reported of it
	state    State
	sentence string // for a person; empty: the state's
	cure     string // what a person can do, for docs/kuaishou.md
}

const (
	cureWait    = "Nothing; it asks less often by itself. A logged-in cookie, more accounts or a proxy help."
	cureLogin   = "Supply a cookie that has `kuaishou.live.web_st`."
	cureCaptcha = "Solve the slider in the browser that the cookie is from, and copy the cookie again."
	cureOther   = "Nothing, for this account; the room's own owner or Kuaishou decided it."
)

// resultCodes are all codes that are known. docs/kuaishou.md shows this table,
// and a test compares the two.
var resultCodes = []resultCode{
	{codeTooFast, "请求过快，请稍后重试", StateRateLimited, "", cureWait},
	{codeBusy, "服务器繁忙", StateUnreachable, "Kuaishou's servers are busy", "Nothing; it tries again."},
	{codeServerError, "server error", StateUnreachable, "Kuaishou's servers have an error", "Nothing; it tries again."},
	{codeThrottled, "throttled", StateRateLimited, "", cureWait},
	{codeRepeated, "repeated request", StateRateLimited, "Kuaishou says that the same was asked before; asking less often", cureWait},
	{codeBadParameter, "错误代码22", StateNotFound, "", "Check the live ID: open the room in a browser and copy its address."},
	{codeNotLoggedIn, "not logged in", StateLoginRequired, "", cureLogin},
	{codeLiveEnded, "直播已结束", StateEnded, "", "None is needed; the next broadcast is waited for."},
	{codeKicked, "kicked", StateBanned, "this account was kicked out of the room", "Another account; it tries again by itself, too."},
	{codeNotLive, "author not live", StateOffline, "", "None is needed."},
	{codeSocialBanned, "socially banned", StateBanned, "the room is closed: Kuaishou has banned the author or this account from social functions", cureOther},
	{codeBanned, "banned", StateBanned, "the room is closed: Kuaishou has banned the author", cureOther},
	{codeLoginCode, "login needs code", StateLoginRequired, "Kuaishou wants the login to be confirmed with a code", "Log in once more in the browser, and copy the cookie again."},
	{codeNoAuthor, "主播信息为空", StateNotFound, "", "Check the live ID: open the room in a browser and copy its address."},
	{codeBadToken, "bad token", StateUnreachable, "Kuaishou does not accept the token", "None is needed: a new one is asked for. An endpoint that you gave yourself has grown old: resolve it again."},
	{codeLoginNeeded, "login needed (anti-spider)", StateLoginRequired, "", cureLogin},
	{codePasswordRoom, "password room", StatePassword, "", "Enter the room in a browser and give its endpoint."},
	{codeRegion, "region", StateBanned, "the room is closed to the region of this machine's address", "An account with a proxy in another region."},
	{codeBannedInRoom, "banned from room", StateBanned, "the author has banned this account from the room", "Another account."},
	{codeSliderCaptcha, "请完成滑块验证", StateCaptcha, "", cureCaptcha},
}

// lookUpCode finds a code in the table. One that is not known is the server's
// own trouble until somebody learns more.
func lookUpCode(code int) resultCode {
	for _, known := range resultCodes {
		if known.code == code {
			return known
		}
	}
	return resultCode{code: code, state: StateUnreachable, sentence: "Kuaishou answered with an error"}
}

// stateOfCode says what a result code means for the room. Codes that are the
// server's own trouble, and those not known, are StateUnreachable.
func stateOfCode(code int) State {
	if code == codeOK {
		return StateLive
	}
	return lookUpCode(code).state
}

// reasonOfCode is the sentence for a result code with Kuaishou's own words.
func reasonOfCode(code int, message string) string {
	known := lookUpCode(code)
	sentence := known.sentence
	if sentence == "" {
		sentence = known.state.Sentence()
	}
	if message = quotable(message); message != "" {
		return fmt.Sprintf("%s (code %d: %s)", sentence, code, message)
	}
	return fmt.Sprintf("%s (code %d)", sentence, code)
}

// quotable makes text from outside fit for a log line or a table cell: one
// line of valid UTF-8, 200 characters at most.
func quotable(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r)
	}), " ")
	if runes := []rune(s); len(runes) > 200 {
		return string(runes[:200]) + "…"
	}
	return s
}
