package ingest

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kslive/internal/simulator"
	kuaishou "kslive/proto"
)

// crowd is many rooms of one process at a simulator. Each is looked at again
// and again, as the rows of lives are.
type crowd struct {
	t       *testing.T
	sim     *simulator.Simulator
	client  *Client
	liveIDs []string
	wait    sync.WaitGroup
	stop    context.CancelFunc

	mu      sync.Mutex
	news    *sync.Cond
	says    map[string]Report // what each says of itself now
	ends    map[string]Report // the last report of each, since forget
	offline int               // reports that say so
}

// noFrames keeps nothing.
type noFrames struct{}

func (noFrames) Append(*kuaishou.Frame) error { return nil }

// crowdOptions say which crowd it is.
type crowdOptions struct {
	rooms    int
	limits   timing
	accounts string // a file; empty: one guest
	// dialAtOnce opens sockets as fast as they come. 50 a second is a promise of
	// its own, and with 1,000 rooms most of a storm would be waiting for that.
	dialAtOnce bool
}

// newCrowd has rooms on air watched.
func newCrowd(t *testing.T, o crowdOptions) *crowd {
	sim, err := simulator.Start(t.Context(), simulator.Options{Seed: 7, Rate: 0.1, PushEvery: 5 * time.Second, MinReconnect: time.Millisecond, MaxReconnect: 20 * time.Millisecond, Trace: true, Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	// A test does not wait as long as it would be told to; but more rooms would
	// keep this machine busy with asking.
	pause := time.Duration(o.rooms) * time.Millisecond
	retry := make(RetryDelays)
	for state := range DefaultRetryDelays() {
		retry[state] = pause
	}
	client, err := NewClient(ClientOptions{BaseURL: sim.URL(), Accounts: o.accounts, MinInterval: -1, Timeout: time.Second, RetryDelays: retry, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c := &crowd{t: t, sim: sim, client: client, stop: cancel, says: make(map[string]Report), ends: make(map[string]Report)}
	c.news = sync.NewCond(&c.mu)
	t.Cleanup(func() {
		cancel()
		c.wait.Wait()
		client.Close()
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	sockets, metrics := newConnector(client.origin(), client.userAgent, o.limits), NewMetrics(prometheus.NewRegistry())
	if o.dialAtOnce {
		sockets.dials.every = 0
	}
	for i := range o.rooms {
		liveID := simulator.LiveID(7, i)
		if err := sim.AddRoom(liveID, simulator.RoomOptions{Live: true}); err != nil {
			t.Fatal(err)
		}
		c.liveIDs = append(c.liveIDs, liveID)
		c.wait.Go(func() {
			for ctx.Err() == nil {
				heard := room{
					liveID: liveID, within: time.Minute, resolver: client, frames: noFrames{}, connector: sockets, retry: retry,
					report: func(r Report) { c.note(liveID, r) }, metrics: metrics, logger: client.logger,
				}
				last := *heard.run(ctx)
				c.note(liveID, last)
				c.end(liveID, last)
				sleep(ctx, min(last.RetryAfter, pause))
			}
		})
	}
	return c
}

func (c *crowd) note(liveID string, r Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.says[liveID] = r
	if r.State == StateOffline || r.State == StateEnded || r.State == StateNotFound {
		c.offline++
	}
	c.news.Broadcast()
}

func (c *crowd) end(liveID string, r Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[liveID] = r
	c.news.Broadcast()
}

// await returns when done, which is called with mu held.
func (c *crowd) await(what string, done func() bool) {
	c.t.Helper()
	late := false
	timeout := time.AfterFunc(2*time.Minute, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		late = true
		c.news.Broadcast()
	})
	defer timeout.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !done() {
		if late {
			c.t.Fatalf("%s: not yet; now %v, of %d the last words are known, such as %+v", what, c.count(), len(c.ends), c.ends[c.liveIDs[0]])
		}
		c.news.Wait()
	}
}

// count is how many rooms are in each state; mu is held.
func (c *crowd) count() map[State]int {
	counts := make(map[State]int)
	for _, says := range c.says {
		counts[says.State]++
	}
	return counts
}

// by is how many rooms are heard that were looked up with each account; mu is
// held.
func (c *crowd) by() map[string]int {
	counts := make(map[string]int)
	for _, says := range c.says {
		if says.State == StateLive {
			counts[says.Account]++
		}
	}
	return counts
}

func (c *crowd) allLive() bool { return c.count()[StateLive] == len(c.liveIDs) }

// forget forgets the last words of all rooms.
func (c *crowd) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.ends)
}

// restsAreOver has the time pass for which accounts and exits rest. An account
// that is out until its cookies change stays out.
func (c *crowd) restsAreOver() {
	s := c.client.accounts
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.list {
		a.exit.health, a.noSocket = health{}, time.Time{}
		if !a.health.until.IsZero() {
			a.health = health{}
		}
	}
	g := &c.client.guests
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.until)
}
