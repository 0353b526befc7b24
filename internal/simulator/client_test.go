package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	kuaishou "kslive/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a simulator for the length of a test.
func start(t *testing.T, options Options) *Simulator {
	t.Helper()
	s, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// startLive is start with one live room.
func startLive(t *testing.T, options Options) (*Simulator, string) {
	t.Helper()
	s := start(t, options)
	liveID := LiveID(options.Seed, 0)
	if err := s.AddRoom(liveID, RoomOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	return s, liveID
}

// client plays the web player.
type client struct {
	t      *testing.T
	socket *websocket.Conn
}

// dial connects to the first room's second URL.
func dial(t *testing.T, s *Simulator) *client {
	t.Helper()
	return dialRoom(t, s, s.Rooms()[0].LiveID)
}

func dialRoom(t *testing.T, s *Simulator, liveID string) *client {
	t.Helper()
	socket, response, err := websocket.DefaultDialer.Dial("ws"+s.URL()[len("http"):]+"/websocket/group2/"+shortCode(liveID), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	t.Cleanup(func() { _ = socket.Close() })
	_ = socket.SetReadDeadline(time.Now().Add(20 * time.Second))
	return &client{t, socket}
}

// enter dials and enters the room's current broadcast.
func enter(t *testing.T, s *Simulator, liveID string) *client {
	t.Helper()
	state, err := s.Room(liveID)
	if err != nil {
		t.Fatal(err)
	}
	c := dialRoom(t, s, liveID)
	c.send(kuaishou.PayloadType_CS_ENTER_ROOM, &kuaishou.CSWebEnterRoom{Token: state.Token, LiveStreamId: state.LiveStreamID})
	return c
}

func (c *client) send(kind kuaishou.PayloadType, message proto.Message) {
	c.t.Helper()
	payload, err := proto.Marshal(message)
	if err != nil {
		c.t.Fatal(err)
	}
	data, err := proto.Marshal(&kuaishou.SocketMessage{PayloadType: kind, Payload: payload})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.socket.WriteMessage(websocket.BinaryMessage, data); err != nil {
		c.t.Fatal(err)
	}
}

// next is the next message from the server.
func (c *client) next() (*kuaishou.SocketMessage, error) {
	kind, data, err := c.socket.ReadMessage()
	if err != nil {
		return nil, err
	}
	if kind != websocket.BinaryMessage {
		c.t.Errorf("message of websocket type %d, want binary", kind)
	}
	return openMessage(c.t, data), nil
}

// until reads up to a message of this type and decodes it into message.
func (c *client) until(kind kuaishou.PayloadType, message proto.Message) *kuaishou.SocketMessage {
	c.t.Helper()
	for {
		envelope, err := c.next()
		if err != nil {
			c.t.Fatalf("waiting for %v: %v", kind, err)
		}
		if envelope.PayloadType == kind {
			if err := proto.Unmarshal(envelope.Payload, message); err != nil {
				c.t.Fatal(err)
			}
			return envelope
		}
	}
}

// leave says so, and reads what still comes. It reports how it ended.
func (c *client) leave() ([]*kuaishou.SocketMessage, error) {
	c.send(kuaishou.PayloadType_CS_USER_EXIT, &kuaishou.CSWebUserExit{Time: 1})
	var rest []*kuaishou.SocketMessage
	for {
		message, err := c.next()
		if err != nil {
			return rest, err
		}
		rest = append(rest, message)
	}
}

// eventually waits for what has no signal of its own.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// get is the body of a page or call, with the status checked.
func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	return bodyOf(t, response)
}

func post(t *testing.T, url, body string) string {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return bodyOf(t, response)
}

func bodyOf(t *testing.T, response *http.Response) string {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %s: %s", response.Request.URL, response.Status, body)
	}
	return string(body)
}

func parse[T any](t *testing.T, text string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return value
}
