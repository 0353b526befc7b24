package main

import (
	"errors"
	"fmt"
	"time"

	"kslive/internal/simulator"
)

// stayingIn is about connections that last, and those that do not.
var stayingIn = []scenario{
	{
		name: "heartbeat", section: "2.3",
		must: "sends heartbeats (1) with the time in ms at the interval that the server told in 300",
		script: []step{
			enters(1),
			expect("sends four heartbeats", 4*heartbeat+slack, func(s *stage) bool { return len(lastEntry(s).heartbeats) >= 4 }),
			check("keeps the interval and tells the time", func(_ *stage, last *attempt) error { return regular(last.heartbeats) }),
		},
	},
	{
		name: "heartbeat-untold", section: "2.3",
		must:    "sends heartbeats every 20 s when 300 tells no interval",
		options: func(o *simulator.Options) { o.Heartbeat = usualHeartbeat },
		before:  []step{sockets("names no intervals in 300", simulator.Faults{BareAck: true})},
		script: []step{
			enters(1),
			expect("sends two heartbeats", 2*usualHeartbeat+slack, func(s *stage) bool { return len(lastEntry(s).heartbeats) >= 2 }),
			check("sends them 20 s apart", func(_ *stage, last *attempt) error {
				if gap := last.heartbeats[1].at.Sub(last.heartbeats[0].at); gap < usualHeartbeat-time.Second || gap > usualHeartbeat+slack {
					return fmt.Errorf("heartbeats came %v apart", gap.Round(time.Millisecond))
				}
				return nil
			}),
		},
	},
	{
		name: "heartbeat-busy", section: "7",
		must:    "keeps its heartbeats while much is pushed: nothing is decoded before the next message is read",
		options: func(o *simulator.Options) { o.Rate = 1000 },
		script: []step{
			enters(1),
			expect("sends four heartbeats", 4*heartbeat+slack, func(s *stage) bool { return len(lastEntry(s).heartbeats) >= 4 }),
			check("has not been dropped", func(_ *stage, last *attempt) error {
				if last.over {
					return errors.New("it was, for missing heartbeats or reading too slowly")
				}
				return nil
			}),
		},
	},
	{
		name: "watchdog", section: "2.6",
		must: "takes a socket for dead after 2 to 3 heartbeats without any message, and connects again",
		script: []step{
			enters(1),
			sockets("sends nothing any more, and keeps the connection open", simulator.Faults{Silence: true}),
			{fmt.Sprintf("client: waits from %v to %v after the last message before it gives up the connection", 2*heartbeat, 3*heartbeat), gaveUp},
			sockets("is well again", simulator.Faults{}),
			enters(2),
		},
	},
	{
		name: "unknown-messages", section: "3.3",
		must: "stays in the room when messages come that it cannot decode",
		script: []step{
			enters(1),
			sockets("sends every kind of garbage with each push", simulator.Faults{Garbage: 9}),
			staysIn(2 * heartbeat),
		},
	},
	{
		name: "large-message", section: "3",
		must: "stays in the room when a message of 1 MiB comes",
		script: []step{
			enters(1),
			server("pushes 1 MiB of comments", func(s *stage) error {
				return s.simulator.PushGiant(s.liveID, simulator.Giant{Bytes: 1 << 20})
			}),
			staysIn(2 * heartbeat),
		},
	},
	{
		name: "not-the-end", section: "2.5",
		must: "stays in the room when the author pauses (301) and resumes (302), is stalled (303), misses heartbeats (304), ends a co-stream (325), is warned (594)",
		script: []step{
			enters(1),
			pushes("pushes 301, 303, 304, 325, 594 and 302", 301, 303, 304, 325, 594, 302),
			staysIn(2 * heartbeat),
		},
	},
}

