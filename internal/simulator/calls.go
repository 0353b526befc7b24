package simulator

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// maxCalls is how many calls are kept; the oldest are forgotten.
const maxCalls = 1 << 17

// Call is one HTTP call, or one handshake of a socket, when it came in.
type Call struct {
	At   time.Time `json:"at"`
	Name string    `json:"call"` // such as CallPage
	// Account is "user <userId>" for who is logged in, "guest <did>" for who has
	// a device only, and "guest" for who has no cookie. Address is the IP address.
	Account string `json:"account"`
	Address string `json:"address"`
	// LiveID is the room asked for, "" when there is none.
	LiveID string `json:"live_id"`
	// Code is the result code it was answered with, or the HTTP status, or 0.
	Code int `json:"code"`
}

// callLog is the last calls, the oldest first once it is put in order.
type callLog struct {
	mu    sync.Mutex
	calls []Call
	next  int    // where the next is put once calls is full
	count uint64 // all there ever were
}

func (l *callLog) add(call Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count++
	if len(l.calls) < maxCalls {
		l.calls = append(l.calls, call)
		return
	}
	l.calls[l.next] = call
	l.next = (l.next + 1) % maxCalls
}

func (l *callLog) all() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Concat(l.calls[l.next:], l.calls[:l.next])
}

// Calls are the calls that were made, the oldest first; of more than 131,072
// the latest. Those that arrive together may be out of order by microseconds.
func (s *Simulator) Calls() []Call { return s.calls.all() }

// Traffic is how often somebody called.
type Traffic struct {
	Calls int `json:"calls"`
	// Busiest is the most calls in any window of the length asked for.
	Busiest int `json:"busiest"`
	// Closest is the least time between the starts of two calls that follow each
	// other, 0 when there were fewer than two. In JSON it is nanoseconds.
	Closest time.Duration `json:"closest"`
}

// TrafficReport is the same calls counted in three ways.
type TrafficReport struct {
	Addresses map[string]Traffic `json:"addresses"`
	Accounts  map[string]Traffic `json:"accounts"`
	Calls     map[string]Traffic `json:"calls"`
}

// Report counts calls by address, by account and by name, with the busiest
// windows of a length. Sockets count by name only: budgets are for HTTP.
func Report(calls []Call, window time.Duration) TrafficReport {
	http := slices.DeleteFunc(slices.Clone(calls), func(c Call) bool { return c.Name == CallSocket })
	return TrafficReport{
		Addresses: TrafficBy(http, window, func(c Call) string { return c.Address }),
		Accounts:  TrafficBy(http, window, func(c Call) string { return c.Account }),
		Calls:     TrafficBy(calls, window, func(c Call) string { return c.Name }),
	}
}

// TrafficBy counts calls by what key says of each. A window holds its first
// instant and not its last, so that calls exactly a window apart do not share
// one.
func TrafficBy(calls []Call, window time.Duration, key func(Call) string) map[string]Traffic {
	times := make(map[string][]time.Time)
	for _, call := range calls {
		times[key(call)] = append(times[key(call)], call.At)
	}
	report := make(map[string]Traffic, len(times))
	for name, at := range times {
		slices.SortFunc(at, time.Time.Compare)
		report[name] = traffic(at, window)
	}
	return report
}

func traffic(at []time.Time, window time.Duration) Traffic {
	t := Traffic{Calls: len(at)}
	first := 0
	for i := range at {
		for at[i].Sub(at[first]) >= window && first < i {
			first++
		}
		t.Busiest = max(t.Busiest, i-first+1)
		if i > 0 {
			gap := at[i].Sub(at[i-1])
			t.Closest = min(cmp.Or(t.Closest, gap), gap)
		}
	}
	return t
}
