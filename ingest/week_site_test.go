package ingest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	kuaishou "kslive/proto"
)

// weekTrouble is a time in which not everything is well.
type weekTrouble struct {
	name     string
	from, to time.Time
	exits    int // how many addresses are told to slow down; 0: nothing answers
}

const (
	weekOutage    = "during the outage"
	weekRateLimit = "a third of the addresses limited"
	weekRefused   = "all addresses limited"
	weekRestart   = "during the restart"
)

// weekRecovery is for how long after a trouble what happens counts as part of
// it: until an account that was told to slow down is used again at the latest,
// with its jitter.
const weekRecovery = 35 * time.Minute

// weekAnswer is what a call was told.
type weekAnswer string

const (
	weekLive    weekAnswer = "live"
	weekOffline weekAnswer = "offline"
	weekLimited weekAnswer = "limited"
	weekDown    weekAnswer = "down"
)

// weekSite is a Kuaishou in this process: pages, websocketinfo and sockets. It
// limits by address, and an address that asks on while it is limited stays so.
type weekSite struct {
	t        *testing.T
	troubles []weekTrouble
	rooms    map[string]*weekRoom // by live ID
	streams  map[string]*weekRoom
	shows    map[string]*show // by stream

	ack, beatAck []byte // as they are sent

	mu      sync.Mutex // covers all below
	exits   []*weekExit
	answers map[string]weekAnswer // the last one, by live ID
}

// weekExit is an address that calls come from.
type weekExit struct {
	site    *weekSite
	number  int
	calls   []time.Time // of the last minute
	most    [3]int      // calls in any window of weekWindows
	total   int
	refused int
	until   time.Time // it is limited
}

var weekWindows = [3]time.Duration{time.Second, 10 * time.Second, time.Minute}

// weekLimit is how many calls in a minute the site takes from an address.
const weekLimit = 65

// weekBeat is the interval of heartbeats: longer than Kuaishou's 20 s, so that a
// week takes minutes.
const weekBeat = 2 * time.Minute

func newWeekSite(t *testing.T, rooms []*weekRoom, exits int) *weekSite {
	s := &weekSite{
		t: t, rooms: make(map[string]*weekRoom), streams: make(map[string]*weekRoom), shows: make(map[string]*show),
		answers: make(map[string]weekAnswer),
		ack: serverMessage(t, kuaishou.PayloadType_SC_ENTER_ROOM_ACK,
			&kuaishou.SCWebEnterRoomAck{HeartbeatIntervalMs: uint64(weekBeat.Milliseconds())}),
		beatAck: serverMessage(t, kuaishou.PayloadType_SC_HEARTBEAT_ACK, &kuaishou.SCWebHeartbeatAck{}),
	}
	for _, r := range rooms {
		s.rooms[r.id] = r
		for _, show := range r.shows {
			s.streams[show.stream], s.shows[show.stream] = r, show
		}
	}
	for n := range exits {
		s.exits = append(s.exits, &weekExit{site: s, number: n})
	}
	return s
}

// trouble is the one of that name.
func (s *weekSite) trouble(name string) weekTrouble {
	return s.troubles[slices.IndexFunc(s.troubles, func(w weekTrouble) bool { return w.name == name })]
}

// during is the trouble to which a start at t counts: one in it, in its
// aftermath, or so short before it that it need not have been seen. Otherwise
// empty.
func (s *weekSite) during(t time.Time) string {
	for _, w := range s.troubles {
		if t.After(w.from.Add(-weekOtherBound)) && t.Before(w.to.Add(weekRecovery)) {
			return w.name
		}
	}
	return ""
}

// now is the trouble at t for an exit, nil when there is none.
func (s *weekSite) now(t time.Time, exit int) *weekTrouble {
	for i := range s.troubles {
		if w := &s.troubles[i]; !t.Before(w.from) && t.Before(w.to) && (w.exits == 0 || exit < w.exits) {
			return w
		}
	}
	return nil
}

// called counts a call at now, and says whether the site refuses it.
func (e *weekExit) called(now time.Time) (refused, down bool) {
	e.total++
	e.calls = append(e.calls, now)
	for now.Sub(e.calls[0]) >= weekWindows[2] {
		e.calls = e.calls[1:]
	}
	for i, window := range weekWindows {
		n := 0
		for j := len(e.calls) - 1; j >= 0 && now.Sub(e.calls[j]) < window; j-- {
			n++
		}
		e.most[i] = max(e.most[i], n)
	}
	trouble := e.site.now(now, e.number)
	if trouble != nil && trouble.exits == 0 {
		return false, true
	}
	switch {
	case trouble != nil:
		e.until = trouble.to
	case now.Before(e.until):
		e.until = e.until.Add(time.Second)
	case len(e.calls) > weekLimit:
		e.until = now.Add(time.Minute)
	}
	refused = now.Before(e.until)
	if refused {
		e.refused++
	}
	return refused, false
}

