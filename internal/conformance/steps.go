package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"kslive/internal/simulator"
)

// What the server does.

// server is a step in which the simulated Kuaishou does something.
func server(says string, does func(s *stage) error) step {
	return step{"server: " + says, func(s *stage) error {
		return s.act(func() error { return does(s) })
	}}
}

// answers makes all calls of the names in call, or all when it is empty, be
// answered so.
func answers(says string, answer simulator.Answer) step {
	return server(says, func(s *stage) error {
		return s.simulator.SetPolicy(simulator.Policy{Name: "scenario " + answer.Call, Answer: answer})
	})
}

// sockets makes the room's sockets so.
func sockets(says string, faults simulator.Faults) step {
	return server(says, func(s *stage) error { return s.simulator.SetFaults(s.liveID, faults) })
}

// page gives the room's page another shape.
func page(says string, style simulator.PageStyle) step {
	return server(says, func(s *stage) error { return s.simulator.SetPage(s.liveID, style) })
}

var (
	cuts = server("cuts the connection without a close message", func(s *stage) error { return s.simulator.Cut(s.liveID) })
	ends = server("sends 103 {601, 直播已结束} and closes", func(s *stage) error { return s.simulator.EndLive(s.liveID) })
)

// rejects sends a 103 to the client and closes.
func rejects(code uint32, minDelay, maxDelay time.Duration) step {
	says := fmt.Sprintf("sends 103 {%d} and closes", code)
	if maxDelay > 0 {
		says = fmt.Sprintf("sends 103 {%d, minDelayMs %d, maxDelayMs %d} and closes", code, minDelay.Milliseconds(), maxDelay.Milliseconds())
	}
	return server(says, func(s *stage) error {
		return s.simulator.Reject(s.liveID, simulator.Rejection{
			Code: code, MinDelayMs: uint64(minDelay.Milliseconds()), MaxDelayMs: uint64(maxDelay.Milliseconds()),
		})
	})
}

// pushes sends the client messages of these payload types.
func pushes(says string, kinds ...uint32) step {
	return server(says, func(s *stage) error {
		for _, kind := range kinds {
			if err := s.simulator.Push(s.liveID, simulator.Push{PayloadType: kind}); err != nil {
				return err
			}
		}
		return nil
	})
}

// What the client must do.

// expect is a step in which something must become so.
func expect(says string, within time.Duration, holds func(s *stage) bool) step {
	return step{"client: " + says, func(s *stage) error {
		return s.await(within, func() bool { return holds(s) })
	}}
}

// never is a step that goes on for a time in which something must stay so.
func never(says string, during time.Duration, wrong func(s *stage) error) step {
	return step{fmt.Sprintf("client: %s, for %v", says, during), func(s *stage) error {
		return s.watch(during, func() error { return wrong(s) })
	}}
}

// calls is the client's first sign of life.
var calls = step{"client: makes its first call", func(s *stage) error {
	err := s.await(starting, func() bool { return s.client.gone() || len(s.simulator.Calls()) > 0 })
	if err == nil && len(s.simulator.Calls()) == 0 {
		return errors.New("it exited without any")
	}
	return err
}}

// enters is the n-th entry in all that is answered with 300.
func enters(n int) step {
	says := "enters the room"
	if n > 1 {
		says = "enters the room again"
	}
	return step{"client: " + says, func(s *stage) error {
		if err := calls.do(s); err != nil {
			return err
		}
		err := s.await(entering, func() bool { return s.client.gone() || admitted(s.record.entries()) >= n })
		if err == nil && admitted(s.record.entries()) < n {
			return errors.New("it exited instead")
		}
		return err
	}}
}

func admitted(entries []*attempt) int {
	n := 0
	for _, a := range entries {
		if a.acked {
			n++
		}
	}
	return n
}

// check is a step that looks at the last entry.
func check(says string, of func(s *stage, last *attempt) error) step {
	return step{"client: " + says, func(s *stage) error {
		s.look()
		entries := s.record.entries()
		if len(entries) == 0 {
			return errors.New("it has not entered")
		}
		return of(s, entries[len(entries)-1])
	}}
}

