package ingest

import (
	"sync"
	"time"
)

// asGuest is a caller from the same address without the account's cookies, and
// whatever has become of the account.
func (c caller) asGuest() caller {
	c.guest, c.attempt = true, new(attempt)
	return c
}

// may says whether a call can be made now.
func (c caller) may() bool {
	if !c.guest {
		return c.client.accounts.canCall(c.account)
	}
	return c.client.accounts.exitIsWell(c.account) && !c.client.guests.paused(c.account.exit.name, time.Now())
}

// guestPauses are until when guests of an exit do not ask the mobile page.
type guestPauses struct {
	mu    sync.Mutex
	until map[string]time.Time // by the exit's name; as many as there are exits
}

func (p *guestPauses) pause(exit string, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until == nil {
		p.until = make(map[string]time.Time)
	}
	p.until[exit] = until
}

func (p *guestPauses) paused(exit string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Before(p.until[exit])
}
