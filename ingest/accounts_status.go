package ingest

import (
	"cmp"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// States of an account beside those of rooms that it has in common with them.
const (
	accountOK         = "ok"
	accountBackingOff = "backing_off"
)

// AccountStatus says how it stands with an account at one worker. It holds no
// secret.
type AccountStatus struct {
	Worker  string `json:"worker"`
	Account string `json:"account"`
	// Exit is host and port of the account's proxy, or "direct".
	Exit string `json:"exit"`
	// State is ok, backing_off, captcha, login_required or unreachable; Reason is
	// a sentence for a person.
	State  string    `json:"state"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// Until is when it is used again; nil: it is in use, or out until its cookies
	// are changed.
	Until    *time.Time `json:"until"`
	LoggedIn bool       `json:"logged_in"`
	// Calls and Refusals are since the account was read.
	Calls    int64 `json:"calls"`
	Refusals int64 `json:"refusals"`
	// Rooms are those that the worker holds and looks up with it now.
	Rooms int `json:"rooms"`
	// Rate is in calls a second; 0: as its exit. ExitRate likewise; 0: no bound.
	Rate     float64 `json:"rate"`
	ExitRate float64 `json:"exit_rate"`
	// ExitCallsMinute are the calls of the exit in the last minute, ExitWaiting
	// those that wait for their turns.
	ExitCallsMinute int `json:"exit_calls_minute"`
	ExitWaiting     int `json:"exit_waiting"`
	// Stale is set when the worker has not been heard of for a lease.
	Stale     bool      `json:"stale"`
	UpdatedAt time.Time `json:"updated_at"`
}

// rateOf is calls a second for a time between two calls; 0 for none.
func rateOf(interval time.Duration) float64 {
	if interval <= 0 {
		return 0
	}
	return float64(time.Second) / float64(interval)
}

// statuses are those of all accounts, as of now.
func (s *accounts) statuses() []AccountStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	rooms := make(map[*account]int)
	for liveID := range s.held {
		if a := s.heaviest(liveID, func(a *account) bool { return a.usable(now) }); a != nil {
			rooms[a]++
		}
	}
	list := make([]AccountStatus, 0, len(s.list))
	for _, a := range s.list {
		_, lastMinute := a.exit.budget.calls()
		status := AccountStatus{
			Account: a.spec.name, Exit: a.exit.name, State: accountOK, Since: a.since, LoggedIn: a.loggedIn,
			Calls: int64(a.calls), Refusals: int64(a.refusals), Rooms: rooms[a],
			Rate: a.line.rate(), ExitRate: a.exit.budget.rate(),
			ExitCallsMinute: lastMinute, ExitWaiting: a.exit.budget.waitingNow(),
		}
		status.rests(a, now)
		list = append(list, status)
	}
	return list
}

// rests fills in why an account is not used now, if it is not.
func (s *AccountStatus) rests(a *account, now time.Time) {
	rest, resting := a.resting(now)
	if !resting {
		if now.Before(a.noSocket) {
			who := "an account"
			if !a.loggedIn {
				who = "a guest"
			}
			s.Reason = who + " that is not shown how to enter rooms; not asked again until " + untilText(a.noSocket)
		}
		return
	}
	s.State, s.Reason, s.Since = string(rest.state), rest.reason, rest.since
	if rest.state == StateRateLimited {
		s.State = accountBackingOff
	}
	if !rest.until.IsZero() {
		s.Until = &rest.until
	}
}

// hold counts a room among those of the accounts until release is called.
func (s *accounts) hold(liveID string) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[liveID]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.held[liveID]--; s.held[liveID] == 0 {
			delete(s.held, liveID)
		}
	}
}

// accountsCollector shows accounts to Prometheus, by name.
type accountsCollector struct {
	accounts                          *accounts
	calls, waiting, backingOff, state *prometheus.Desc
}

func newAccountsCollector(s *accounts) *accountsCollector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &accountsCollector{
		accounts:   s,
		calls:      describe("ingest_exit_calls_total", "HTTP calls to Kuaishou, by the address that they go out from: a proxy, or direct.", "exit"),
		waiting:    describe("ingest_exit_waiting", "HTTP calls that wait for their turns, by exit.", "exit"),
		backingOff: describe("ingest_exit_backing_off", "1 while nothing is asked from an exit, because Kuaishou told it to slow down or its proxy takes no calls.", "exit"),
		state:      describe("ingest_account_state", "1 for the state that an account is in: ok, backing_off, captcha, login_required or unreachable.", "account", "state"),
	}
}

// Describe is part of prometheus.Collector.
func (c *accountsCollector) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{c.calls, c.waiting, c.backingOff, c.state} {
		to <- desc
	}
}

// Collect is part of prometheus.Collector.
func (c *accountsCollector) Collect(to chan<- prometheus.Metric) {
	for _, status := range c.accounts.statuses() {
		to <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, 1, status.Account, status.State)
	}
	c.accounts.mu.Lock()
	defer c.accounts.mu.Unlock()
	now := time.Now()
	for _, e := range c.accounts.exits {
		all, _ := e.budget.calls()
		resting := 0.0
		if e.health.rests(now) {
			resting = 1
		}
		to <- prometheus.MustNewConstMetric(c.calls, prometheus.CounterValue, float64(all), e.name)
		to <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(e.budget.waitingNow()), e.name)
		to <- prometheus.MustNewConstMetric(c.backingOff, prometheus.GaugeValue, resting, e.name)
	}
}

// RoundTime is how long it takes to look at a number of rooms once, with a call
// each, by the exits that can be used; forever is set when there is none.
func RoundTime(rooms int, list []AccountStatus) (round time.Duration, rate float64, forever bool) {
	type exitOf struct{ worker, exit string }
	rates := make(map[exitOf]float64)
	for _, a := range list {
		if a.Stale || a.State != accountOK {
			continue
		}
		e := exitOf{a.Worker, a.Exit}
		own := cmp.Or(a.Rate, a.ExitRate)
		if own == 0 {
			return 0, 0, false // no bound at all
		}
		rates[e] += own
		if a.ExitRate > 0 {
			rates[e] = min(rates[e], a.ExitRate)
		}
	}
	for _, r := range rates {
		rate += r
	}
	if rate == 0 {
		return 0, 0, true
	}
	return time.Duration(float64(rooms) / rate * float64(time.Second)), rate, false
}
