package ingest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"kslive/internal/simulator"
)

// A server that refuses what the site's own pages would not send lets us in, by
// each resolver that brings a socket.
func TestRoomIsEnteredWhereTheServerIsStrict(t *testing.T) {
	sim, err := simulator.Start(t.Context(), simulator.Options{Seed: 7, Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	liveID := simulator.LiveID(7, 0)
	if err := sim.AddRoom(liveID, simulator.RoomOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := sim.GoLive(liveID); err != nil {
		t.Fatal(err)
	}
	for _, resolver := range []string{ViaPage, ViaDetail, ViaByUser} {
		client, err := NewClient(ClientOptions{BaseURL: sim.URL(), Resolvers: []string{resolver}, MinInterval: -1, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		r := &recorder{live: make(chan struct{}, 1)}
		heard := newRoom(r, quick(), nil)
		heard.liveID, heard.resolver, heard.connector = liveID, client, newConnector(client.origin(), client.userAgent, quick())
		over := make(chan Report, 1)
		go func() { over <- *heard.run(ctx) }()
		select {
		case <-r.live:
			cancel()
			<-over
		case last := <-over:
			t.Errorf("%s: ended with %+v", resolver, last)
		}
		cancel()
		client.Close()
	}
}