// RoundTrip answers a call that leaves by this address.
func (e *weekExit) RoundTrip(request *http.Request) (*http.Response, error) {
	s := e.site
	liveID, isPage := strings.CutPrefix(request.URL.Path, "/u/")
	stream := request.URL.Query().Get("liveStreamId")
	room := s.rooms[liveID]
	if !isPage {
		room = s.streams[stream]
	}
	s.mu.Lock()
	refused, down := e.called(time.Now())
	s.mu.Unlock()
	if !sleep(request.Context(), 100*time.Millisecond+rand.N(400*time.Millisecond)) {
		return nil, request.Context().Err()
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if down {
		s.answers[room.id] = weekDown
		return nil, errors.New("the network is unreachable")
	}
	show := room.at(now)
	var body string
	switch {
	case refused:
		s.answers[room.id] = weekLimited
		body = `{"liveroom":{"playList":[{"liveStream":{},"author":{},"isLiving":false,"errorType":{"type":2,"title":"请求过快，请稍后重试"}}]}}`
		if !isPage {
			body = `{"data":{"result":2,"error_msg":"请求过快，请稍后重试"}}`
		}
	case isPage && show == nil:
		s.answers[room.id] = weekOffline
		body = `{"liveroom":{"playList":[{"liveStream":{},"author":{"id":"` + room.id + `"},"isLiving":false,"authToken":undefined,"status":{"forbiddenState":671}}]}}`
	case isPage:
		s.answers[room.id] = weekLive
		body = `{"liveroom":{"playList":[{"liveStream":{"id":"` + show.stream + `"},"author":{"id":"` + room.id + `"},"isLiving":true,"authToken":undefined}]}}`
	case show == nil || show.stream != stream:
		s.answers[room.id] = weekOffline
		body = `{"data":{"result":671}}`
	default:
		body = `{"data":{"result":1,"token":"` + secretToken + `","websocketUrls":["ws://socket/` + stream + `"]}}`
	}
	if isPage {
		body = "<script>window.__INITIAL_STATE__=" + body + ";(function(){var s;}());</script>"
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Request: request,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// answered is what the last call about a room was told.
func (s *weekSite) answered(liveID string) weekAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answers[liveID]
}

// dial opens a socket to the site, as the connector's dialer would.
func (s *weekSite) dial(context.Context, string, string) (net.Conn, error) {
	if s.now(time.Now(), len(s.exits)) != nil {
		return nil, errors.New("the network is unreachable")
	}
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		s.serve(server)
	}()
	return client, nil
}

// serve is the server's side of a socket. What it holds open outlasts an
// outage: it is the calls that fail then.
func (s *weekSite) serve(conn net.Conn) {
	reader := bufio.NewReader(conn)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	socket, err := upgrader.Upgrade(weekHijack{httptest.NewRecorder(), conn, bufio.NewReadWriter(reader, bufio.NewWriter(conn))}, request, nil)
	if err != nil {
		s.t.Errorf("upgrading: %v", err)
		return
	}
	defer socket.Close()
	peer := &peer{t: s.t, conn: socket}
	show := s.shows[strings.TrimPrefix(request.URL.Path, "/")]
	peer.entered()
	var sending sync.Mutex // covers writing to the socket
	send := func(message []byte) {
		sending.Lock()
		defer sending.Unlock()
		_ = socket.WriteMessage(websocket.BinaryMessage, message) // the client may be gone
	}
	ended := serverMessage(s.t, kuaishou.PayloadType_SC_ERROR, &kuaishou.SCWebError{Code: 601, Msg: "直播已结束"})
	over := time.AfterFunc(time.Until(show.over), func() {
		send(ended)
		socket.Close()
	})
	defer over.Stop()
	s.mu.Lock()
	show.entered = append(show.entered, time.Now())
	s.mu.Unlock()
	send(s.ack)
	for {
		kind, _, ok := peer.next()
		if !ok || kind == kuaishou.PayloadType_CS_USER_EXIT {
			break
		}
		send(s.beatAck)
	}
	if now := time.Now(); now.Before(show.over) && s.now(now, len(s.exits)) == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		show.interrupted++
	}
}

// weekHijack is a response on a connection that is upgraded.
type weekHijack struct {
	*httptest.ResponseRecorder
	conn     net.Conn
	buffered *bufio.ReadWriter
}

func (h weekHijack) Hijack() (net.Conn, *bufio.ReadWriter, error) { return h.conn, h.buffered, nil }