// rightRoom is that the last entry is to the broadcast that is on, through one
// of the room's own URLs.
var rightRoom = check("names the liveStreamId of this room, and one of its tokens", func(s *stage, last *attempt) error {
	room, err := s.simulator.Room(s.liveID)
	if err == nil && last.entry.LiveStreamId != room.LiveStreamID {
		return fmt.Errorf("it entered %q", last.entry.LiveStreamId)
	}
	return err
})

// counted is what the last entry says of reconnects.
func counted(reconnects, lastError uint32) step {
	says := fmt.Sprintf("says reconnectCount %d", reconnects)
	if lastError != 0 {
		says += fmt.Sprintf(" and lastErrorCode %d", lastError)
	}
	return check(says, func(_ *stage, last *attempt) error {
		if last.entry.ReconnectCount != reconnects || lastError != 0 && last.entry.LastErrorCode != lastError {
			return fmt.Errorf("it says reconnectCount %d, lastErrorCode %d", last.entry.ReconnectCount, last.entry.LastErrorCode)
		}
		return nil
	})
}

// waited is that the first handshake after what the server did came no sooner
// than least after it, and not much later than most.
func waited(least, most time.Duration) step {
	return step{fmt.Sprintf("client: waits from %v to %v before it connects", least, most), func(s *stage) error {
		if err := s.await(most+slack, func() bool { return len(s.record.attempts) > s.seen }); err != nil {
			return err
		}
		if waited := s.record.attempts[s.seen].at.Sub(s.acted); waited < least {
			return fmt.Errorf("it waited %v", waited.Round(time.Millisecond))
		}
		return nil
	}}
}

// staysIn is that the last connection stays, with heartbeats.
func staysIn(during time.Duration) step {
	return never("stays in the room and goes on with its heartbeats", during, func(s *stage) error {
		last := s.record.attempts[len(s.record.attempts)-1]
		switch {
		case last.over:
			return errors.New("the connection is gone")
		case !last.leftAt.IsZero():
			return errors.New("it left")
		case len(s.record.attempts) > s.seen:
			return errors.New("it connected once more")
		case time.Since(latest(last)) > 3*heartbeat+slack:
			return errors.New("its heartbeats have ended")
		}
		return nil
	})
}

// latest is when the last heartbeat came, or the entry.
func latest(a *attempt) time.Time {
	if n := len(a.heartbeats); n > 0 {
		return a.heartbeats[n-1].at
	}
	return a.enteredAt
}

// asksSeldom is that nobody hammers: each call at most so often.
func asksSeldom(most int, during time.Duration) step {
	says := fmt.Sprintf("asks each call %d times at most", most)
	if most == 1 {
		says = "asks no call twice"
	}
	return never(says, during, func(s *stage) error {
		made := s.simulator.Calls()
		for _, name := range []string{
			simulator.CallPage, simulator.CallDetail, simulator.CallWebsocketInfo, simulator.CallByUser, simulator.CallStatus,
		} {
			if n := count(made, name); n > most {
				return fmt.Errorf("it asked %s %d times", name, n)
			}
		}
		return nil
	})
}

// neverDials is that no socket is opened.
var neverDials = holds("has opened no socket", func(s *stage) error {
	if n := len(s.record.attempts); n > 0 {
		return fmt.Errorf("it opened %d", n)
	}
	return nil
})

// holds is a step that looks at all.
func holds(says string, of func(s *stage) error) step {
	return step{"client: " + says, func(s *stage) error {
		s.look()
		return of(s)
	}}
}

// words are the lines of a script for people.
func (s scenario) words() string {
	if s.as != "" {
		return "as `" + s.as + "`"
	}
	var lines []string
	for _, step := range append(append([]step{}, s.before...), s.script...) {
		lines = append(lines, step.says)
	}
	return strings.Join(lines, "; ")
}
