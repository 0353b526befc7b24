package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kslive/ingest"
	"kslive/internal/console"
	"kslive/internal/simulator"
)

type demoCommand struct {
	engineFlags
	For        time.Duration `help:"How long rooms push before the demo drains and counts." default:"60s"`
	Rooms      int           `help:"Simulated rooms." default:"200"`
	Rate       float64       `help:"Events a second and room." default:"20"`
	Seed       uint64        `help:"Seed of what the rooms send; 0: another one each time." default:"0"`
	JSON       bool          `name:"json" help:"End with the summary as one JSON line on standard output."`
	HTTPListen string        `help:"Address of the console, on this machine; port 0: one that is free; empty: none." default:"127.0.0.1:0" placeholder:"ADDR"`
	Keep       bool          `help:"Keep the demo's folder, to look at it with ingest engines." env:"INGEST_DEMO_KEEP"`
}

// Run shows the main job and answers an error when anything is missing or
// doubled.
func (c *demoCommand) Run(p *process) (err error) {
	if c.Rooms < 1 || c.Rate <= 0 || c.For <= 0 {
		return exitError{exitUsage, "--rooms, --rate and --for must be more than 0"}
	}
	token, err := consoleFlags{Console: true}.token(c.HTTPListen)
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	if c.DataDir, err = makeDemoFolder(c.DataDir); err != nil {
		return err
	}
	defer func() {
		if !c.Keep {
			err = errors.Join(err, os.RemoveAll(c.DataDir))
		}
	}()
	log, err := os.Create(filepath.Join(c.DataDir, "demo.log"))
	if err != nil {
		return fmt.Errorf("opening the demo's log: %w", err)
	}
	defer log.Close()
	kept := console.NewLog(newLogger(log, p.logLevel, "json").Handler())
	logger := slog.New(kept)

	fmt.Fprintf(p.stderr, "starting Postgres, ClickHouse and a simulated Kuaishou in %s …\n", c.DataDir)
	stage, err := c.setUp(p, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stage.Close()) }()
	flags := consoleFlags{Console: true}
	stage.server, stage.console, err = flags.serve(c.HTTPListen, token, nil, shown{pipeline: stage.pipeline, registry: stage.registry, worker: "demo", log: kept, logger: logger})
	if err != nil {
		return err
	}
	summary, err := c.play(p, stage)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(p.stdout).Encode(summary)
	} else {
		err = summary.print(p.stdout)
	}
	if err == nil && (summary.Missing > 0 || summary.Doubled > 0 || summary.Extra > 0) {
		c.Keep = true
		return exitError{exitFailed, fmt.Sprintf("the demo lost or doubled something; its folder is kept: %s", c.DataDir)}
	}
	return err
}

// makeDemoFolder makes a new folder, so that a demo meets nothing of another's.
func makeDemoFolder(dataDir string) (string, error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return "", fmt.Errorf("making the data folder: %w", err)
	}
	dir, err := os.MkdirTemp(dataDir, "demo-")
	if err != nil {
		return "", fmt.Errorf("making the demo's folder: %w", err)
	}
	return dir, nil
}

// stage is everything that a demo runs on.
type stage struct {
	dataDir   string
	engines   *engines
	simulator *simulator.Simulator
	pipeline  *pipeline
	client    *ingest.Client
	registry  *prometheus.Registry
	console   string // its address, empty for none
	server    *http.Server
}