// reconnecting is about connections that do not last.
var reconnecting = []scenario{
	{
		name: "cut", section: "2.6",
		must: "connects again within the window that 300 told, at the next URL, with reconnectCount 1, and does not need another token",
		script: []step{
			enters(1),
			cuts,
			waited(minReconnect, maxReconnect),
			enters(2), rightRoom, counted(1, 0), nextURL, sameToken,
		},
	},
	{
		name: "cut-twice", section: "2.6",
		must:   "counts its reconnects and goes round the URLs",
		script: []step{enters(1), cuts, enters(2), cuts, waited(minReconnect, 2*maxReconnect), enters(3), counted(2, 0), nextURL},
	},
	{
		name: "closed", section: "2.6",
		must: "connects again when the server closes with a close message",
		script: []step{
			enters(1),
			server("closes with 1001", func(s *stage) error { return s.simulator.CloseSockets(s.liveID, simulator.Closing{Code: 1001}) }),
			waited(minReconnect, maxReconnect), enters(2), counted(1, 0),
		},
	},
	{
		name: "last-error", section: "2.6",
		must:   "connects again after a 103 that is not about it, and tells the code as lastErrorCode",
		script: []step{enters(1), rejects(simulator.CodeServerError, 0, 0), waited(minReconnect, maxReconnect), enters(2), counted(1, simulator.CodeServerError)},
	},
	{
		name: "told-to-wait", section: "2.5",
		must: "keeps to minDelayMs and maxDelayMs of a 103",
		script: []step{
			enters(1),
			rejects(simulator.CodeBusy, 2*time.Second, 3*time.Second),
			waited(2*time.Second, 3*time.Second), enters(2), counted(1, simulator.CodeBusy),
		},
	},
	{
		name: "token-refused", section: "2.6",
		must: "resolves the room anew when its token is refused with 6001",
		script: []step{
			enters(1),
			sockets("takes no token twice", simulator.Faults{RefuseReconnect: true}),
			cuts,
			enters(2),
			holds("has asked for another token", askedAnew),
		},
	},
	{
		name: "login-refused", section: "2.6",
		must: "resolves the room anew after 103 {109}, or gives it up",
		script: []step{
			enters(1),
			rejects(simulator.CodeNotLoggedIn, 0, 0),
			expect("has entered again, or exited", 2*slack, func(s *stage) bool { return s.client.gone() || admitted(s.record.entries()) > 1 }),
			holds("has looked the room up before", func(s *stage) error {
				if len(s.record.attempts) > s.seen {
					return askedAnew(s)
				}
				return nil
			}),
		},
	},
	{
		name: "failing-on", section: "2.6",
		must: "resolves the room anew after several failures in a row, or gives it up",
		script: []step{
			enters(1),
			sockets("answers every entry with 103 {10}", simulator.Faults{Refusal: simulator.Rejection{Code: simulator.CodeBusy}}),
			cuts,
			{"client: asks for the room anew, or exits, before its sixth attempt", func(s *stage) error {
				err := s.await(4*slack, func() bool {
					return s.client.gone() || askedAnew(s) == nil || len(s.record.attempts)-s.seen > 5
				})
				if err == nil && !s.client.gone() {
					err = askedAnew(s)
				}
				return err
			}},
		},
	},
	{
		name: "hung-up", section: "7",
		must: "resolves the room anew when the server hangs up right after the first frame, and does not enter in a loop",
		script: []step{
			enters(1),
			sockets("hangs up on every entry", simulator.Faults{RefuseToken: true, HangUp: true}),
			cuts,
			never("leaves at least the told time between two handshakes", 2*watching, func(s *stage) error {
				return spaced(s.record.attempts[s.seen:], minReconnect)
			}),
			expect("asks for the room anew, or gives up", slack, func(s *stage) bool { return askedAnew(s) == nil || s.client.gone() }),
		},
	},
}

func lastEntry(s *stage) *attempt {
	entries := s.record.entries()
	return entries[len(entries)-1]
}

// regular is that heartbeats come at the interval, and tell the time.
func regular(beats []beat) error {
	n := len(beats) - 1
	// The first and the last may be late and early by what the network does.
	if took := beats[n].at.Sub(beats[0].at); took < time.Duration(n)*heartbeat-heartbeat/2 {
		return fmt.Errorf("%d heartbeats came within %v", n+1, took.Round(time.Millisecond))
	}
	for _, b := range beats {
		if off := b.at.Sub(time.UnixMilli(int64(b.says))).Abs(); off > time.Minute {
			return fmt.Errorf("a heartbeat says %d, which is %v off", b.says, off)
		}
	}
	return nil
}

// gaveUp waits until a connection over which nothing comes is given up.
func gaveUp(s *stage) error {
	silent := lastEntry(s)
	if err := s.await(3*heartbeat+slack, func() bool { return silent.over || len(s.record.attempts) > s.seen }); err != nil {
		return err
	}
	if waited := time.Since(silent.lastSent); waited < 2*heartbeat {
		return fmt.Errorf("it waited %v", waited.Round(time.Millisecond))
	}
	return nil
}

// nextURL is that the last two attempts are at different URLs.
var nextURL = holds("goes to the next URL", func(s *stage) error {
	n := len(s.record.attempts)
	if n > 1 && s.record.attempts[n-1].group == s.record.attempts[n-2].group {
		return errors.New("it went to the same one")
	}
	return nil
})

// sameToken is that nothing was asked for the last entry.
var sameToken = holds("does not ask for another token", func(s *stage) error {
	if askedAnew(s) == nil {
		return errors.New("it asked")
	}
	return nil
})

// askedAnew is nil when the room was looked up since the server last acted.
func askedAnew(s *stage) error {
	for _, call := range s.since() {
		if call.Name != simulator.CallSocket {
			return nil
		}
	}
	return errors.New("it has asked nothing")
}

// spaced is that attempts are at least so far apart.
func spaced(attempts []*attempt, least time.Duration) error {
	for i := 1; i < len(attempts); i++ {
		if gap := attempts[i].at.Sub(attempts[i-1].at); gap < least {
			return fmt.Errorf("two were %v apart", gap.Round(time.Millisecond))
		}
	}
	return nil
}
