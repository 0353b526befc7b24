package main

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"kslive/internal/simulator"
)

// room is a simulated room as a server to examine.
func room(t *testing.T) options {
	t.Helper()
	s, err := simulator.Start(t.Context(), simulator.Options{Seed: 1, Heartbeat: 2 * time.Second, PushEvery: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	liveID := simulator.LiveID(1, 0)
	if err := s.AddRoom(liveID, simulator.RoomOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	entrance, err := s.Entrance(liveID)
	if err != nil {
		t.Fatal(err)
	}
	return options{Server: entrance.URLs[0], Stream: entrance.LiveStreamID, Token: entrance.Token, MobileToken: entrance.MobileToken}
}

func TestSimulatorConforms(t *testing.T) {
	o := room(t)
	var out bytes.Buffer
	failed, err := o.examineServer(t.Context(), &out)
	if failed > 0 || err != nil || strings.Contains(out.String(), "left out") {
		t.Errorf("%d failed, %v:\n%s", failed, err, out.String())
	}
}

// TestBadServersFail is that every scenario can fail: a server that sends back
// what it gets passes none.
func TestBadServersFail(t *testing.T) {
	echo := func(conn *websocket.Conn) {
		for {
			kind, data, err := conn.ReadMessage()
			if err != nil || conn.WriteMessage(kind, data) != nil {
				return
			}
		}
	}
	upgrader := websocket.Upgrader{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		echo(conn)
	}))
	defer server.Close()
	texts := map[string]string{"stream": "s", "token": "t", "mobile": "m", "page": "p", "wrong": "w"}
	done := make(chan string)
	for _, s := range serverScenarios {
		go func() {
			if s.play(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), texts) == nil {
				done <- s.name
				return
			}
			done <- ""
		}()
	}
	for range serverScenarios {
		if name := <-done; name != "" {
			t.Errorf("a server that sends back what it gets passes %s", name)
		}
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	got, err := message("08 C8 01 1A { 0A <token> 12 { 08 <now> } }", map[string]string{"token": "ab"}, 300)
	if want := "08c8011a09" + "0a026162" + "120308ac02"; err != nil || hex.EncodeToString(got) != want {
		t.Errorf("%x, %v; want %s", got, err, want)
	}
	for _, wrong := range []string{"0", "{ 08", "08 }", "<nobody>", "xy"} {
		if got, err := message(wrong, nil, 0); err == nil {
			t.Errorf("%q became %x", wrong, got)
		}
	}
}

func TestDocumentIsCurrent(t *testing.T) {
	t.Parallel()
	written, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != document() {
		t.Error("docs/conformance.md is old: write it with go run ./internal/conformance --list > docs/conformance.md")
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]options{
		"nothing":          {},
		"no url":           {Command: []string{"client", "{live_id}"}},
		"both":             {Server: "ws://127.0.0.1:1", Command: []string{"client", "{url}"}},
		"no token":         {Server: "ws://127.0.0.1:1", Stream: "s"},
		"no such scenario": {Only: []string{"nothing"}, Command: []string{"client", "{url}"}},
	} {
		if _, err := o.run(t.Context(), &bytes.Buffer{}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
