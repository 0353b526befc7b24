package ingest

import (
	"context"
	"maps"
	"slices"
)

// Exits are the addresses that calls come from, in order: a proxy's host and
// port, or direct@ and ClientOptions.ExitName. They hold no secret.
func (c *Client) Exits() []string {
	return slices.Sorted(maps.Keys(c.accounts.budgets()))
}

// DivideExits has the calls from each exit take one part of what may be asked
// from it: by the name of the exit, the number of workers that ask from it.
func (c *Client) DivideExits(workers map[string]int) {
	for name, budget := range c.accounts.budgets() {
		budget.divide(workers[name])
	}
}

// budgets are those of the exits in use, by names that are the same for all
// workers.
func (s *accounts) budgets() map[string]*budget {
	s.mu.Lock()
	defer s.mu.Unlock()
	budgets := make(map[string]*budget, len(s.exits))
	for _, exit := range s.exits {
		name := exit.name
		if name == directExit {
			name += "@" + s.direct
		}
		budgets[name] = exit.budget
	}
	return budgets
}

// divideExits divides what may be asked from each exit evenly among the workers
// that ask from it. One that has just come is known to the others at their next
// poll.
func (i *Ingester) divideExits(ctx context.Context, load Load) error {
	own, workers := i.o.Client.Exits(), make(map[string]int)
	for name, exits := range load.Exits {
		if name == i.o.Lives.worker {
			continue
		}
		for _, exit := range exits {
			workers[exit]++
		}
	}
	for _, exit := range own {
		workers[exit]++
	}
	i.o.Client.DivideExits(workers)
	if slices.Equal(own, load.Exits[i.o.Lives.worker]) {
		return nil
	}
	return i.o.Lives.TellExits(ctx, own)
}
