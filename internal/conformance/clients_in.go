package main

import (
	"errors"
	"fmt"
	"time"

	"kslive/internal/simulator"
)

// gettingIn is about finding the broadcast and entering it.
var gettingIn = []scenario{
	{
		name: "enter", section: "2.2",
		must:   "sends CS_ENTER_ROOM (200) with token and liveStreamId as the first message, once, and nothing but binary SocketMessages ever",
		script: []step{enters(1), rightRoom, counted(0, 0)},
	},
	{
		name: "short-link", section: "1.1",
		must:   "takes a short link for the room that it redirects to",
		given:  func(s *stage) string { return s.simulator.ShortLink(s.liveID) },
		script: []step{enters(1), rightRoom},
	},
	{
		name: "many-rooms", section: "1.3",
		must: "can be started ten times at once, for a room each: every one enters its own, once, and stays",
		script: []step{
			server("puts nine more rooms on air, each with a client of its own", func(s *stage) error {
				for range 9 {
					if err := s.startOther(); err != nil {
						return err
					}
				}
				return nil
			}),
			enters(10),
			never("stays in every room, and enters none twice", 2*heartbeat, func(s *stage) error {
				for _, room := range s.simulator.Rooms() {
					if room.Connections != 1 {
						return fmt.Errorf("of room %s there are %d connections", room.LiveID, room.Connections)
					}
				}
				if n := len(s.record.attempts); n != 10 {
					return fmt.Errorf("there were %d handshakes", n)
				}
				return nil
			}),
		},
	},
	{
		name: "page-parsed", section: "1.2",
		must:   "reads pages whose state is JSON.parse(\"…\"), or finds the room by other calls",
		before: []step{page("writes the page's state as JSON.parse(\"…\")", simulator.PageStyle{Parsed: true})},
		script: []step{enters(1), rightRoom},
	},
	{
		name: "page-old", section: "1.2",
		must:   "reads pages without playList, as before mid 2023, or finds the room by other calls",
		before: []step{page("writes the page as before mid 2023", simulator.PageStyle{Old: true})},
		script: []step{enters(1), rightRoom},
	},
	{
		name: "page-active", section: "1.2",
		must:   "takes playList[activeIndex] and never a recommendation",
		before: []step{page("puts the room last in playList, with activeIndex 2", simulator.PageStyle{Active: 2})},
		script: []step{enters(1), rightRoom},
	},
	{
		name: "page-offline", section: "1.2",
		must: "enters no recommended room when the one asked for is not live",
		before: []step{
			server("ends the live; the page shows two recommendations that are on air", func(s *stage) error { return s.simulator.EndQuietly(s.liveID) }),
		},
		script: []step{calls, asksSeldom(3, watching), neverDials, notOfOthers},
	},
	{
		name: "page-stranger", section: "1.2",
		must:   "checks that author.id on the page is who was asked for",
		before: []step{page("shows a page about another author, who is on air", simulator.PageStyle{Stranger: true})},
		script: []step{calls, asksSeldom(3, watching), notOfOthers, holds("has entered the room asked for, or none", func(s *stage) error {
			for _, a := range s.record.entries() {
				if !a.acked {
					return fmt.Errorf("it entered %q", a.entry.LiveStreamId)
				}
			}
			return nil
		})},
	},
	{
		name: "page-blocked", section: "1.3",
		must:   "does not hammer a page that asks for a captcha, and enters by nothing that is not good; other calls may do",
		before: []step{answers("asks for a captcha on the page", simulator.Answer{Call: simulator.CallPage, CaptchaPage: true})},
		script: []step{calls, asksSeldom(3, watching), holds("has entered the room, or given up quietly", func(s *stage) error {
			for _, a := range s.record.entries() {
				if !a.acked && !s.client.gone() {
					return errors.New("it entered with what is not good")
				}
			}
			return nil
		})},
	},
	{
		name: "slow", section: "8", must: "waits for answers that take three seconds",
		before: []step{answers("answers every call 3 s late", simulator.Answer{Delay: 3 * time.Second})},
		script: []step{enters(1), rightRoom},
	},
	{
		name: "late-ack", section: "2.3", must: "waits for a 300 that takes three seconds",
		before: []step{sockets("lets in 3 s late", simulator.Faults{AckDelay: 3 * time.Second})},
		script: []step{enters(1), holds("entered once", func(s *stage) error {
			if n := len(s.record.attempts); n != 1 {
				return fmt.Errorf("it connected %d times", n)
			}
			return nil
		})},
	},
	{
		name: "mobile-token", section: "1.3",
		must: "enters with a token from byUser as the mobile page does: fields 8 and 9, no pageId; or does not use byUser",
		before: []step{answers("asks for a login on page, livedetail and websocketinfo",
			simulator.Answer{Code: simulator.CodeLogin, Call: "page,livedetail,websocketinfo"})},
		script: []step{calls, asksSeldom(3, watching), holds("has entered with fields 8 and 9, or not at all", func(s *stage) error {
			for _, a := range s.record.entries() {
				if !mobile(a.entry) {
					return errors.New("it entered like the web player")
				}
			}
			return nil
		})},
	},
	{
		name: "first-url-dead", section: "2.1",
		must:   "tries the next URL when one does not answer, 1 to 5 s later",
		before: []step{sockets("does not answer the handshake at the first URL", simulator.Faults{DeadFirstURL: true})},
		script: []step{enters(1), rightRoom, holds("tried the first URL, waited 1 s at least, and entered at the second", func(s *stage) error {
			return turns(s.record.attempts)
		})},
	},
	{
		name: "urls-dead", section: "2.1",
		must:   "does not hammer when no URL answers: a second at least between two handshakes, and the URLs in turn",
		before: []step{sockets("does not answer the handshake at any URL", simulator.Faults{DeadURLs: true})},
		script: []step{
			calls,
			expect("tries twice", entering, func(s *stage) bool { return len(s.record.attempts) >= 2 }),
			never("tries each URL in turn, with a second between", watching, func(s *stage) error { return turns(s.record.attempts) }),
		},
	},
}

// notOfOthers is that websocketinfo is asked for no broadcast but the room's own:
// those of recommended rooms the simulated Kuaishou does not know.
var notOfOthers = holds("asks websocketinfo for no other room's broadcast", func(s *stage) error {
	for _, call := range s.simulator.Calls() {
		if call.Name == simulator.CallWebsocketInfo && call.LiveID != s.liveID {
			return errors.New("it asked for another")
		}
	}
	return nil
})

// turns is that attempts are at one URL after the other, with time between.
func turns(attempts []*attempt) error {
	for i, a := range attempts[1:] {
		if a.group == attempts[i].group {
			return fmt.Errorf("attempts %d and %d are at the same URL", i+1, i+2)
		}
		if gap := a.at.Sub(attempts[i].at); gap < unknownReconnect {
			return fmt.Errorf("attempt %d came %v after the one before", i+2, gap.Round(time.Millisecond))
		}
	}
	return nil
}
