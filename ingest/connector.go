package ingest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"kslive/ingest/sockets"
)

// timing holds the bounds that a session and a room keep.
type timing struct {
	handshake time.Duration // dialing, TLS and the upgrade together
	write     time.Duration // one message to the server
	ack       time.Duration // from entering the room to the first answer

	heartbeat    time.Duration // when the server names no interval
	minHeartbeat time.Duration
	maxHeartbeat time.Duration

	leave time.Duration // reading on after CS_USER_EXIT
	end   time.Duration // reading on after SC_ERROR

	// The window in which the wait before a reconnect is drawn when the server
	// names none; it doubles with each failure in a row up to maxReconnect.
	reconnectFrom time.Duration
	reconnectTo   time.Duration
	maxReconnect  time.Duration
	// stable is how long a session must have lasted for it not to be a failure.
	stable time.Duration
	// mute is for how long a room may bring nothing but counters before it is
	// looked up anew; a way in that was found less than stale ago is trusted.
	mute  time.Duration
	stale time.Duration
	// probe is for how long a socket may answer heartbeats and bring nothing else
	// before it is asked whether its broadcast is still on air; then less and less
	// often, down to once in probeMost.
	probe     time.Duration
	probeMost time.Duration

	// recall is the least time between two polls of the history of comments. A way
	// to hear more is looked for after betterFrom, then less and less often down to
	// once in betterTo; over is how often it is asked whether the live has ended.
	recall     time.Duration
	betterFrom time.Duration
	betterTo   time.Duration
	over       time.Duration
}

func defaultTiming() timing {
	return timing{
		handshake:     10 * time.Second,
		write:         10 * time.Second,
		ack:           10 * time.Second,
		heartbeat:     20 * time.Second,
		minHeartbeat:  time.Second,
		maxHeartbeat:  5 * time.Minute,
		leave:         2 * time.Second,
		end:           time.Second,
		reconnectFrom: time.Second,
		reconnectTo:   5 * time.Second,
		maxReconnect:  time.Minute,
		stable:        time.Minute,
		mute:          5 * time.Minute,
		stale:         30 * time.Minute,
		probe:         3 * time.Minute,
		probeMost:     30 * time.Minute,
		recall:        3 * time.Second,
		betterFrom:    30 * time.Second,
		betterTo:      5 * time.Minute,
		over:          time.Minute,
	}
}

// interval is the time between heartbeats when the server asks for one of ms
// milliseconds, or for none.
func (t timing) interval(ms uint64) time.Duration {
	if ms == 0 {
		return t.heartbeat
	}
	return min(max(milliseconds(ms), t.minHeartbeat), t.maxHeartbeat)
}

// milliseconds reads a duration sent by the server; ten minutes at most, so
// that no number, however wrong, keeps a room closed for long.
func milliseconds(ms uint64) time.Duration {
	return min(time.Duration(min(ms, 1<<32))*time.Millisecond, 10*time.Minute)
}

const (
	// maxMessage is the longest websocket message in bytes. With what a frame
	// adds to it, it is still a record that the spool takes (16 MiB by default).
	maxMessage = 16<<20 - 4<<10
	// keptBuffer bounds the buffers that are used again, so that one large
	// message does not hold its memory for ever.
	keptBuffer = 64 << 10
	// maxProbing is how many rooms are looked up at the same time because their
	// sockets are silent. Where thousands are, the calls are wanted for others.
	maxProbing = 10
)

// connector opens sockets. All rooms of a process share one, and with it the
// buffers, so that a room that is quiet holds little more than its socket.
type connector struct {
	dialer  websocket.Dialer
	header  http.Header // of handshakes
	timing  timing
	dials   *dialLimit
	probing chan struct{} // has one for each look-up because of silence
	buffers sync.Pool     // of *bytes.Buffer
	began   time.Time     // that moments of heartbeats are counted from
}

