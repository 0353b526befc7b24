package ingest

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kslive/internal/simulator"
)

// stormAccounts is a file of accounts that are logged in, each with an exit of
// its own.
func stormAccounts(exits []*relay, version int) string {
	var text strings.Builder
	for i, exit := range exits {
		fmt.Fprintf(&text, "[[account]]\nname = \"a%d\"\nrate = 10\nproxy = %q\ncookie = \"userId=%d; kuaishou.live.web_st=%s; v=%d\"\n",
			i, exit.url(relayUser), i, secretCookie, version*min(i, 1))
	}
	return text.String()
}

// Of four accounts one is told to slow down, one is asked for a captcha and one
// for a login: their rooms get in with the fourth. When that is limited, too, all
// say so. After the storm they come back, and with new cookies the accounts do.
func TestStormOfAccounts(t *testing.T) {
	exits := make([]*relay, 4)
	for i := range exits {
		exits[i] = newRelay(t, "socks5", nil)
	}
	file := filepath.Join(t.TempDir(), "accounts.toml")
	accountsFile(t, file, stormAccounts(exits, 1), time.Hour)
	limits := quick()
	c := newCrowd(t, crowdOptions{rooms: crowdSize(20), limits: limits, accounts: file, dialAtOnce: true})
	heardBy := func(want ...string) func() bool {
		return func() bool {
			return c.allLive() && slices.Equal(slices.Sorted(maps.Keys(c.by())), want)
		}
	}
	c.await("all rooms are heard, by all accounts", heardBy("a0", "a1", "a2", "a3"))

	refuse := func(account string, code int) {
		policy := simulator.Policy{Name: account, Account: account, Answer: simulator.Answer{Code: code}}
		if err := c.sim.SetPolicy(policy); err != nil {
			t.Fatal(err)
		}
	}
	c.faults(simulator.Faults{RefuseReconnect: true}) // so that all are looked up again
	refuse(simulator.AnyGuest, simulator.CodeLogin)   // or else the mobile page lets them in
	refuse("user 1", simulator.CodeTooFast)
	refuse("user 2", simulator.CodeCaptcha)
	refuse("user 3", simulator.CodeLogin)
	c.cut()
	c.await("all rooms are heard by the account that is well", heardBy("a0"))
	if got, want := c.client.accounts.troubles(), []State{"", StateRateLimited, StateCaptcha, StateLoginRequired}; !slices.Equal(got, want) {
		t.Errorf("the accounts were refused with %v, want %v", got, want)
	}

	refuse("user 0", simulator.CodeTooFast)
	c.forget()
	c.cut()
	c.await("all rooms are refused", func() bool {
		refused := 0
		for _, last := range c.ends {
			if last.State == StateRateLimited && last.Reason != "" && last.Account != "" {
				refused++
			}
		}
		return refused == len(c.liveIDs)
	})

	c.sim.LiftPolicy("")
	c.restsAreOver()
	c.await("all rooms are heard again by those that only had to wait", heardBy("a0", "a1"))
	accountsFile(t, file, stormAccounts(exits, 2), 0)
	c.cut()
	c.await("all accounts are used again", heardBy("a0", "a1", "a2", "a3"))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.offline != 0 {
		t.Errorf("%d reports say of a room on air that it is not", c.offline)
	}
}

// troubles are what the accounts rest for, or rested last.
func (s *accounts) troubles() (states []State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.list {
		states = append(states, a.health.state)
	}
	return states
}
