package sockets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/nettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns the two ends of a TCP connection, the first taken by set.
func pair(t testing.TB, set *Set) (taken, other net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	given, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if other, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	if taken, err = set.Take(given); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	return taken, other
}

// What package net promises of a connection holds.
func TestConn(t *testing.T) {
	set := new(Set)
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b := pair(t, set)
		taken, err := set.Take(b)
		return a, taken, func() { a.Close(); taken.Close() }, err
	})
}

// All that was sent arrives, in any pieces, and then the end of it: also when that
// comes in one packet with the last piece.
func TestEverythingArrives(t *testing.T) {
	set := new(Set)
	var streams sync.WaitGroup
	for range 100 {
		taken, other := pair(t, set)
		sent := make([]byte, rand.N(200_000))
		for i := range sent {
			sent[i] = byte(rand.N(256))
		}
		streams.Go(func() {
			for rest := sent; len(rest) > 0; {
				n := min(rand.N(20_000)+1, len(rest))
				if _, err := other.Write(rest[:n]); err != nil {
					t.Error(err)
					return
				}
				rest = rest[n:]
				time.Sleep(rand.N(2 * time.Millisecond))
			}
			other.Close()
		})
		streams.Go(func() {
			var got bytes.Buffer
			if _, err := io.CopyBuffer(&got, struct{ io.Reader }{taken}, make([]byte, rand.N(5000)+1)); err != nil {
				t.Error(err)
			}
			if !bytes.Equal(got.Bytes(), sent) {
				t.Errorf("got %d bytes of %d, or others", got.Len(), len(sent))
			}
		})
	}
	streams.Wait()
}

// A reader that waits hears of a connection that breaks and of one that is closed
// here, each with the errors of package net.
func TestEnds(t *testing.T) {
	set := new(Set)
	for name, end := range map[string]func(taken, other net.Conn){
		"EOF": func(_, other net.Conn) { other.Close() },
		"connection reset by peer": func(_, other net.Conn) {
			other.(*net.TCPConn).SetLinger(0)
			other.Close()
		},
		"use of closed network connection": func(taken, _ net.Conn) { taken.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			taken, other := pair(t, set)
			heard := make(chan error)
			go func() {
				_, err := taken.Read(make([]byte, 10))
				heard <- err
			}()
			time.Sleep(5 * time.Millisecond) // so that it waits, mostly
			end(taken, other)
			want := fmt.Sprintf("read tcp %v->%v: %s", taken.LocalAddr(), taken.RemoteAddr(), name)
			switch err := <-heard; {
			case name == "connection reset by peer":
				want = fmt.Sprintf("read tcp %v->%v: read: %s", taken.LocalAddr(), taken.RemoteAddr(), name)
				fallthrough
			case name != "EOF":
				if err.Error() != want {
					t.Errorf("%v; want %s", err, want)
				}
			case err != io.EOF:
				t.Errorf("%v; want EOF", err)
			}
			if err := taken.Close(); name == "use of closed network connection" != errors.Is(err, net.ErrClosed) {
				t.Errorf("closing: %v", err)
			}
		})
	}
}

// A set that has lost its last socket takes others, while those that look for it
// come and go.
func TestComeAndGo(t *testing.T) {
	set := new(Set)
	var coming sync.WaitGroup
	for range 20 {
		coming.Go(func() {
			for range 50 {
				taken, other := pair(t, set)
				if _, err := other.Write([]byte("x")); err != nil {
					t.Error(err)
				}
				taken.SetReadDeadline(time.Now().Add(10 * time.Second))
				if n, err := taken.Read(make([]byte, 2)); n != 1 {
					t.Errorf("%d bytes, %v", n, err)
				}
				taken.Close()
			}
		})
	}
	coming.Wait()
	if set.mu.Lock(); set.watcher != nil {
		t.Error("somebody looks for sockets that are closed")
	}
	set.mu.Unlock()
}

// When the kernel watches no more, readers are told, and a new socket is watched
// anew.
func TestWatcherFails(t *testing.T) {
	set := new(Set)
	taken, _ := pair(t, set)
	heard := make(chan error)
	go func() {
		_, err := taken.Read(make([]byte, 10))
		heard <- err
	}()
	set.tell(set.watcher, nil, errors.New("watching has failed"))
	if err := <-heard; err == nil || !bytes.Contains([]byte(err.Error()), []byte("watching has failed")) {
		t.Errorf("the reader got %v", err)
	}
	again, other := pair(t, set)
	if _, err := other.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Read(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	taken.Close()
	taken.(*conn).watcher.stop() // its goroutine was not the one that failed
}

// What came while the process stood still is read; a deadline that was just
// missed is one.
func TestThaw(t *testing.T) {
	taken, server := pair(t, new(Set))
	if _, err := server.Write([]byte("waiting")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	read := func(missedBy time.Duration) (string, error) {
		if err := taken.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		taken.(*conn).readBy.Add(-int64(time.Hour + missedBy))
		n, err := taken.Read(buffer)
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

// A connection that is no TCP connection is left as it is.
func TestOtherKinds(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if got, err := new(Set).Take(a); got != a || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}
