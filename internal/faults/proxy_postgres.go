package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"sync"
	"time"
)

// postgresProxy stands between a worker and Postgres. It is safe for concurrent
// use.
type postgresProxy struct {
	engine  string // host and port
	address string // its own

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]struct{}
	delay    time.Duration // before what a worker says is handed on
	cutClaim bool          // break a connection on which a claim has just been asked for
	cuts     int           // how often that was done
	serving  sync.WaitGroup
}

func newPostgresProxy(engine string) (*postgresProxy, error) {
	p := &postgresProxy{engine: engine, address: "127.0.0.1:0", conns: make(map[net.Conn]struct{})}
	return p, p.open()
}

// open listens, again on the same port.
func (p *postgresProxy) open() error {
	listener, err := net.Listen("tcp", p.address)
	if err != nil {
		return fmt.Errorf("opening the proxy of Postgres: %w", err)
	}
	p.mu.Lock()
	p.listener, p.address = listener, listener.Addr().String()
	p.mu.Unlock()
	p.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.serving.Go(func() { p.pass(conn) })
		}
	})
	return nil
}

// close breaks every connection and has new ones refused.
func (p *postgresProxy) close() {
	p.mu.Lock()
	p.listener.Close()
	for conn := range p.conns {
		conn.Close()
	}
	p.mu.Unlock()
	p.serving.Wait()
}

// setDelay holds up everything that workers say.
func (p *postgresProxy) setDelay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// setCutClaim has connections broken in the middle of claims.
func (p *postgresProxy) setCutClaim(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cutClaim = cut
}

// claimsCut is how many were.
func (p *postgresProxy) claimsCut() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

// track notes a connection, for close to break.
func (p *postgresProxy) track(conn net.Conn) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = struct{}{}
	return func() {
		conn.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, conn)
	}
}

func (p *postgresProxy) pass(worker net.Conn) {
	defer p.track(worker)()
	engine, err := net.Dial("tcp", p.engine)
	if err != nil {
		return
	}
	defer p.track(engine)()
	p.serving.Go(func() { // ends when either connection does
		_, _ = io.Copy(worker, engine)
		worker.Close()
	})
	p.listen(worker, engine)
}

// listen hands on what a worker says.
func (p *postgresProxy) listen(worker, engine net.Conn) {
	var claims claimWatch
	buffer := make([]byte, 64<<10)
	for {
		n, err := worker.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		delay := p.delay
		cut := claims.asked(buffer[:n]) && p.cutClaim
		if cut {
			p.cuts++
		}
		p.mu.Unlock()
		time.Sleep(delay)
		if _, err := engine.Write(buffer[:n]); err != nil || cut {
			return // Postgres has the claim, the worker never learns of it
		}
	}
}

// claimWatch tells when a worker asks for rooms: when it executes the statement
// that it has prepared from the text with SKIP LOCKED and owner = $2.
type claimWatch struct{ statement []byte }

var preparedName = regexp.MustCompile(`stmtcache_[0-9a-f]+`)

func (c *claimWatch) asked(said []byte) bool {
	if bytes.Contains(said, []byte("SKIP LOCKED")) && bytes.Contains(said, []byte("SET owner = $2")) {
		c.statement = bytes.Clone(preparedName.Find(said))
		return c.statement == nil // sent and executed at once
	}
	return c.statement != nil && bytes.Contains(said, c.statement)
}
