package simulator

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"kslive/ingest"
	kuaishou "kslive/proto"
	"kslive/schema"
)

// raw is the next message as it came.
func (c *client) raw() []byte {
	c.t.Helper()
	_, data, err := c.socket.ReadMessage()
	if err != nil {
		c.t.Fatal(err)
	}
	return data
}

// rowsOf is what the ingester makes of messages, as the ledger has it.
func rowsOf(t *testing.T, room RoomState, messages [][]byte) map[entry]uint32 {
	t.Helper()
	var batch schema.Batch
	decoder := ingest.NewDecoder(nil)
	for _, data := range messages {
		frame := &kuaishou.Frame{LiveId: room.LiveID, LiveStreamId: room.LiveStreamID, ReceivedAt: time.Now().UnixMilli(), Data: data}
		decoder.Decode(frame, 0, &batch)
	}
	rows := map[entry]uint32{}
	for i := range batch.Undecoded {
		row := &batch.Undecoded[i]
		if row.EventTimeSource == schema.FromReceipt {
			row.EventTime = time.Time{}
		}
		rows[entryOf(row)]++
	}
	for i := range batch.Comments {
		rows[entryOf(&batch.Comments[i])]++
	}
	for i := range batch.RoomStats {
		rows[entryOf(&batch.RoomStats[i])]++
	}
	return rows
}

// written is the ledger's part of the same tables.
func written(s *Simulator) map[entry]uint32 {
	rows := map[entry]uint32{}
	for _, table := range []int{entryOf(&schema.Undecoded{}).table, entryOf(&schema.Comment{}).table, entryOf(&schema.RoomStat{}).table} {
		for hash, count := range s.ledger.tables[table].snapshot() {
			rows[entry{table: table, hash: hash}] = count.sent
		}
	}
	return rows
}

func TestGarbageBecomesWhatTheLedgerSays(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 4, PushEvery: 5 * time.Millisecond})
	set(t, s, liveID, Faults{Garbage: len(garbageKinds)})
	room, _ := s.Room(liveID)
	c := enter(t, s, liveID)
	var got [][]byte
	for range 8 * len(garbageKinds) {
		got = append(got, c.raw())
	}
	s.StopPushing()
	c.send(kuaishou.PayloadType_CS_USER_EXIT, &kuaishou.CSWebUserExit{Time: 1})
	for {
		_, data, err := c.socket.ReadMessage()
		if err != nil {
			break
		}
		got = append(got, data)
	}
	if n := s.Ledger().Counts()["undecoded"]; n < uint64(3*len(garbageKinds)) {
		t.Errorf("%d rows of undecoded in the ledger", n)
	}
	if sent, decoded := written(s), rowsOf(t, room, got); !maps.Equal(sent, decoded) {
		t.Errorf("%d different rows in the ledger, the ingester makes %d", len(sent), len(decoded))
		for e, n := range sent {
			if decoded[e] != n {
				t.Errorf("a row of %s: sent %d times, decoded %d times", keys[e.table].table, n, decoded[e])
			}
		}
	}
}

func TestGiant(t *testing.T) {
	t.Parallel()
	s, liveID := startLive(t, Options{Seed: 4})
	room, _ := s.Room(liveID)
	c := enter(t, s, liveID)
	c.until(kuaishou.PayloadType_SC_ENTER_ROOM_ACK, &kuaishou.SCWebEnterRoomAck{})
	s.StopPushing() // and nothing else is pushed
	c.socket.SetReadLimit(clientLimit)
	var got [][]byte
	for _, size := range []int{64 << 10, 3<<20 + 1, clientLimit} {
		if err := s.PushGiant(liveID, Giant{Bytes: size}); err != nil {
			t.Fatal(err)
		}
		for data := c.raw(); ; data = c.raw() {
			got = append(got, data)
			if len(data) >= 64<<10-2 {
				if len(data) != size {
					t.Errorf("%d bytes, want %d", len(data), size)
				}
				break
			}
		}
	}
	decoded := rowsOf(t, room, got)
	eventually(t, "the last is in the ledger", func() bool { return maps.Equal(written(s), decoded) })
	before := s.Ledger().Counts()
	if err := s.PushGiant(liveID, Giant{Bytes: clientLimit + 1000}); err != nil {
		t.Fatal(err)
	}
	if state, _ := s.Room(liveID); state.Connections != 0 {
		t.Error("something may follow what is too big")
	}
	if _, _, err := c.socket.ReadMessage(); !errors.Is(err, websocket.ErrReadLimit) {
		t.Errorf("read %v, want too big", err)
	}
	_ = c.socket.Close()
	eventually(t, "the connection has gone", func() bool { return s.Stats().Connections == 0 })
	if after := s.Ledger().Counts(); !maps.Equal(after, before) {
		t.Errorf("the ledger went from %v to %v", before, after)
	}
}
