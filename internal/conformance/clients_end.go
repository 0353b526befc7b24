package main

import (
	"errors"
	"fmt"

	"kslive/internal/simulator"
)

// ending is about the end of the live, and of the watching.
var ending = []scenario{
	{
		name: "ended", section: "2.5",
		must:   "takes 103 {601} for the end, and does not enter that broadcast again",
		script: []step{enters(1), ends, neverAgain},
	},
	{
		name: "ended-quietly", section: "2.5",
		must: "learns the end from what the calls say (671) when the socket only closes, and stops entering",
		script: []step{
			enters(1),
			server("goes off air without a word, and closes the connection", func(s *stage) error {
				return errors.Join(s.simulator.EndQuietly(s.liveID), s.simulator.Cut(s.liveID))
			}),
			never("tries four times more at most", 3*watching, func(s *stage) error {
				if n := len(s.record.attempts) - s.seen; n > 4 {
					return fmt.Errorf("it tried %d times", n)
				}
				return nil
			}),
		},
	},
	{
		name: "kicked", section: "2.5",
		must:   "does not enter again at once after 103 {606}: it was kicked out",
		script: []step{enters(1), rejects(simulator.CodeKicked, 0, 0), neverAgain},
	},
	{
		name: "banned-from-room", section: "2.5",
		must:   "does not enter again at once after 103 {69101}: it is banned from the room",
		script: []step{enters(1), rejects(simulator.CodeRoomBanned, 0, 0), neverAgain},
	},
	{
		name: "leave", section: "2.4",
		must: "sends CS_USER_EXIT (202) before it closes when it is told to stop (SIGTERM), and is gone soon",
		script: []step{
			enters(1),
			{"client: is told to stop", func(s *stage) error { return s.act(s.client.leave) }},
			expect("sends 202", slack, func(s *stage) bool { return !lastEntry(s).leftAt.IsZero() }),
			expect("is gone", slack, func(s *stage) bool { return lastEntry(s).over }),
			never("does not come back", watching, func(s *stage) error {
				if len(s.record.attempts) > s.seen {
					return errors.New("it did")
				}
				return nil
			}),
		},
	},
}

var neverAgain = never("does not enter again", watching, func(s *stage) error {
	if entries := s.record.attempts[s.seen:]; len(entries) > 0 {
		return errors.New("it connected again")
	}
	return nil
})

// scenarios are all, in the order in which they are told.
func scenarios() []scenario {
	var list []scenario
	for _, family := range []struct {
		name string
		of   []scenario
	}{
		{"getting in", gettingIn}, {"refused", refused}, {"staying in", stayingIn}, {"reconnecting", reconnecting}, {"ending", ending},
	} {
		for _, s := range family.of {
			s.family = family.name
			list = append(list, s)
		}
	}
	return list
}
