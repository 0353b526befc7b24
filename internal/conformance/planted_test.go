package main

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

// plantedClient as the first argument makes the test's binary a small client,
// which does all well but for one thing, named by the second.
const plantedClient = "planted-client"

// What the planted client does wrong.
const (
	wellBehaved    = "well-behaved"
	anyEntry       = "takes the last of playList"
	loops          = "asks websocketinfo in a loop"
	sendsText      = "sends text"
	noHeartbeats   = "sends no heartbeats"
	wildHeartbeats = "sends heartbeats all the time"
	noWatchdog     = "has no watchdog"
	fearful        = "takes a pause for the end"
	impatient      = "connects again at once"
	faithful       = "keeps to one URL"
	forgetful      = "does not count"
	neverEnds      = "takes no end for an end"
	vanishes       = "leaves without a word"
	absent         = "does nothing"
)

type planted struct {
	how, base, liveID string
	stop              chan os.Signal

	streamID, token string
	urls            []string
	entries         uint32
	lastError       uint32
	from, to        time.Duration
}

// behave is the whole life of a planted client.
func behave(how, base, liveID string) {
	p := &planted{how: how, base: base, liveID: liveID, stop: make(chan os.Signal, 1), from: time.Second, to: 5 * time.Second}
	if how == absent {
		return
	}
	if how != vanishes {
		signal.Notify(p.stop, syscall.SIGTERM)
	}
	if !p.resolve() {
		return
	}
	for p.session() {
		wait := p.from + rand.N(p.to-p.from)
		if how == impatient {
			wait = 0
		}
		select {
		case <-time.After(wait):
		case <-p.stop:
			return
		}
	}
}

var entryIDs = regexp.MustCompile(`"liveStream":\{[^}]*"id":"([^"]+)"`)

// resolve looks the room up, and reports false when that is refused.
func (p *planted) resolve() bool {
	var answer struct {
		Data struct {
			Result        int
			Token         string
			WebsocketUrls []string
			LiveStream    struct{ ID string }
		}
	}
	p.get("/live_api/liveroom/livedetail?principalId="+p.liveID, &answer)
	p.streamID = answer.Data.LiveStream.ID
	if p.how == anyEntry {
		ids := entryIDs.FindAllStringSubmatch(string(p.get("/u/"+p.liveID, nil)), -1)
		p.streamID = ids[len(ids)-1][1]
	}
	if p.streamID == "" && p.how != loops {
		return false
	}
	for {
		p.get("/live_api/liveroom/websocketinfo?liveStreamId="+p.streamID, &answer)
		p.token, p.urls = answer.Data.Token, answer.Data.WebsocketUrls
		if p.token != "" || p.how != loops {
			return p.token != ""
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func (p *planted) get(path string, into any) []byte {
	response, err := http.Get(p.base + path)
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	body := make([]byte, 1<<16)
	n, end := 0, error(nil)
	for end == nil && n < len(body) {
		var more int
		more, end = response.Body.Read(body[n:])
		n += more
	}
	if into != nil {
		_ = json.Unmarshal(body[:n], into)
	}
	return body[:n]
}

// session is one connection; it reports whether another is to follow.
func (p *planted) session() bool {
	url := p.urls[int(p.entries)%len(p.urls)]
	if p.how == faithful {
		url = p.urls[0]
	}
	conn, response, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		p.entries++
		return true
	}
	_ = response.Body.Close()
	defer conn.Close()
	entry := &kuaishou.CSWebEnterRoom{Token: p.token, LiveStreamId: p.streamID, ReconnectCount: p.entries, LastErrorCode: p.lastError}
	if p.how == forgetful {
		entry.ReconnectCount, entry.LastErrorCode = 0, 0
	}
	p.send(conn, kuaishou.PayloadType_CS_ENTER_ROOM, entry)
	p.entries++

	messages := make(chan *kuaishou.SocketMessage)
	go func() { // ends with conn
		defer close(messages)
		for {
			_, data, err := conn.ReadMessage()
			message := &kuaishou.SocketMessage{}
			if err != nil || proto.Unmarshal(data, message) != nil {
				return
			}
			messages <- message
		}
	}()
	return p.listen(conn, messages)
}

func (p *planted) listen(conn *websocket.Conn, messages <-chan *kuaishou.SocketMessage) bool {
	interval := 20 * time.Second
	beat, dead := time.NewTicker(interval), time.NewTimer(time.Minute)
	defer beat.Stop()
	for {
		select {
		case <-p.stop:
			p.send(conn, kuaishou.PayloadType_CS_USER_EXIT, &kuaishou.CSWebUserExit{Time: uint64(time.Now().UnixMilli())})
			return false
		case <-dead.C:
			return true
		case <-beat.C:
			if p.how != noHeartbeats {
				p.send(conn, kuaishou.PayloadType_CS_HEARTBEAT, &kuaishou.CSWebHeartbeat{Timestamp: uint64(time.Now().UnixMilli())})
			}
		case message, ok := <-messages:
			if !ok {
				return true
			}
			switch message.PayloadType {
			case kuaishou.PayloadType_SC_AUTHOR_PAUSE:
				if p.how == fearful {
					return false
				}
			case kuaishou.PayloadType_SC_ENTER_ROOM_ACK:
				ack := &kuaishou.SCWebEnterRoomAck{}
				_ = proto.Unmarshal(message.Payload, ack)
				interval = time.Duration(ack.HeartbeatIntervalMs) * time.Millisecond
				p.from, p.to = time.Duration(ack.MinReconnectMs)*time.Millisecond, time.Duration(ack.MaxReconnectMs)*time.Millisecond
				if p.how == wildHeartbeats {
					interval /= 10
				}
				beat.Reset(interval)
			case kuaishou.PayloadType_SC_ERROR:
				failure := &kuaishou.SCWebError{}
				_ = proto.Unmarshal(message.Payload, failure)
				if p.lastError = failure.Code; failure.Code == 601 && p.how != neverEnds {
					return false
				}
			}
			if p.how != noWatchdog {
				dead.Reset(interval * 5 / 2)
			}
		}
	}
}

func (p *planted) send(conn *websocket.Conn, kind kuaishou.PayloadType, message proto.Message) {
	payload, err := proto.Marshal(message)
	if err != nil {
		panic(err)
	}
	data, err := proto.Marshal(&kuaishou.SocketMessage{PayloadType: kind, Payload: payload})
	if err != nil {
		panic(err)
	}
	as := websocket.BinaryMessage
	if p.how == sendsText && kind == kuaishou.PayloadType_CS_HEARTBEAT {
		as = websocket.TextMessage
	}
	_ = conn.WriteMessage(as, data)
}
