package main

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"kslive/ingest"
	"kslive/internal/simulator"
)

// A pipeline that has stopped, however it was told to, leaves no goroutine.
func TestNoGoroutineIsLeft(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 7, Rate: 20, PushEvery: 100 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 20))
	for _, c := range []struct {
		name string
		hard bool // working ends with taking, as at a second signal
	}{{"stop", false}, {"stop at once", true}} {
		t.Run(c.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			client, err := ingest.NewClient(ingest.ClientOptions{BaseURL: s.simulator.URL(), MinInterval: -1, Logger: s.logger})
			if err != nil {
				t.Fatal(err)
			}
			taking, stopTaking := context.WithCancel(context.Background())
			defer stopTaking()
			working, stopWorking := context.WithCancel(context.Background())
			defer stopWorking()
			p, err := openPipeline(taking, ingestFlags{
				Worker: "w", MaxRooms: 100, PollEvery: 100 * time.Millisecond, Lease: 2 * time.Second, DrainTimeout: time.Minute,
			}, s.dir, s.engines.stores, client, nil, newRegistry(), s.logger)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- p.ingester.Run(taking, working) }()
			eventually(t, "all rooms are connected", func() bool { return s.simulator.Stats().Connections == 20 })
			stopTaking()
			if c.hard {
				stopWorking()
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			client.Close()
			// What is told to end has some seconds: sockets say goodbye, and the
			// simulator, which runs here too, notices that they have.
			eventually(t, "all rooms are left", func() bool { return s.simulator.Stats().Connections == 0 })
			var left error
			defer func() {
				if t.Failed() {
					t.Log(left)
				}
			}()
			eventually(t, "no goroutine is left", func() bool { left = goleak.Find(before); return left == nil })
		})
	}
}
