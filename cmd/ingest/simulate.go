package main

import (
	"errors"
	"fmt"
	"time"

	"kslive/internal/simulator"
)

type simulateCommand struct {
	Listen    string        `help:"Address to listen on." default:"127.0.0.1:8800" placeholder:"ADDR"`
	Rooms     int           `help:"Rooms that are live from the start." default:"10"`
	Rate      float64       `help:"Events a second and room." default:"20"`
	PushEvery time.Duration `help:"Time from push to push in a room." default:"1s"`
	Seed      uint64        `help:"Seed of what the rooms send." default:"1"`
	Heartbeat time.Duration `help:"Heartbeat interval that clients are told." default:"20s"`
	Confirm   bool          `help:"Ping clients after what they are sent, so that the ledger knows what they have read."`
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
	for i := range c.Rooms {
		id := simulator.LiveID(c.Seed, i)
		if err := s.AddRoom(id, simulator.RoomOptions{Live: true}); err != nil {
			return err
		}
		fmt.Fprintln(p.stdout, id)
	}
	<-p.taking.Done()
	return nil
}
