package ingest

import (
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"kslive/internal/simulator"
)

// cut cuts the sockets of all rooms at once.
func (c *crowd) cut() {
	for _, liveID := range c.liveIDs {
		if err := c.sim.Cut(liveID); err != nil {
			c.t.Error(err)
		}
	}
}

func (c *crowd) faults(faults simulator.Faults) {
	for _, liveID := range c.liveIDs {
		if err := c.sim.SetFaults(liveID, faults); err != nil {
			c.t.Error(err)
		}
	}
}

// crowdSize is how many rooms a test of many has: few when all tests are run;
// CROWD_ROOMS=1000 is what is promised.
func crowdSize(few int) int {
	if n, err := strconv.Atoi(os.Getenv("CROWD_ROOMS")); err == nil && n > 0 {
		return n
	}
	return few
}

func TestStampede(t *testing.T) {
	rooms := crowdSize(150)
	limits := defaultTiming()
	limits.reconnectFrom, limits.reconnectTo = time.Millisecond, 20*time.Millisecond
	c := newCrowd(t, crowdOptions{rooms: rooms, limits: limits})
	c.await("all rooms are heard", c.allLive)
	calls, events := len(c.httpCalls()), len(c.sim.Trace(0))
	began := time.Now()
	c.cut()
	c.await("a room noticed", func() bool { return !c.allLive() })
	back := 0
	c.await("all rooms are back", func() bool {
		if back = 0; !c.allLive() {
			return false
		}
		for _, event := range c.sim.Trace(events) {
			if event.Kind == simulator.EventDial {
				back++
			}
		}
		return back >= rooms
	})
	took := time.Since(began)
	var dials []time.Time
	for _, event := range c.sim.Trace(events) {
		if event.Kind == simulator.EventDial {
			dials = append(dials, event.At)
		}
	}
	most := 0
	for i, at := range dials {
		within := 0
		for _, later := range dials[i:] {
			if later.Sub(at) < time.Second {
				within++
			}
		}
		most = max(most, within)
	}
	t.Logf("%d rooms cut at once: all back after %v, %d dials, at most %d within a second, %d HTTP calls", rooms, took.Round(time.Millisecond), len(dials), most, len(c.httpCalls())-calls)
	if more := len(c.httpCalls()) - calls; more != 0 {
		t.Errorf("%d HTTP calls were made by rooms with good tokens", more)
	}
	if len(dials) != rooms {
		t.Errorf("%d dials for %d rooms", len(dials), rooms)
	}
}

// httpCalls are the calls made, without the handshakes of sockets.
func (c *crowd) httpCalls() []simulator.Call {
	var calls []simulator.Call
	for _, call := range c.sim.Calls() {
		if call.Name != simulator.CallSocket {
			calls = append(calls, call)
		}
	}
	return calls
}

func TestStorm(t *testing.T) {
	limits := quick()
	limits.ack, limits.handshake = 2*time.Second, 2*time.Second
	c := newCrowd(t, crowdOptions{rooms: crowdSize(60), limits: limits, dialAtOnce: true})
	for _, weather := range []struct {
		name   string
		answer simulator.Answer
		faults simulator.Faults
		want   State
		code   int
	}{
		{"too fast", simulator.Answer{Code: simulator.CodeTooFast}, simulator.Faults{RefuseToken: true}, StateRateLimited, 0},
		{"429", simulator.Answer{Status: http.StatusTooManyRequests, RetryAfter: time.Minute}, simulator.Faults{RefuseToken: true}, StateRateLimited, 0},
		{"captcha", simulator.Answer{Code: simulator.CodeCaptcha}, simulator.Faults{RefuseToken: true}, StateCaptcha, 0},
		{"login", simulator.Answer{Code: simulator.CodeLogin}, simulator.Faults{RefuseToken: true}, StateLoginRequired, 0},
		{"busy", simulator.Answer{Code: simulator.CodeBusy}, simulator.Faults{RefuseToken: true}, StateUnreachable, simulator.CodeBusy},
		{"slow pages", simulator.Answer{Delay: time.Minute}, simulator.Faults{RefuseToken: true}, StateUnreachable, 0},
		{"broken pages", simulator.Answer{Broken: true}, simulator.Faults{RefuseToken: true}, StateUnreachable, 0},
		{"bad tokens", simulator.Answer{}, simulator.Faults{RefuseToken: true}, StateUnreachable, simulator.CodeBadToken},
	} {
		c.await("before "+weather.name+": all rooms are heard", c.allLive)
		c.faults(weather.faults)
		if weather.answer != (simulator.Answer{}) {
			if err := c.sim.SetPolicy(simulator.Policy{Name: "storm", Answer: weather.answer}); err != nil {
				t.Fatal(err)
			}
		}
		c.forget()
		began := time.Now()
		c.cut()
		c.await(weather.name+": all rooms say "+string(weather.want), func() bool {
			n := 0
			for _, last := range c.ends {
				if last.State == weather.want && (weather.code == 0 || last.Code == weather.code) && last.Reason != "" {
					n++
				}
			}
			return n == len(c.liveIDs)
		})
		t.Logf("%s: all %d rooms say %s after %v", weather.name, len(c.liveIDs), weather.want, time.Since(began).Round(time.Millisecond))
		c.sim.LiftPolicy("storm")
		c.faults(simulator.Faults{})
		c.restsAreOver()
	}
	c.await("in the end: all rooms are heard", c.allLive)

	c.faults(simulator.Faults{DeadURLs: true})
	c.cut()
	c.await("dead URLs: no room is heard", func() bool { return c.count()[StateLive] == 0 })
	c.faults(simulator.Faults{})
	c.await("after dead URLs: all rooms are heard", c.allLive)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offline != 0 {
		t.Errorf("%d reports say of a room on air that it is not", c.offline)
	}
}