// newConnector returns a connector whose sockets say that they come from pages
// of origin, such as KuaishouURL, and from the browser that was shown them.
//
// permessage-deflate, which browsers offer, is not: the server compresses large
// payloads itself, and the read limit counts bytes as they arrive, so that it
// would not bound what they inflate to.
func newConnector(origin, userAgent string, timing timing) *connector {
	return &connector{
		dialer: websocket.Dialer{
			Proxy:            http.ProxyFromEnvironment,
			NetDialContext:   dialInto(new(sockets.Set)),
			HandshakeTimeout: timing.handshake,
			TLSClientConfig:  &tls.Config{ClientSessionCache: new(tickets)},
			ReadBufferSize:   256, // the rest of a larger message is read to where it is kept
			WriteBufferSize:  1024,
			WriteBufferPool:  new(sync.Pool),
		},
		header:  http.Header{"Origin": {origin}, "User-Agent": {userAgent}},
		timing:  timing,
		dials:   newDialLimit(),
		probing: make(chan struct{}, maxProbing),
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }},
		began:   time.Now(),
	}
}

// dialInto is net.Dialer's DialContext for sockets that set looks at.
func dialInto(set *sockets.Set) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return set.Take(conn)
	}
}

// untilBeat is how long it is until the heartbeat that is due within an interval.
// The heartbeats of all rooms go out at the same moments, ten a second: to wake an
// idle process costs several times what a heartbeat does.
func (c *connector) untilBeat(interval time.Duration) time.Duration {
	now := time.Since(c.began)
	moments := min(100*time.Millisecond, interval/20)
	return (now + interval).Truncate(moments) - now
}

// dial opens a socket when it is its turn, by proxy unless that is nil. Its
// errors do not hold the address, only the host.
func (c *connector) dial(ctx context.Context, address string, proxy *url.URL) (*websocket.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("connecting: the address of the socket cannot be read")
	}
	done, err := c.dials.wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", u.Host, err)
	}
	defer done()
	// The library lets a handshake go on when ctx is done: the connection under it
	// is closed.
	dialer, interrupted := c.dialer, func() bool { return false }
	dialer.NetDialContext = func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := c.dialer.NetDialContext(dialing, network, address)
		if err == nil {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // nobody waits for its error
			interrupted = func() bool { return !stop() }
		}
		return conn, err
	}
	if proxy != nil {
		dialer = byProxy(dialer, proxy)
	}
	conn, response, err := dialer.DialContext(ctx, address, c.header)
	if interrupted() && err == nil {
		_ = conn.Close() // it is closed already
		err = ctx.Err()
	}
	switch {
	case ctx.Err() != nil && err != nil:
		return nil, fmt.Errorf("connecting to %s: %w", u.Host, ctx.Err())
	case err != nil && response != nil:
		return nil, fmt.Errorf("connecting to %s: refused with HTTP status %d", u.Host, response.StatusCode)
	case err != nil:
		return nil, fmt.Errorf("connecting to %s: %w", u.Host, withoutURL(err))
	}
	conn.SetReadLimit(maxMessage)
	// A ping that cannot be answered is no reason to stop reading what the server
	// sent after it.
	conn.SetPingHandler(func(data string) error {
		_ = conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(c.timing.write))
		return nil
	})
	return conn, nil
}

// read reads the next message into a buffer that the caller gives back with
// release. Nothing is held while the socket is silent.
func (c *connector) read(conn *websocket.Conn) (*bytes.Buffer, error) {
	_, reader, err := conn.NextReader()
	if err != nil {
		return nil, err
	}
	buffer := c.buffers.Get().(*bytes.Buffer)
	if _, err := io.Copy(buffer, reader); err != nil {
		c.release(buffer)
		return nil, err
	}
	return buffer, nil
}

func (c *connector) release(buffer *bytes.Buffer) {
	if buffer.Cap() > keptBuffer {
		return
	}
	buffer.Reset()
	c.buffers.Put(buffer)
}
