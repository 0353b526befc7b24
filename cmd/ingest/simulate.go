package main

import (
	"errors"
	"fmt"
	"time"

	"kslive/ingest"
	"kslive/internal/simulator"
)

type simulateCommand struct {
	Listen    string        `help:"Address to listen on." default:"127.0.0.1:8800" placeholder:"ADDR"`
	Rooms     *int          `help:"Rooms that are live from the start. Default: 10, or none with --play." placeholder:"N"`
	Rate      float64       `help:"Events a second and room." default:"20"`
	PushEvery time.Duration `help:"Time from push to push in a room." default:"1s"`
	Seed      uint64        `help:"Seed of what the rooms send." default:"1"`
	Heartbeat time.Duration `help:"Heartbeat interval that clients are told." default:"20s"`
	Confirm   bool          `help:"Ping clients after what they are sent, so that the ledger knows what they have read."`
	Play      string        `help:"Make a room that plays this recording of watch --raw-to, from its first frame, to everybody who enters. The bytes and the times in them are as they were." type:"existingfile" placeholder:"FILE"`
	PlaySpeed float64       `help:"How many times faster than it was received." default:"1"`
}

// Validate is called when the command line has been read.
func (c *simulateCommand) Validate() error {
	if !(c.PlaySpeed > 0) {
		return errors.New("--play-speed must be more than 0")
	}
	return nil
}

// Run simulates until the process is told to stop.
func (c *simulateCommand) Run(p *process) (err error) {
	s, err := simulator.Start(p.taking, simulator.Options{
		Listen: c.Listen, Seed: c.Seed, Rate: c.Rate, PushEvery: c.PushEvery, Heartbeat: c.Heartbeat, Confirm: c.Confirm, Logger: p.logger,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	fmt.Fprintf(p.stdout, "INGEST_KUAISHOU_URL=%s\n", s.URL())
	if c.Play != "" {
		if err := c.play(p, s); err != nil {
			return err
		}
	}
	for i := range c.rooms() {
		id := simulator.LiveID(c.Seed, i)
		if err := s.AddRoom(id, simulator.RoomOptions{Live: true}); err != nil {
			return err
		}
		fmt.Fprintln(p.stdout, id)
	}
	<-p.taking.Done()
	return nil
}

// rooms is how many rooms are invented.
func (c *simulateCommand) rooms() int {
	switch {
	case c.Rooms != nil:
		return *c.Rooms
	case c.Play != "":
		return 0
	}
	return 10
}

// play makes the room that plays, and prints its live ID: that of the recording,
// or one of the simulator's when there is none in it.
func (c *simulateCommand) play(p *process, s *simulator.Simulator) error {
	file := frameFile{name: c.Play}
	liveID, playback := "", simulator.Playback{Frames: file.frames, Speed: c.PlaySpeed}
	for frame, err := range file.frames() {
		if err != nil && !errors.Is(err, ingest.ErrRecordingCut) {
			return err
		}
		liveID, playback.LiveStreamID = frame.GetLiveId(), frame.GetLiveStreamId()
		break
	}
	if liveID == "" {
		liveID = simulator.LiveID(c.Seed, c.rooms())
	}
	if err := s.PlayRoom(liveID, playback); err != nil {
		return err
	}
	_, err := fmt.Fprintln(p.stdout, liveID)
	return err
}
