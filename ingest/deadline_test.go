package ingest

import (
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// limitedConn notes its read deadlines, in time from began.
type limitedConn struct {
	net.Conn
	began time.Time
	set   []time.Duration
}

func (c *limitedConn) SetReadDeadline(t time.Time) error {
	c.set = append(c.set, t.Sub(c.began))
	return nil
}

// A socket may be silent for as long as it was allowed from any message on, and at
// most a twentieth longer, although not every message moves its deadline; and once
// the last one is set nothing does.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := &limitedConn{began: time.Now()}
		limit := deadline{conn: conn}
		for range 40 { // messages, two a second
			limit.extend(20 * time.Second)
			if allowed := conn.set[len(conn.set)-1] - time.Since(conn.began); allowed < 20*time.Second || allowed > 21*time.Second {
				t.Fatalf("after %v it may be silent for %v", time.Since(conn.began), allowed)
			}
			time.Sleep(time.Second / 2)
		}
		if n := len(conn.set); n > 15 {
			t.Errorf("40 messages moved the deadline %d times", n)
		}
		conn.set = nil
		limit.extend(2 * time.Second) // the server let us in, and is to be heard sooner
		limit.last(time.Second)
		limit.extend(20 * time.Second)
		limit.last(3 * time.Second)
		if want := []time.Duration{22*time.Second + 100*time.Millisecond, 21 * time.Second}; !slices.Equal(conn.set, want) {
			t.Errorf("deadlines %v, want %v", conn.set, want)
		}
	})
}

// Heartbeats are never late, hardly early, and those of all rooms go out at the
// same moments, of which there are ten a second.
func TestUntilBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnector(KuaishouURL, "", timing{})
		moments := make(map[time.Duration]bool)
		for range 1000 {
			time.Sleep(1234567 * time.Nanosecond)
			for _, interval := range []time.Duration{time.Second, 20 * time.Second, 20*time.Second + 1, 5 * time.Minute} {
				until := c.untilBeat(interval)
				if until > interval || until < interval*19/20 {
					t.Fatalf("of %v it waits for %v", interval, until)
				}
				if interval == 20*time.Second {
					moments[time.Since(c.began)+until] = true
				}
			}
		}
		if n := len(moments); n > 14 { // in 1.2 s
			t.Errorf("1,000 heartbeats go out at %d moments", n)
		}
	})
}
