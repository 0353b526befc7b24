package simulator

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// maxReceipts is how many frames may wait to be confirmed on one connection.
const maxReceipts = 4 * outboxSize

// receipts are what a client has yet to confirm with Options.Confirm. The
// writer numbers frames and pings with the number of the last; the reader gets
// the pong.
type receipts struct {
	mu      sync.Mutex
	last    uint64 // the number of the last frame written
	pinged  uint64 // of the last that a ping was sent for
	waiting []receipt
}

type receipt struct {
	number uint64
	frame  *frame
}

// wrote notes that a frame is to be confirmed.
func (c *conn) wrote(f *frame) {
	if !c.simulator.options.Confirm {
		return
	}
	r := &c.receipts
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	if len(r.waiting) >= maxReceipts {
		c.simulator.unknown.Add(1)
		return
	}
	r.waiting = append(r.waiting, receipt{r.last, f})
	c.simulator.pending.Add(1)
}

// ping asks the client to confirm what was written since the last time.
func (c *conn) ping() {
	r := &c.receipts
	r.mu.Lock()
	number := r.last
	due := number > r.pinged
	r.pinged = number
	r.mu.Unlock()
	if due { // when it fails, so does the next frame
		_ = c.socket.WriteControl(websocket.PingMessage, binary.BigEndian.AppendUint64(nil, number), time.Now().Add(patience))
	}
}

// pong is what the client answers to a ping.
func (c *conn) pong(data string) error {
	if len(data) != 8 {
		return nil // unasked for, which is allowed
	}
	number := binary.BigEndian.Uint64([]byte(data))
	r := &c.receipts
	r.mu.Lock()
	n := 0
	for n < len(r.waiting) && r.waiting[n].number <= number {
		n++
	}
	read := r.waiting[:n:n]
	r.waiting = r.waiting[n:]
	r.mu.Unlock()
	for _, one := range read {
		if !one.frame.confirmed.Swap(true) {
			c.simulator.ledger.confirm(one.frame.entries)
		}
	}
	c.simulator.pending.Add(-int64(n))
	return nil
}

// giveUp notes that what was not confirmed will not be.
func (c *conn) giveUp() {
	r := &c.receipts
	r.mu.Lock()
	defer r.mu.Unlock()
	c.simulator.pending.Add(-int64(len(r.waiting)))
	c.simulator.unknown.Add(uint64(len(r.waiting)))
	r.waiting = nil
}
