// Package simulator is a Kuaishou that runs on loopback: room pages, REST calls
// and the websocket, with rooms that go live, push, end and come back. What it
// pushes is decided by a seed. It keeps a Ledger of the rows that everything it
// wrote to a socket must become, made from what it meant to say and not by
// decoding it, so that it can be a witness against the ingester's decoder.
//
// It knows who calls, by cookies and address, and can be told to answer some of
// them with every refusal there is: see Policy, Answer, Faults and PageStyle.
// What clients did can be read from Calls, Report and Trace. Other processes
// steer and read it below /simulator/ with Client.
package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	kuaishou "kslive/proto"
)

// Options shape a simulator. The zero value works.
type Options struct {
	// Listen is the address to listen on, "127.0.0.1:0" when empty.
	Listen string
	// Seed decides everything that is invented.
	Seed uint64
	// Rate is feed events (comments, likes, gifts, …) per second in each live
	// room, 20 when 0. A like counts once although it is two rows.
	Rate float64
	// PushEvery is the time from push to push, with jitter; 1 s when 0.
	PushEvery time.Duration
	// Heartbeat is the interval that clients are told, 20 s when 0. MinReconnect
	// and MaxReconnect are the window for the wait before a reconnect that they
	// are told, 1 s to 5 s when both are 0. All count in milliseconds.
	Heartbeat                  time.Duration
	MinReconnect, MaxReconnect time.Duration
	// AnyEntry takes a token of byUser also when it is entered like the web's, and
	// the reverse. Whether Kuaishou does is not known.
	AnyEntry bool
	// Strict refuses what the site's own pages would not send: a handshake without
	// their Origin or a browser's User-Agent, websocketinfo without caver and byUser
	// without all of its parameters. Whether Kuaishou does is not known.
	Strict bool
	// Trace keeps what happens on sockets; see Simulator.Trace.
	Trace bool
	// Confirm makes clients confirm what they read, so that the ledger can tell
	// it from what was only written: it pings them after their frames, and a
	// client answers a ping when it asks for what comes after it.
	Confirm bool
	// TLS serves https and wss, with a certificate of its own; see Certificate.
	TLS bool
	// Repeat are envelopes that every room pushes again and again, in turn, each
	// with the time it is sent at; Rate then counts frames. Each room begins with
	// another one, so that many rooms together push all of them at all times. For
	// measuring: nothing is invented meanwhile. The ledger does not know their rows.
	Repeat [][]byte
	// Logger may be nil.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if o.Rate < 0 || o.PushEvery < 0 || o.Heartbeat < 0 || o.MinReconnect < 0 {
		return o, errors.New("rate, push interval, heartbeat and reconnects of a simulator must not be negative")
	}
	if o.MaxReconnect == 0 && o.MinReconnect == 0 {
		o.MinReconnect, o.MaxReconnect = time.Second, 5*time.Second
	}
	if o.MaxReconnect < o.MinReconnect {
		return o, errors.New("the window for reconnects of a simulator ends before it begins")
	}
	if len(o.Repeat) > 0 && o.Confirm {
		return o, errRepeatConfirm
	}
	if err := checkRepeated(o.Repeat); err != nil {
		return o, err
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Rate == 0 {
		o.Rate = 20
	}
	if o.PushEvery == 0 {
		o.PushEvery = time.Second
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = 20 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Simulator is a running Kuaishou. It is safe for concurrent use.
type Simulator struct {
	options  Options
	ledger   *Ledger
	crowd    []*person
	url      string
	trusted  []byte // the certificate's PEM; nil without Options.TLS
	server   *http.Server
	upgrader websocket.Upgrader

	calls    callLog
	policies policies
	prices   prices
	trace    trace
	refusing atomic.Bool // connections

	dialled atomic.Uint64 // sockets
	frames  atomic.Uint64 // written to sockets
	pending atomic.Int64  // of them: on open connections, to be confirmed
	unknown atomic.Uint64 // of them: not confirmed, and never will be
	stopped atomic.Bool   // no more pushes

	mu        sync.RWMutex // before a room's mu
	rooms     map[string]*room
	entrances map[string]*room // by liveStreamId, also of broadcasts that are over
	codes     map[string]*room // by the code of the short link and of the websocket URLs

	// ctx ends when the simulator closes; work are the goroutines to wait for.
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	outages chan time.Duration // to serve

	lifeMu sync.Mutex // after a room's mu
	closed bool       // no work begins any more
	conns  map[*conn]bool
}

// Start listens and serves until ctx ends or Close is called.
func Start(ctx context.Context, options Options) (*Simulator, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", options.Listen)
	if err != nil {
		return nil, fmt.Errorf("starting the simulator on %s: %w", options.Listen, err)
	}
	s := &Simulator{
		options:   options,
		ledger:    newLedger(time.Now()),
		crowd:     newCrowd(options.Seed),
		url:       "http://" + listener.Addr().String(),
		rooms:     make(map[string]*room),
		entrances: make(map[string]*room),
		codes:     make(map[string]*room),
		prices:    prices{changed: make(map[uint32]uint32)},
		conns:     make(map[*conn]bool),
		trace:     trace{kept: options.Trace},
		outages:   make(chan time.Duration),
		upgrader: websocket.Upgrader{
			ReadBufferSize:  512,
			WriteBufferSize: 4096,
			WriteBufferPool: &sync.Pool{},
			CheckOrigin:     func(*http.Request) bool { return true },
		},
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.server = &http.Server{
		Handler:           s.reachable(s.routes()),
		ReadHeaderTimeout: patience,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
	}
	if options.TLS {
		if err := s.secure(); err != nil {
			s.cancel()
			return nil, errors.Join(fmt.Errorf("starting the simulator: %w", err), listener.Close())
		}
	}
	s.work.Go(func() {
		if err := s.serve(listener); !errors.Is(err, http.ErrServerClosed) {
			options.Logger.Error("the simulator stopped serving", "error", err)
		}
	})
	s.work.Go(func() {
		<-s.ctx.Done()
		s.hangUp()
	})
	return s, nil
}

// URL is the base of all pages and calls, such as "http://127.0.0.1:8080".
func (s *Simulator) URL() string { return s.url }

// Certificate is what clients must trust, in PEM; nil without Options.TLS.
func (s *Simulator) Certificate() []byte { return s.trusted }

// Ledger is what was sent so far; it goes on growing.
func (s *Simulator) Ledger() *Ledger { return s.ledger }

// Close drops every connection and waits until nothing runs any more.
func (s *Simulator) Close() error {
	s.cancel()
	s.work.Wait()
	return nil
}

// hangUp ends everything that work waits for.
func (s *Simulator) hangUp() {
	s.lifeMu.Lock()
	s.closed = true
	for c := range s.conns {
		c.drop()
	}
	s.lifeMu.Unlock()
	_ = s.server.Close()
}

// begin runs work in a goroutine that Close waits for, or reports false when
// the simulator is closing.
func (s *Simulator) begin(work func()) bool {
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	if s.closed {
		return false
	}
	s.work.Go(work)
	return true
}

// track notes a connection that is there, or no longer.
func (s *Simulator) track(c *conn, there bool) {
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	if there {
		s.conns[c] = true
	} else {
		delete(s.conns, c)
	}
}

// StopPushing ends all pushes for good. Connections stay, and heartbeats and
// entries are answered. When it returns, everything pushed is written and in
// the ledger, or its connection is gone or half open.
func (s *Simulator) StopPushing() {
	s.stopped.Store(true)
	for _, room := range s.everyRoom() {
		room.settle()
	}
	s.lifeMu.Lock()
	type wait struct{ flushed, written <-chan struct{} }
	var waits []wait
	for c := range s.conns {
		if room := c.room.Load(); room != nil && room.frozen() != nil {
			continue
		}
		waits = append(waits, wait{c.flushed(), c.written})
	}
	s.lifeMu.Unlock()
	for _, w := range waits {
		select {
		case <-w.flushed:
		case <-w.written:
		case <-s.ctx.Done():
			return
		}
	}
}

// Stats is what the simulator is doing.
type Stats struct {
	// Rooms counts rooms by state: "live", "offline", and "refusing" for those
	// that were told to answer with an error.
	Rooms       map[string]int `json:"rooms"`
	Connections int            `json:"connections"`
	// Frames were written to sockets, each connection counted.
	Frames uint64 `json:"frames"`
	// With Options.Confirm, Pending of them are on open connections and have yet
	// to be confirmed, and Unknown went to connections that ended before that:
	// whether those were read is not known. Each connection counts.
	Pending int64  `json:"pending"`
	Unknown uint64 `json:"unknown"`
	// Sent is the rows that were sent, by table.
	Sent map[string]uint64 `json:"sent"`
}

// Stats counts rooms, connections, frames and rows.
func (s *Simulator) Stats() Stats {
	stats := Stats{
		Rooms: make(map[string]int), Frames: s.frames.Load(), Pending: s.pending.Load(), Unknown: s.unknown.Load(), Sent: s.ledger.Counts(),
	}
	for _, room := range s.everyRoom() {
		stats.Rooms[room.state().State]++
	}
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	stats.Connections = len(s.conns)
	return stats
}

// entrance is the room that a request to enter is about: by its liveStreamId,
// or else by its token, when that is of the room whose URL it came to. Nil when
// none is.
func (s *Simulator) entrance(request *kuaishou.CSWebEnterRoom, address *room) *room {
	s.mu.RLock()
	named := s.entrances[request.LiveStreamId]
	s.mu.RUnlock()
	if named == nil && address.issued(request.Token) {
		return address
	}
	return named
}