func (c *demoCommand) setUp(p *process, logger *slog.Logger) (_ *stage, err error) {
	s := &stage{dataDir: c.DataDir, registry: newRegistry()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.engines, err = startEngines(p.taking, c.engineFlags, logger); err != nil {
		return nil, err
	}
	if err := prepareTables(p.taking, s.engines.stores, true, logger); err != nil {
		return nil, err
	}
	s.simulator, err = simulator.Start(p.working, simulator.Options{Listen: "127.0.0.1:0", Seed: c.Seed, Rate: c.Rate, Logger: logger})
	if err != nil {
		return nil, err
	}
	s.client, err = ingest.NewClient(ingest.ClientOptions{
		BaseURL: s.simulator.URL(), Logger: logger,
		// Loopback needs no manners, and a live that comes back is to be seen.
		MinInterval: -1,
		RetryDelays: ingest.RetryDelays{ingest.StateEnded: 2 * time.Second, ingest.StateOffline: 2 * time.Second},
	})
	if err != nil {
		return nil, err
	}
	s.pipeline, err = openPipeline(p.taking, ingestFlags{
		MaxRooms: c.Rooms + 100, PollEvery: time.Second, Lease: 30 * time.Second, DrainTimeout: time.Minute,
	}, c.DataDir, s.engines.stores, s.client, nil, s.registry, logger)
	return s, err
}

// Close stops everything, in the order of the flow.
func (s *stage) Close() error {
	var errs []error
	if s.server != nil {
		errs = append(errs, s.server.Close())
	}
	if s.pipeline != nil {
		errs = append(errs, s.pipeline.Close())
	}
	if s.client != nil {
		s.client.Close()
	}
	if s.simulator != nil {
		errs = append(errs, s.simulator.Close())
	}
	if s.engines != nil {
		errs = append(errs, s.engines.Close())
	}
	return errors.Join(errs...)
}

// play lets rooms push for a while, drains and compares what was sent with
// what is stored.
func (c *demoCommand) play(p *process, s *stage) (*demoSummary, error) {
	ingesting, stopIngesting := context.WithCancel(p.working)
	defer stopIngesting()
	ended := make(chan error, 1)
	started := time.Now()
	go func() { ended <- s.pipeline.ingester.Run(ingesting, p.working) }()

	showing, stopShowing := context.WithCancel(p.taking)
	defer stopShowing()
	direction := make(chan error, 1)
	go func() { direction <- c.direct(showing, s) }()
	spare := simulator.LiveID(c.Seed, c.Rooms)
	if err := s.simulator.AddRoom(spare, simulator.RoomOptions{Live: true}); err != nil {
		return nil, err
	}
	view := newDemoView(p.stderr, s, c.For, spare)

	curtain := time.NewTimer(c.For)
	defer curtain.Stop()
	refresh := time.NewTicker(time.Second)
	defer refresh.Stop()
	for on := true; on; {
		select {
		case err := <-ended:
			return nil, fmt.Errorf("the ingester stopped: %w", err)
		case err := <-direction:
			direction = nil // all rooms are there
			if err != nil && showing.Err() == nil {
				return nil, err
			}
		case <-refresh.C:
			view.show(time.Since(started))
		case <-curtain.C:
			on = false
		case <-p.taking.Done():
			on = false
		}
	}
	stopShowing()
	if direction != nil {
		<-direction
	}
	view.note("draining …")
	s.simulator.StopPushing()
	pushed := time.Since(started)
	stopIngesting()
	if err := <-ended; err != nil {
		return nil, err
	}
	return summarise(p.working, s, pushed)
}

// direct inserts the lives, the last of them when most of the time is over,
// and ends one now and then, which comes back.
func (c *demoCommand) direct(ctx context.Context, s *stage) error {
	atOnce := (c.Rooms + 1) / 2
	next := 0
	add := func(n int) error {
		var lives []ingest.NewLive
		for ; n > 0 && next < c.Rooms; n-- {
			id := simulator.LiveID(c.Seed, next)
			if err := s.simulator.AddRoom(id, simulator.RoomOptions{Live: true}); err != nil {
				return err
			}
			lives = append(lives, ingest.NewLive{LiveID: id})
			next++
		}
		_, err := s.pipeline.lives.Add(ctx, lives)
		return err
	}
	if err := add(atOnce); err != nil {
		return err
	}
	const step = 500 * time.Millisecond
	steps := max(1, int(c.For*7/10/step))
	each := (c.Rooms - atOnce + steps - 1) / steps
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for tick := 1; ; tick++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := add(each); err != nil {
			return err
		}
		if tick%4 == 0 {
			over := simulator.LiveID(c.Seed, tick%next)
			if err := s.simulator.EndLive(over); err != nil {
				return err
			}
		}
		if tick%4 == 2 && tick > 10 {
			if err := s.simulator.GoLive(simulator.LiveID(c.Seed, (tick-10)%next)); err != nil {
				return err
			}
		}
	}
}
