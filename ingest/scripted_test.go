package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// script plays the server's side of one connection, which is closed when it
// returns.
type script func(peer *peer)

// peer is a connection as the server sees it.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
	path string
}

// scripted is a server that plays one script a connection, in order, and
// refuses more.
type scripted struct {
	*httptest.Server
	wait sync.WaitGroup // for scripts, those that are yet to be played too
}

func serve(t *testing.T, scripts ...script) *scripted {
	return serveBy((*httptest.Server).Start, t, scripts...)
}

// serveBy is serve with the start of the server, which may be StartTLS.
func serveBy(start func(*httptest.Server), t *testing.T, scripts ...script) *scripted {
	s := &scripted{}
	next := make(chan script, len(scripts))
	for _, play := range scripts {
		next <- play
	}
	s.wait.Add(len(scripts))
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var play script
		select {
		case play = <-next:
		default:
		}
		if play == nil {
			http.Error(w, "no script", http.StatusServiceUnavailable)
			return
		}
		defer s.wait.Done()
		upgrader := websocket.Upgrader{CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") == KuaishouURL }}
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrading: %v", err)
			return
		}
		defer conn.Close()
		play(&peer{t: t, conn: conn, path: r.URL.Path})
	}))
	start(s.Server)
	t.Cleanup(func() {
		for len(next) > 0 {
			<-next
			s.wait.Done()
		}
		s.wait.Wait()
		s.Close()
	})
	return s
}

func (s *scripted) endpoint(paths ...string) Endpoint {
	endpoint := Endpoint{LiveStreamID: "o7JXLjlM8Rt", Token: secretToken}
	for _, path := range paths {
		endpoint.URLs = append(endpoint.URLs, "ws"+strings.TrimPrefix(s.URL, "http")+path)
	}
	return endpoint
}

// next reads one message of the client; it returns false at the end.
func (p *peer) next() (kuaishou.PayloadType, []byte, bool) {
	kind, data, err := p.conn.ReadMessage()
	if err != nil {
		return 0, nil, false
	}
	if kind != websocket.BinaryMessage {
		p.t.Errorf("the client sent a message of kind %d", kind)
	}
	var envelope kuaishou.SocketMessage
	if err := proto.Unmarshal(data, &envelope); err != nil {
		p.t.Errorf("the client sent %x: %v", data, err)
	}
	return envelope.PayloadType, envelope.Payload, true
}

// entered reads the first message.
func (p *peer) entered() *kuaishou.CSWebEnterRoom {
	hello := new(kuaishou.CSWebEnterRoom)
	kind, payload, _ := p.next()
	if err := proto.Unmarshal(payload, hello); err != nil || kind != kuaishou.PayloadType_CS_ENTER_ROOM {
		p.t.Errorf("the client began with %s, %v", kind, err)
	}
	return hello
}

// until reads up to a message of the type wanted.
func (p *peer) until(want kuaishou.PayloadType) bool {
	for {
		kind, _, ok := p.next()
		if !ok || kind == want {
			return ok
		}
	}
}

func (p *peer) send(data []byte) {
	if err := p.conn.WriteMessage(websocket.BinaryMessage, data); err != nil {
		p.t.Errorf("sending to the client: %v", err)
	}
}

// ack lets the client in; it reconnects within milliseconds.
func (p *peer) ack(heartbeat time.Duration) {
	p.send(serverMessage(p.t, kuaishou.PayloadType_SC_ENTER_ROOM_ACK, &kuaishou.SCWebEnterRoomAck{
		MinReconnectMs: 1, MaxReconnectMs: 4, HeartbeatIntervalMs: uint64(heartbeat.Milliseconds()),
	}))
}

func (p *peer) fail(code uint32, message string) {
	p.send(serverMessage(p.t, kuaishou.PayloadType_SC_ERROR, &kuaishou.SCWebError{Code: code, Msg: message}))
}

// sendError is fail with the window for the next try, in milliseconds.
func (p *peer) sendError(code uint32, minDelay, maxDelay uint64) {
	p.send(serverMessage(p.t, kuaishou.PayloadType_SC_ERROR, &kuaishou.SCWebError{Code: code, MinDelayMs: minDelay, MaxDelayMs: maxDelay}))
}

// closing says goodbye as the server does.
func (p *peer) closing() {
	_ = p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
}

// drain reads until the client is gone.
func (p *peer) drain() {
	for {
		if _, _, ok := p.next(); !ok {
			return
		}
	}
}

