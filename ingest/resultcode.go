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

// stateOfCode says what a result code means for the room. Codes that are the
// server's own trouble, and those not known, are StateUnreachable.
func stateOfCode(code int) State {
	switch code {
	case codeOK:
		return StateLive
	case codeTooFast, codeThrottled, codeRepeated:
		return StateRateLimited
	case codeBadParameter, codeNoAuthor:
		return StateNotFound
	case codeNotLoggedIn, codeLoginNeeded, codeLoginCode:
		return StateLoginRequired
	case codeLiveEnded:
		return StateEnded
	case codeNotLive:
		return StateOffline
	case codeKicked, codeSocialBanned, codeBanned, codeBannedInRoom, codeRegion:
		return StateBanned
	case codePasswordRoom:
		return StatePassword
	case codeSliderCaptcha:
		return StateCaptcha
	}
	return StateUnreachable
}

// reasonOfCode is the sentence for a result code with Kuaishou's own words.
func reasonOfCode(code int, message string) string {
	state := stateOfCode(code)
	sentence := state.Sentence()
	switch {
	case code == codeRegion:
		sentence = "the room is closed to the region of this machine's address"
	case code == codeBadToken:
		sentence = "Kuaishou does not accept the token"
	case state == StateUnreachable:
		sentence = "Kuaishou answered with an error"
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
