package main

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"kslive/internal/simulator"
)

// watching is for how long it is watched what a client does that was refused, and
// watchingLong so that one is found out that only waits a little before it asks on.
const (
	watching     = 5 * time.Second
	watchingLong = 50 * time.Second
)

// refused is about not making a refusal worse.
var refused = append(refusals(), []scenario{
	{
		name: "websocketinfo-limited", section: "1.3",
		must:   "does not ask websocketinfo in a loop while it says 请求过快, which prolongs the block",
		before: []step{answers("says 请求过快 on websocketinfo and on what else has a token", simulator.Answer{Code: simulator.CodeTooFast, Call: "websocketinfo,livedetail,byUser"})},
		script: []step{calls, asksSeldom(2, watching), neverDials},
	},
	{
		name: "limited-for-long", section: "7",
		must:   "slows down for minutes when all calls say 请求过快",
		before: []step{answers("says 请求过快 on every page and call", simulator.Answer{Code: simulator.CodeTooFast})},
		script: []step{calls, asksSeldom(2, watchingLong), neverDials},
	},
	{
		name: "captcha-for-long", section: "7",
		must:   "asks no more with a device that is to solve a captcha",
		before: []step{answers("asks for a captcha on every page and call", simulator.Answer{Code: simulator.CodeCaptcha})},
		script: []step{calls, asksSeldom(2, watchingLong), neverDials},
	},
	{
		name: "websocketinfo-empty", section: "7",
		must:   "knows a result 1 without token and URLs for a login that is needed, and opens no socket",
		before: []step{answers("leaves token and URLs out, as for guests", simulator.Answer{NoEndpoint: true})},
		script: []step{calls, asksSeldom(2, watching), neverDials},
	},
	{
		name: "captcha-page", section: "1.2",
		must:   "stops at a page that is nothing but a captcha",
		before: []step{answers("shows a captcha on the page, and 400002 elsewhere", simulator.Answer{CaptchaPage: true, Code: simulator.CodeCaptcha})},
		script: []step{calls, asksSeldom(2, watching), neverDials},
	},
	{
		name: "login-redirect", section: "7",
		must: "does not go round in circles when the page redirects to a login",
		before: []step{
			answers("redirects the page to a login host", simulator.Answer{LoginPage: true, Call: simulator.CallPage}),
			answers("asks for a login on every other call", simulator.Answer{Code: simulator.CodeLogin}),
		},
		script: []step{calls, asksSeldom(2, watching), neverDials},
	},
	{
		name: "retry-after", section: "7",
		must: "keeps to Retry-After: asks nothing the same again before",
		before: []step{answers("answers HTTP 429 with Retry-After: 60", simulator.Answer{
			Status: http.StatusTooManyRequests, RetryAfter: time.Minute,
		})},
		script: []step{calls, asksSeldom(1, watching), neverDials},
	},
	{
		name: "forbidden", section: "7", must: "does not repeat what HTTP 403 forbids",
		before: []step{answers("answers HTTP 403", simulator.Answer{Status: http.StatusForbidden})},
		script: []step{calls, asksSeldom(2, watching), neverDials},
	},
	{
		name: "unavailable", section: "7", must: "asks seldom while the server fails",
		before: []step{answers("answers HTTP 503", simulator.Answer{Status: http.StatusServiceUnavailable})},
		script: []step{calls, asksSeldom(4, watching), neverDials},
	},
	{
		name: "broken", section: "8", must: "asks seldom while answers are cut in the middle",
		before: []step{answers("cuts every answer in the middle", simulator.Answer{Broken: true})},
		script: []step{calls, asksSeldom(4, watching), neverDials},
	},
	{
		name: "empty", section: "8", must: "asks seldom while answers are empty",
		before: []step{answers("sends empty answers", simulator.Answer{Empty: true})},
		script: []step{calls, asksSeldom(4, watching), neverDials},
	},
	{
		name: "hanging", section: "8", must: "asks seldom while answers do not come",
		before: []step{answers("answers no call", simulator.Answer{Delay: time.Hour})},
		script: []step{calls, asksSeldom(4, watching), neverDials},
	},
	{
		name: "recall-pace", section: "2.7",
		must:   "recalls comments every 3 s at most, if it does at all",
		before: []step{answers("asks guests for a login on websocketinfo and what else has a token", simulator.Answer{Code: simulator.CodeLogin, Call: "websocketinfo,livedetail,byUser"})},
		script: []step{calls, never("recalls at most once in 3 s", 2*watching, func(s *stage) error {
			var recalls []simulator.Call
			for _, call := range s.simulator.Calls() {
				if call.Name == simulator.CallRecall {
					recalls = append(recalls, call)
				}
			}
			// What left 3 s apart may arrive a little closer.
			if report := simulator.Report(recalls, 2500*time.Millisecond); report.Calls[simulator.CallRecall].Busiest > 1 {
				return errors.New("it recalled more often")
			}
			return nil
		})},
	},
}...)

// refusals is a scenario for each result code: all calls are answered with it.
func refusals() []scenario {
	var list []scenario
	like := ""
	for _, code := range simulator.Codes() {
		name := fmt.Sprintf("code-%d", code)
		list = append(list, scenario{
			name: name, section: "1.3", as: like,
			must:   fmt.Sprintf("takes %d (%s) for an answer: it opens no socket and does not ask on", code, simulator.Title(code)),
			before: []step{answers(fmt.Sprintf("answers every page and call with %d", code), simulator.Answer{Code: code})},
			script: []step{calls, asksSeldom(2, watching), neverDials},
		})
		like = list[0].name
	}
	return list
}
