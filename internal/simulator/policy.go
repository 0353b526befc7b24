package simulator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Policy is how some callers are answered until it is lifted. Policies are
// asked in the order in which they were first set, before the room's own
// Answer; the first one that holds decides.
type Policy struct {
	// Name is what it is set anew and lifted by.
	Name string `json:"name"`
	// Whom and what it is for; empty is everybody and everything. Account is one
	// as in Call, or AnyUser, or AnyGuest. Address is an IP address.
	Account string `json:"account"`
	Address string `json:"address"`
	LiveID  string `json:"live_id"`
	// Stale makes who is logged in count as a guest for the policies after this
	// one, as an old cookie does; this one then decides nothing.
	Stale bool `json:"stale"`
	// Limit, when its Calls is not 0, makes the Answer hold only for who asks too
	// fast. The default Code of the Answer is then CodeTooFast.
	Limit Limit `json:"limit"`
	// Answer is the answer.
	Answer Answer `json:"answer"`
}

// Limit is a rate that callers keep within.
type Limit struct {
	// Calls in any Window are let through. The next one is refused, and so is all
	// for the time of Block after it; each call in that time begins it anew. In
	// JSON the times are nanoseconds.
	Calls  int           `json:"calls"`
	Window time.Duration `json:"window"`
	Block  time.Duration `json:"block"`
	// PerAccount counts each account on its own, not each address.
	PerAccount bool `json:"per_account"`
}

func (p Policy) validate() error {
	switch {
	case p.Name == "" || strings.Contains(p.Name, "/"):
		return errors.New("a policy needs a name without a slash")
	case p.Limit.Calls < 0 || p.Limit.Calls > 10_000:
		return errors.New("the limit of a policy is not between 0 and 10,000 calls")
	case p.Limit.Calls > 0 && (p.Limit.Window <= 0 || p.Limit.Block < 0):
		return errors.New("the limit of a policy needs a window, and a block that is not negative")
	}
	if err := p.Answer.validate(); err != nil {
		return fmt.Errorf("policy %s: %w", p.Name, err)
	}
	return nil
}

// policies are those that are set, and what their limits have counted.
type policies struct {
	mu   sync.Mutex
	list []*limited
}

// limited is a policy with the callers that its limit knows.
type limited struct {
	Policy
	callers map[string]*allowance
}

// allowance is what one caller has used up of a limit.
type allowance struct {
	calls   []time.Time // the latest, Limit.Calls of them at most
	blocked time.Time   // until when
}

// maxCallers is how many callers a limit remembers before it forgets those that
// are no longer limited.
const maxCallers = 10_000

// SetPolicy sets a policy, in the place of the one of that name if there is one.
func (s *Simulator) SetPolicy(policy Policy) error {
	if err := policy.validate(); err != nil {
		return err
	}
	if policy.Limit.Calls > 0 && policy.Answer.Code == 0 && policy.Answer.Status == 0 {
		policy.Answer.Code = CodeTooFast
	}
	set := &limited{Policy: policy, callers: make(map[string]*allowance)}
	p := &s.policies
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.index(policy.Name); i >= 0 {
		p.list[i] = set
	} else {
		p.list = append(p.list, set)
	}
	return nil
}

// LiftPolicy lifts the policy of that name, or all for "". To lift what is not
// set is no error.
func (s *Simulator) LiftPolicy(name string) {
	p := &s.policies
	p.mu.Lock()
	defer p.mu.Unlock()
	if name == "" {
		p.list = nil
	} else if i := p.index(name); i >= 0 {
		p.list = slices.Delete(p.list, i, i+1)
	}
}

// Policies are those that are set, in their order.
func (s *Simulator) Policies() []Policy {
	p := &s.policies
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Policy, 0, len(p.list))
	for _, one := range p.list {
		list = append(list, one.Policy)
	}
	return list
}

// index is where in list the policy of that name is, or -1. The caller holds mu.
func (p *policies) index(name string) int {
	return slices.IndexFunc(p.list, func(one *limited) bool { return one.Name == name })
}

// decide is the answer that a policy has for a call, if one has.
func (p *policies) decide(who caller, call, liveID string, now time.Time) (Answer, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.list {
		switch {
		case !one.concerns(who, call, liveID):
		case one.Stale:
			who.loggedIn = false
		case one.Limit.Calls == 0 || one.refuses(who, now):
			return one.Answer, true
		}
	}
	return Answer{}, false
}

func (l *limited) concerns(who caller, call, liveID string) bool {
	return who.is(l.Account) && (l.Address == "" || l.Address == who.address) &&
		(l.LiveID == "" || l.LiveID == liveID) && l.Answer.holds(call)
}

// refuses counts a call and says whether it came too fast.
func (l *limited) refuses(who caller, now time.Time) bool {
	name := who.address
	if l.Limit.PerAccount {
		name = who.account
	}
	used := l.callers[name]
	if used == nil {
		l.forget(now)
		used = &allowance{}
		l.callers[name] = used
	}
	if now.Before(used.blocked) {
		used.blocked = now.Add(l.Limit.Block)
		return true
	}
	if len(used.calls) == l.Limit.Calls {
		if now.Sub(used.calls[0]) < l.Limit.Window {
			used.blocked = now.Add(l.Limit.Block)
			return true
		}
		used.calls = used.calls[1:]
	}
	used.calls = append(used.calls, now)
	return false
}

// forget makes room among too many callers.
func (l *limited) forget(now time.Time) {
	if len(l.callers) < maxCallers {
		return
	}
	for name, used := range l.callers {
		if now.After(used.blocked) && now.Sub(used.calls[len(used.calls)-1]) >= l.Limit.Window {
			delete(l.callers, name)
		}
	}
}
