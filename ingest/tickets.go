package ingest

import (
	"crypto/tls"
	"sync"
)

// Bounds of tickets: servers, and tickets of each. Of a server that nobody has
// dialed for long the tickets are worthless.
const (
	ticketServers   = 100
	ticketsOfServer = 64
)

// tickets lets sockets resume TLS sessions, as those of a browser do: no
// certificates are sent and verified then, whose memory Go keeps with a connection,
// 4 KB and more. Each ticket is used once, and each connection brings another, so
// that of the sockets that are opened at once all have one (tls.NewLRUClientSessionCache
// keeps one of each server).
type tickets struct {
	mu sync.Mutex
	of map[string][]*tls.ClientSessionState // by server, the newest last
}

// Get takes a server's newest ticket.
func (t *tickets) Get(server string) (*tls.ClientSessionState, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.of[server]
	if len(all) == 0 {
		return nil, false
	}
	last := len(all) - 1
	ticket := all[last]
	all[last], t.of[server] = nil, all[:last]
	return ticket, true
}

// Put adds a ticket; nil says that the one taken last was of no use.
func (t *tickets) Put(server string, ticket *tls.ClientSessionState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ticket == nil {
		return
	}
	if t.of == nil || t.of[server] == nil && len(t.of) >= ticketServers {
		t.of = make(map[string][]*tls.ClientSessionState)
	}
	if len(t.of[server]) < ticketsOfServer {
		t.of[server] = append(t.of[server], ticket)
	}
}
