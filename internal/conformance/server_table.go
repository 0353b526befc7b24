package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/encoding/protowire"
)

// The bytes of messages that several scenarios send. 08 is field 1, the payload
// type: C8 01 is 200, 01 is 1, CA 01 is 202. 1A is field 3, the payload.
const (
	enterWeb    = "08 C8 01 1A { 0A <token> 12 <stream> 3A <page> }"
	enterMobile = "08 C8 01 1A { 0A <mobile> 12 <stream> 42 0B 4B 55 41 49 53 48 4F 55 5F 48 35 4A 0E 4F 55 54 53 49 44 45 5F 49 4F 53 5F 48 35 }"
	// The heartbeat of a browser, captured; its time is 1785688422601.
	capturedBeat = "08 01 1a 07 08 c9 f1 cb 9a fc 33"
	exit         = "08 CA 01 1A { 08 <now> }"
)

// serverScenarios are all, in the order in which they are told.
var serverScenarios = []serverScenario{
	{
		name: "enter", section: "2.3", must: "answers CS_ENTER_ROOM (200) with 300, without Origin, cookie and sub-protocol",
		script: []exchange{connect, send(enterWeb), ack},
	},
	{
		name: "enter-again", section: "2.2", must: "takes reconnectCount (3) and lastErrorCode (4)",
		script: []exchange{connect, send("08 C8 01 1A { 0A <token> 12 <stream> 18 02 20 0B 3A <page> }"), ack},
	},
	{
		name: "enter-tolerant", section: "3", must: "takes fields in any order, unknown ones, and compressionType 1",
		script: []exchange{connect, send("1A { FA 07 03 61 62 63 3A <page> 12 <stream> 0A <token> } 10 01 08 C8 01"), ack},
	},
	{
		name: "enter-mobile", section: "1.3", must: "takes a token of byUser with fields 8 and 9 and without pageId [reported]", needs: "mobile",
		script: []exchange{connect, send(enterMobile), ack},
	},
	{
		name: "heartbeat", section: "2.3", must: "answers a heartbeat (1) with 101, in which clientTimestamp is the client's",
		script: []exchange{connect, send(enterWeb), ack, send(capturedBeat), next(101, " with field 2 = 1785688422601", func(_ *visit, r reply) error {
			if got := r.payload.numbers[2]; got != 1785688422601 {
				return fmt.Errorf("field 2 is %d", got)
			}
			return nil
		})},
	},
	{
		name: "unknown-message", section: "3", must: "passes over a message of a type that it does not know [guess]",
		script: []exchange{connect, send(enterWeb), ack, send("08 E7 07 1A { 08 01 }"), send(capturedBeat), next(101, "", nil)},
	},
	{
		name: "leave", section: "2.4", must: "closes with 1000 after CS_USER_EXIT (202) [guess]",
		script: []exchange{connect, send(enterWeb), ack, send(exit), isClosed(websocket.CloseNormalClosure)},
	},
	{
		name: "pushes", section: "0", must: "pushes 310 with the counters, and its own time in field 4 of every envelope",
		script: []exchange{connect, send(enterWeb), ack, next(310, " with field 1, and a time in the envelope", counts)},
	},
	{
		name: "two-connections", section: "1.3", must: "lets one token be used by two connections, which both get pushes [reported]",
		script: []exchange{connect, send(enterWeb), ack, connect, send(enterWeb), ack, {"get 310 on both", func(v *visit) error {
			return errors.Join(v.until(v.conns[0], 310, nil), v.until(v.conns[1], 310, nil))
		}}},
	},
	{
		name: "first-message", section: "2.2", must: "lets nobody hear anything whose first message is not 200",
		script: []exchange{connect, send(capturedBeat), isClosed(0)},
	},
	{
		name: "first-message-text", section: "2.1", must: "takes no text messages",
		script: []exchange{connect, {"send the text `hello`", func(v *visit) error {
			return v.conn().WriteMessage(websocket.TextMessage, []byte("hello"))
		}}, isClosed(0)},
	},
	{
		name: "first-message-garbage", section: "3", must: "closes on what is no SocketMessage",
		script: []exchange{connect, send("FF FF FF FF"), isClosed(0)},
	},
	{
		name: "bad-token", section: "2.5", must: "refuses a token that it did not give: with 103 {6001}, or by closing at once",
		script: []exchange{connect, send("08 C8 01 1A { 0A <wrong> 12 <stream> 3A <page> }"), {"get 103 with field 1 = 6001, or the server closes", func(v *visit) error {
			r, err := v.receive(v.conn(), serverPatience)
			var closed *websocket.CloseError
			switch {
			case err != nil && errors.As(err, &closed):
				return nil
			case err != nil:
				return err
			case r.kind != 103 || r.payload.numbers[1] != 6001:
				return fmt.Errorf("it sent %d {%d}", r.kind, r.payload.numbers[1])
			}
			return nil
		}}, isClosed(0)},
	},
	{
		name: "wrong-stream", section: "1.2", must: "gives no comments to who names a broadcast that is not on: it refuses with 103, or sends counters only [reported]",
		script: []exchange{connect, send("08 C8 01 1A { 0A <token> 12 <wrong> 3A <page> }"), {"get 103, or for 5 s no 310 with feeds", noFeeds}},
	},
	{
		name: "missed-heartbeats", section: "8", must: "drops a client that sends no heartbeats for three intervals [guess]; passed over when the interval is above 5 s",
		script: []exchange{connect, send(enterWeb), ack, {"send nothing, and the server closes", dropped}},
	},
}

// ack is the answer to an entry.
var ack = next(300, " with the heartbeat interval in field 3, and 1 ≤ 2", func(v *visit, r reply) error {
	from, to, beat := r.payload.numbers[1], r.payload.numbers[2], r.payload.numbers[3]
	if from > to {
		return fmt.Errorf("the window for reconnects is from %d to %d ms", from, to)
	}
	if beat == 0 {
		beat = 20_000 // what its absence means
	}
	v.pace = time.Duration(beat) * time.Millisecond
	return nil
})

// counts is that a 310 has counters, and its envelope the server's time.
func counts(_ *visit, r reply) error {
	if len(r.payload.bytes[1]) == 0 {
		return errors.New("field 1, displayWatchingCount, is empty")
	}
	if off := time.Since(time.UnixMilli(int64(r.time))).Abs(); off > time.Hour {
		return fmt.Errorf("the envelope's time is %d", r.time)
	}
	return nil
}

// noFeeds is that nothing comes that anybody said or gave.
func noFeeds(v *visit) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		r, err := v.receive(v.conn(), time.Until(deadline))
		switch bad, isBad := errors.AsType[unreadable](err); {
		case isBad:
			return bad
		case err != nil || r.kind == 103:
			return nil
		case r.kind == 200:
			return errors.New("it sent 200, which only clients send")
		case r.kind == 310:
			for _, number := range feedFields {
				if r.payload.bytes[number] != nil {
					return fmt.Errorf("its 310 has field %d", number)
				}
			}
		}
	}
}

// feedFields are those of a 310 that are about what somebody did.
var feedFields = []protowire.Number{5, 7, 8, 9, 11, 12}

// dropped is that the server closes when no heartbeats come.
func dropped(v *visit) error {
	if v.pace > 5*time.Second {
		return nil
	}
	return v.ended(time.Now().Add(3*v.pace + serverPatience))
}