func serverMessage(t *testing.T, kind kuaishou.PayloadType, payload proto.Message) []byte {
	t.Helper()
	inner, err := proto.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	data, err := proto.Marshal(&kuaishou.SocketMessage{PayloadType: kind, Payload: inner, Time: 1785688422601})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func numbered(t *testing.T, n int) []byte {
	return serverMessage(t, kuaishou.PayloadType_SC_FEED_PUSH, &kuaishou.SCWebFeedPush{DisplayWatchingCount: fmt.Sprint(n)})
}

func ended(p *peer) {
	p.entered()
	p.ack(time.Minute)
	p.fail(601, "直播已结束")
	p.closing()
}

// recorder is everything around a room under test.
type recorder struct {
	mu         sync.Mutex
	frames     []*kuaishou.Frame
	reports    []Report
	causes     []string
	open, most int
	appendErr  error

	live     chan struct{}
	answers  []Resolution // of look-ups, in order; the last one stays
	lookUps  int
	recalls  []History // in order; the last one stays
	recalled int
	over     bool // what is said of the broadcast
	changed  chan struct{}
	log      bytes.Buffer
}

func (r *recorder) Append(frame *kuaishou.Frame) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.appendErr != nil {
		return r.appendErr
	}
	r.frames = append(r.frames, proto.Clone(frame).(*kuaishou.Frame))
	return nil
}

func (r *recorder) Resolve(ctx context.Context, _ string, _ time.Duration) (Resolution, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lookUps++
	if len(r.answers) == 0 {
		return Resolution{}, errors.New("no look-up was expected")
	}
	answer := r.answers[0]
	if len(r.answers) > 1 {
		r.answers = r.answers[1:]
	}
	return answer, ctx.Err()
}

func (r *recorder) Recall(ctx context.Context, _, _ string, _ map[string]int64, _ time.Duration) (History, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recalled++
	if len(r.recalls) == 0 {
		return History{}, errors.New("no recall was expected")
	}
	answer := r.recalls[0]
	if len(r.recalls) > 1 {
		r.recalls = r.recalls[1:]
	}
	return answer, ctx.Err()
}

func (r *recorder) Over(context.Context, string, string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

func (r *recorder) AccountsChanged() <-chan struct{} { return r.changed }

func (r *recorder) frame(kuaishou.PayloadType, int) {}

func (r *recorder) reconnect(cause string) { r.causes = append(r.causes, cause) }

func (r *recorder) connected(delta int) {
	r.open += delta
	r.most = max(r.most, r.open)
}

func (r *recorder) report(report Report) {
	r.reports = append(r.reports, report)
	if report.State == StateLive && r.live != nil {
		r.live <- struct{}{}
	}
}

// quick is a timing in which a test need not wait, nor hurry.
func quick() timing {
	limits := defaultTiming()
	limits.ack = 5 * time.Second
	limits.minHeartbeat = time.Millisecond
	limits.recall, limits.betterFrom, limits.betterTo, limits.over = time.Millisecond, time.Hour, time.Hour, time.Hour
	limits.probe, limits.probeMost = time.Hour, time.Hour
	limits.reconnectFrom, limits.reconnectTo, limits.maxReconnect = time.Millisecond, 4*time.Millisecond, 10*time.Millisecond
	return limits
}

func newRoom(r *recorder, limits timing, endpoint *Endpoint) *room {
	return &room{
		liveID: testLiveID, epoch: 42, endpoint: endpoint, resolver: r, frames: r,
		connector: newConnector(KuaishouURL, defaultUserAgent, limits), retry: DefaultRetryDelays(), report: r.report, metrics: r,
		logger: slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// check holds for every room that has run.
func (r *recorder) check(t *testing.T, last Report) {
	t.Helper()
	if r.open != 0 {
		t.Errorf("%d sockets are counted as open after the end", r.open)
	}
	if shown := fmt.Sprintf("%v %v %s", last, r.reports, r.log.String()); strings.Contains(shown, secretToken) {
		t.Errorf("the token shows in %s", shown)
	}
	for _, report := range r.reports {
		if report.RetryAfter != 0 {
			t.Errorf("a report on the way has a retry delay: %+v", report)
		}
	}
}

func (r *recorder) run(t *testing.T, limits timing, endpoint *Endpoint) Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	last := *newRoom(r, limits, endpoint).run(ctx)
	if ctx.Err() != nil {
		t.Fatalf("the room did not end by itself: %+v", r.reports)
	}
	r.check(t, last)
	return last
}

func (r *recorder) states() []State {
	var states []State
	for _, report := range r.reports {
		states = append(states, report.State)
	}
	return states
}
