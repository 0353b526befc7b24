package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// serverScenario is one thing that a server must do.
type serverScenario struct {
	name    string
	section string
	must    string // the rest of a sentence that begins with "A server"
	needs   string // a text without which it is left out
	script  []exchange
}

// exchange is a line of the script of a server's scenario.
type exchange struct {
	says string
	do   func(*visit) error
}

func (s serverScenario) words() string {
	var lines []string
	for _, line := range s.script {
		lines = append(lines, line.says)
	}
	return strings.Join(lines, "; ")
}

// visit is a client's time with the server, over one connection or several.
type visit struct {
	ctx   context.Context
	url   string
	texts map[string]string
	now   uint64 // in every message
	conns []*websocket.Conn
	pace  time.Duration // between heartbeats, as told
	last  error         // by which a connection ended
}

// serverPatience is how long a server may take to answer.
const serverPatience = 15 * time.Second

// examineServer plays the table against a server.
func (o *options) examineServer(ctx context.Context, out io.Writer) (failed int, err error) {
	texts := map[string]string{
		"stream": o.Stream, "token": o.Token, "mobile": o.MobileToken,
		"page": "5HdQVHktsq16eiN8_1749874064378", "wrong": "xxxxxxxxxxx",
	}
	if o.Stream == "" || o.Token == "" {
		return 0, errors.New("to enter the server's room, give --stream and CONFORMANCE_TOKEN")
	}
	played := 0
	for _, s := range serverScenarios {
		if len(o.Only) > 0 && !strings.Contains(","+strings.Join(o.Only, ",")+",", ","+s.name+",") {
			continue
		}
		if s.needs != "" && texts[s.needs] == "" {
			fmt.Fprintf(out, "left out %s: there is no %s token\n", s.name, s.needs)
			continue
		}
		began := time.Now()
		err := s.play(ctx, o.Server, texts)
		report(out, s.name, err, time.Since(began))
		if played++; err != nil {
			failed++
		}
	}
	fmt.Fprintf(out, "%d of %d scenarios ok\n", played-failed, played)
	return failed, ctx.Err()
}

func (s serverScenario) play(ctx context.Context, url string, texts map[string]string) error {
	v := &visit{ctx: ctx, url: url, texts: texts, now: uint64(time.Now().UnixMilli())}
	defer func() {
		for _, conn := range v.conns {
			_ = conn.Close()
		}
	}()
	for _, line := range s.script {
		if err := line.do(v); err != nil {
			return fmt.Errorf("%s: %w", line.says, err)
		}
	}
	return nil
}

// conn is the connection that was opened last.
func (v *visit) conn() *websocket.Conn { return v.conns[len(v.conns)-1] }

// connect opens a connection as the web player does, without an Origin.
var connect = exchange{"connect", func(v *visit) error {
	ctx, cancel := context.WithTimeout(v.ctx, serverPatience)
	defer cancel()
	conn, response, err := websocket.DefaultDialer.DialContext(ctx, v.url, nil)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	v.conns = append(v.conns, conn)
	return nil
}}

// send sends one binary message, written as message takes it.
func send(written string) exchange {
	return exchange{"send `" + written + "`", func(v *visit) error {
		data, err := message(written, v.texts, v.now)
		if err != nil {
			return err
		}
		return v.conn().WriteMessage(websocket.BinaryMessage, data)
	}}
}

// reply is a message that came back: the fields of its envelope and payload.
type reply struct {
	kind    uint64
	time    uint64
	payload fields
}

// unreadable is an error about a message that came, and not about the connection.
type unreadable struct{ error }

// receive is the next message of the server. Unless its error is unreadable, no
// other message follows.
func (v *visit) receive(conn *websocket.Conn, within time.Duration) (reply, error) {
	_ = conn.SetReadDeadline(time.Now().Add(within))
	kind, data, err := conn.ReadMessage()
	if err != nil {
		return reply{}, err
	}
	if kind != websocket.BinaryMessage {
		return reply{}, unreadable{errors.New("it sent a text message")}
	}
	envelope, err := readFields(data)
	if err != nil {
		return reply{}, unreadable{fmt.Errorf("it sent what is no SocketMessage: %w", err)}
	}
	r := reply{kind: envelope.numbers[1], time: envelope.numbers[4]}
	payload := envelope.bytes[3]
	switch envelope.numbers[2] {
	case 2:
		if payload, err = unzip(payload); err != nil {
			return reply{}, unreadable{fmt.Errorf("the payload of its %d is not gzip: %w", r.kind, err)}
		}
	case 3:
		return r, nil // looked at by its type only
	}
	if r.payload, err = readFields(payload); err != nil && r.kind == 310 {
		return r, unreadable{fmt.Errorf("the payload of its %d cannot be read: %w", r.kind, err)}
	}
	return r, nil
}

func unzip(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(reader, 16<<20))
}

// next waits for a message of a type, and judges it. What else comes is passed
// over, unless it comes instead of an answer: 103.
func next(kind uint64, says string, judge func(v *visit, r reply) error) exchange {
	return exchange{fmt.Sprintf("get %d%s", kind, says), func(v *visit) error {
		return v.until(v.conn(), kind, judge)
	}}
}

func (v *visit) until(conn *websocket.Conn, kind uint64, judge func(v *visit, r reply) error) error {
	deadline := time.Now().Add(serverPatience)
	for {
		r, err := v.receive(conn, time.Until(deadline))
		switch {
		case err != nil:
			return err
		case r.kind == kind && judge == nil:
			return nil
		case r.kind == kind:
			return judge(v, r)
		case r.kind == 103 || r.kind == 200:
			return fmt.Errorf("it sent %d", r.kind)
		}
	}
}

// isClosed is that the server closes: with a close code, or 0 for in any way.
func isClosed(code int) exchange {
	says := "the server closes"
	if code != 0 {
		says = fmt.Sprintf("the server closes with %d", code)
	}
	return exchange{says, func(v *visit) error {
		err := v.ended(time.Now().Add(serverPatience))
		var closed *websocket.CloseError
		if err == nil && code != 0 && (!errors.As(v.last, &closed) || closed.Code != code) {
			return v.last
		}
		return err
	}}
}

// ended reads until the server closes, and fails when it does not or sends what
// no server sends. How it closed is in last.
func (v *visit) ended(deadline time.Time) error {
	for {
		r, err := v.receive(v.conn(), time.Until(deadline))
		switch bad, isBad := errors.AsType[unreadable](err); {
		case isBad:
			return bad
		case err == nil && r.kind == 200:
			return errors.New("it sent 200, which only clients send")
		case err == nil:
			continue // what was on its way
		case !time.Now().Before(deadline):
			return errors.New("it does not")
		}
		v.last = err
		return nil
	}
}
