package simulator

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/gorilla/websocket"

	kuaishou "kslive/proto"
)

// Over TLS, for who trusts the certificate: the frames that are repeated come in
// turn, as they are but for the time.
func TestRepeatOverTLS(t *testing.T) {
	t.Parallel()
	const old = 1_785_688_400_000
	var repeated [][]byte
	for _, payload := range []string{"one", "two"} {
		data, err := envelope(kuaishou.PayloadType_SC_FEED_PUSH, []byte(payload), kuaishou.SocketMessage_NONE, time.UnixMilli(old))
		if err != nil {
			t.Fatal(err)
		}
		repeated = append(repeated, data)
	}
	s, liveID := startLive(t, Options{TLS: true, Repeat: repeated, Rate: 100, PushEvery: 10 * time.Millisecond})
	if !strings.HasPrefix(s.URL(), "https://") {
		t.Fatalf("it is at %s", s.URL())
	}
	trusted := &tls.Config{RootCAs: x509.NewCertPool()}
	trusted.RootCAs.AppendCertsFromPEM(s.Certificate())
	transport := &http.Transport{TLSClientConfig: trusted}
	defer transport.CloseIdleConnections()
	if stats, err := (Client{URL: s.URL(), HTTP: &http.Client{Transport: transport}}).Stats(t.Context()); err != nil || stats.Rooms["live"] != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
	entrance, err := s.Entrance(liveID)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := websocket.DefaultDialer.Dial(entrance.URLs[0], nil); err == nil {
		t.Fatal("who does not trust the certificate was let in")
	}
	socket, response, err := (&websocket.Dialer{TLSClientConfig: trusted}).Dial(entrance.URLs[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	response.Body.Close()
	began := uint64(time.Now().UnixMilli())
	c := &client{t, socket}
	c.send(kuaishou.PayloadType_CS_ENTER_ROOM, &kuaishou.CSWebEnterRoom{Token: entrance.Token, LiveStreamId: entrance.LiveStreamID})
	if _, err := c.next(); err != nil { // the ack
		t.Fatal(err)
	}
	begins := int(xxhash.Sum64String(liveID) % 2)
	for i := range 5 {
		got, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"one", "two"}[(begins+i)%2]; string(got.Payload) != want || got.Time < began || got.Time > uint64(time.Now().UnixMilli()) {
			t.Errorf("push %d is %q of %d, want %q of now", i, got.Payload, got.Time, want)
		}
	}
	if !bytes.Contains(repeated[0], []byte("one")) || openMessage(t, repeated[0]).Time != old {
		t.Error("the frames that were given have changed")
	}
}

func TestRepeatRefused(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]Options{
		"without a time":  {Repeat: [][]byte{{0x08, 0x01}}},
		"to be confirmed": {Confirm: true, Repeat: [][]byte{{0x20, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}}},
	} {
		if s, err := Start(t.Context(), options); err == nil {
			s.Close()
			t.Errorf("%s: it started", name)
		}
	}
}
