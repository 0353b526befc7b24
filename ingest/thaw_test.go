package ingest

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"kslive/ingest/sockets"
)

// What came while the process stood still is read; a deadline that was just
// missed is one.
func TestThaw(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := dialThawing(new(sockets.Set))(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if _, err := server.Write([]byte("waiting")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	read := func(missedBy time.Duration) (string, error) {
		if err := conn.SetReadDeadline(time.Now().Add(-missedBy)); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(buffer)
		return string(buffer[:n]), err
	}
	if got, err := read(time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after a deadline just missed: %q, %v", got, err)
	}
	if got, err := read(time.Minute); got != "waiting" || err != nil {
		t.Errorf("after a minute of standing still: %q, %v", got, err)
	}
	// Nothing waits now: standing still does not make a silent server heard.
	if got, err := read(time.Minute); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("with nothing to read: %q, %v", got, err)
	}
}
