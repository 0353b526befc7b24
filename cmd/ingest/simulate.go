package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	"kslive/ingest"
	"kslive/internal/corpus"
	"kslive/internal/simulator"
	kuaishou "kslive/proto"
)

type simulateCommand struct {
	Listen         string        `help:"Address to listen on." default:"127.0.0.1:8800" placeholder:"ADDR"`
	Rooms          *int          `help:"Rooms that are live from the start. Default: 10, or none with --play." placeholder:"N"`
	Rate           float64       `help:"Events a second and room." default:"20"`
	PushEvery      time.Duration `help:"Time from push to push in a room." default:"1s"`
	Seed           uint64        `help:"Seed of what the rooms send." default:"1"`
	Heartbeat      time.Duration `help:"Heartbeat interval that clients are told." default:"20s"`
	Confirm        bool          `help:"Ping clients after what they are sent, so that the ledger knows what they have read."`
	TLSCertificate string        `name:"tls-certificate" help:"Serve https and wss with a certificate that is made now and written to this file: give it to ingest run as SSL_CERT_FILE." type:"path" placeholder:"FILE"`
	Corpus         bool          `help:"Have all rooms push frames that were made before instead of inventing new ones, for measuring; --rate then counts frames. Nothing can be audited."`
	Play           string        `help:"Make a room that plays this recording of watch --raw-to, from its first frame, to everybody who enters. The bytes and the times in them are as they were." type:"existingfile" placeholder:"FILE"`
	PlaySpeed      float64       `help:"How many times faster than it was received." default:"1"`
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
	options := simulator.Options{
		Listen: c.Listen, Seed: c.Seed, Rate: c.Rate, PushEvery: c.PushEvery, Heartbeat: c.Heartbeat, Confirm: c.Confirm,
		TLS: c.TLSCertificate != "", Logger: p.logger,
	}
	if c.Corpus {
		if options.Repeat, err = corpusPushes(); err != nil {
			return err
		}
	}
	s, err := simulator.Start(p.taking, options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if options.TLS {
		if err := os.WriteFile(c.TLSCertificate, s.Certificate(), 0o644); err != nil {
			return fmt.Errorf("writing the certificate: %w", err)
		}
	}
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

// corpusPushes are the pushes of the corpus: heartbeats are answered anyway.
func corpusPushes() ([][]byte, error) {
	const frames = 5_600
	all, err := corpus.Frames(frames)
	if err != nil {
		return nil, err
	}
	pushes := make([][]byte, 0, frames)
	var envelope kuaishou.SocketMessage
	for _, frame := range all {
		if err := proto.Unmarshal(frame.Data, &envelope); err != nil {
			return nil, fmt.Errorf("reading a frame of the corpus: %w", err)
		}
		if envelope.PayloadType != kuaishou.PayloadType_SC_HEARTBEAT_ACK {
			pushes = append(pushes, frame.Data)
		}
	}
	return pushes, nil
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
