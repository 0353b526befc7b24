package simulator

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// ErrNoRoom is wrapped by the errors about a live ID that no room has.
var ErrNoRoom = errors.New("no such room")

// RoomOptions shape a room. The zero value is offline at the simulator's rate.
type RoomOptions struct {
	// Rate is feed events per second while live; 0 is the simulator's.
	Rate float64 `json:"rate"`
	// Live puts the room on air at once.
	Live bool `json:"live"`
}

// AddRoom makes a room. It fails when there is one with this live ID.
func (s *Simulator) AddRoom(liveID string, options RoomOptions) error {
	if liveID == "" || options.Rate < 0 {
		return errors.New("a room needs a live id and a rate that is not negative")
	}
	if err := s.insert(newRoom(s, liveID, options)); err != nil {
		return err
	}
	if options.Live {
		return s.GoLive(liveID)
	}
	return nil
}

func (s *Simulator) insert(r *room) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[r.liveID] != nil {
		return fmt.Errorf("there is a room %s already", r.liveID)
	}
	s.rooms[r.liveID] = r
	s.codes[shortCode(r.liveID)] = r
	return nil
}

// GoLive begins a broadcast with a new liveStreamId. A room that is live stays so.
func (s *Simulator) GoLive(liveID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	room := s.rooms[liveID]
	if room == nil {
		return fmt.Errorf("%w: %s", ErrNoRoom, liveID)
	}
	s.entrances[room.goLive()] = room
	return nil
}

// EndLive sends 103 {601, 直播已结束} to everybody in the room and closes their
// connections. A room that is not live stays so.
func (s *Simulator) EndLive(liveID string) error {
	return s.with(liveID, (*room).end)
}

// EndQuietly ends the broadcast without telling anybody: connections stay open,
// and nothing is pushed to them. The room's pages and calls say that it is over.
func (s *Simulator) EndQuietly(liveID string) error {
	return s.with(liveID, func(r *room) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.live = false
		return nil
	})
}

// SetAnswer makes the room's pages and calls answer so from now on.
func (s *Simulator) SetAnswer(liveID string, answer Answer) error {
	if err := answer.validate(); err != nil {
		return err
	}
	return s.with(liveID, func(r *room) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.answer = answer
		return nil
	})
}

// ShortLink is the room's link to share, which redirects to its page.
func (s *Simulator) ShortLink(liveID string) string { return s.url + "/s/" + shortCode(liveID) }

// ShortLinks are links to share that redirect to each of the addresses that a
// room has: /u/, /profile/, /fw/live/ and /fw/photo/.
func (s *Simulator) ShortLinks(liveID string) []string {
	links := make([]string, len(pageForms))
	for i := range pageForms {
		links[i] = s.ShortLink(liveID) + "-" + strconv.Itoa(i)
	}
	return links
}

func shortCode(liveID string) string { return strconv.FormatUint(xxhash.Sum64String(liveID), 36) }

func (s *Simulator) with(liveID string, act func(*room) error) error {
	room := s.room(liveID)
	if room == nil {
		return fmt.Errorf("%w: %s", ErrNoRoom, liveID)
	}
	return act(room)
}

func (s *Simulator) room(liveID string) *room {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rooms[liveID]
}

// byCode is the room of a short link, nil when there is none.
func (s *Simulator) byCode(code string) *room {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.codes[code]
}

func (s *Simulator) everyRoom() []*room {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Collect(maps.Values(s.rooms))
}

// RoomState is what a room is doing.
type RoomState struct {
	LiveID string `json:"live_id"`
	// State is "live", "offline" or "refusing".
	State string `json:"state"`
	// LiveStreamID and Token are those of the last broadcast. The token is that of
	// a visitor without cookies: those of accounts and devices differ, and so does
	// that of byUser.
	LiveStreamID string    `json:"live_stream_id"`
	Token        string    `json:"token"`
	Broadcasts   uint64    `json:"broadcasts"`
	Connections  int       `json:"connections"`
	Answer       Answer    `json:"answer"`
	Page         PageStyle `json:"page"`
	Faults       Faults    `json:"faults"`
}

// Entrance is what it takes to enter a room's current broadcast, with the tokens
// of a visitor without cookies.
type Entrance struct {
	LiveStreamID string   `json:"live_stream_id"`
	Token        string   `json:"token"`
	MobileToken  string   `json:"mobile_token"` // from byUser
	URLs         []string `json:"urls"`
}

// Entrance is what it takes to enter the room, which must be on air.
func (s *Simulator) Entrance(liveID string) (Entrance, error) {
	var entrance Entrance
	err := s.with(liveID, func(r *room) error {
		if r.truth() != CodeOK {
			return fmt.Errorf("room %s is not live", liveID)
		}
		entrance.LiveStreamID = r.state().LiveStreamID
		entrance.Token, entrance.URLs = r.entrance(AnyGuest, false)
		entrance.MobileToken, _ = r.entrance(AnyGuest, true)
		return nil
	})
	return entrance, err
}

// Rooms are the states of all rooms, by live ID.
func (s *Simulator) Rooms() []RoomState {
	var states []RoomState
	for _, room := range s.everyRoom() {
		states = append(states, room.state())
	}
	slices.SortFunc(states, func(a, b RoomState) int { return cmp.Compare(a.LiveID, b.LiveID) })
	return states
}

// Room is the state of one room.
func (s *Simulator) Room(liveID string) (RoomState, error) {
	var state RoomState
	err := s.with(liveID, func(r *room) error {
		state = r.state()
		return nil
	})
	return state, err
}
