package simulator

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client steers and reads a simulator that may run in another process. Where
// its methods take a live ID, the empty one is all rooms.
type Client struct {
	// URL is the simulator's, such as "http://127.0.0.1:8800".
	URL string
	// HTTP makes the calls; nil: http.DefaultClient. A simulator with TLS wants one
	// that trusts its Certificate.
	HTTP *http.Client
}

// Live begins a broadcast in rooms that have none.
func (c Client) Live(ctx context.Context, liveID string) error {
	return c.act(ctx, liveID, "live", nil)
}

// End ends the broadcast.
func (c Client) End(ctx context.Context, liveID string) error { return c.act(ctx, liveID, "end", nil) }

// EndQuietly ends the broadcast without telling anybody.
func (c Client) EndQuietly(ctx context.Context, liveID string) error {
	return c.act(ctx, liveID, "end-quietly", nil)
}

// Cut ends every connection without a close message.
func (c Client) Cut(ctx context.Context, liveID string) error { return c.act(ctx, liveID, "cut", nil) }

// CloseSockets closes every websocket with a close code.
func (c Client) CloseSockets(ctx context.Context, liveID string, code int) error {
	return c.act(ctx, liveID, "close", Closing{Code: code})
}

// Reject sends 103 to everybody and closes their connections.
func (c Client) Reject(ctx context.Context, liveID string, rejection Rejection) error {
	return c.act(ctx, liveID, "reject", rejection)
}

// PushGiant sends one push of so many bytes to everybody.
func (c Client) PushGiant(ctx context.Context, liveID string, size int) error {
	return c.act(ctx, liveID, "giant", Giant{Bytes: size})
}

// Push pushes one message of a payload type to everybody.
func (c Client) Push(ctx context.Context, liveID string, payloadType uint32) error {
	return c.act(ctx, liveID, "push", Push{PayloadType: payloadType})
}

// SetPage gives rooms' pages a shape.
func (c Client) SetPage(ctx context.Context, liveID string, style PageStyle) error {
	return c.act(ctx, liveID, "page", style)
}

// SetAnswer makes pages and calls answer so from now on.
func (c Client) SetAnswer(ctx context.Context, liveID string, answer Answer) error {
	return c.act(ctx, liveID, "answer", answer)
}

// SetFaults makes sockets so from now on.
func (c Client) SetFaults(ctx context.Context, liveID string, faults Faults) error {
	return c.act(ctx, liveID, "faults", faults)
}

// StopPushing ends all pushes for good. What was pushed is in the ledger then.
func (c Client) StopPushing(ctx context.Context) error { return c.act(ctx, "", "stop-pushing", nil) }

// AddRoom makes a room.
func (c Client) AddRoom(ctx context.Context, liveID string, options RoomOptions) error {
	return c.call(ctx, http.MethodPost, "/rooms/"+url.PathEscape(liveID), options, nothing)
}

// SetPolicy sets a policy, in the place of the one of that name if there is one.
func (c Client) SetPolicy(ctx context.Context, policy Policy) error {
	return c.call(ctx, http.MethodPost, "/policies", policy, nothing)
}

// LiftPolicy lifts the policy of that name, or all for "".
func (c Client) LiftPolicy(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodDelete, "/policies/"+url.PathEscape(name), nil, nothing)
}

// Policies are those that are set.
func (c Client) Policies(ctx context.Context) ([]Policy, error) {
	var list []Policy
	err := c.call(ctx, http.MethodGet, "/policies", nil, into(&list))
	return list, err
}

// RefuseConnections refuses every new connection for a time; see
// Simulator.RefuseConnections.
func (c Client) RefuseConnections(ctx context.Context, during time.Duration) error {
	return c.call(ctx, http.MethodPost, "/refuse-connections", Outage{during}, nothing)
}

// SetGiftPrice changes the price of a gift; see Simulator.SetGiftPrice.
func (c Client) SetGiftPrice(ctx context.Context, price GiftPrice) error {
	return c.call(ctx, http.MethodPost, "/gift-price", price, nothing)
}

// Calls are the calls that were made.
func (c Client) Calls(ctx context.Context) ([]Call, error) {
	var calls []Call
	err := c.call(ctx, http.MethodGet, "/calls", nil, into(&calls))
	return calls, err
}

// Traffic counts the calls that were made; see Report.
func (c Client) Traffic(ctx context.Context, window time.Duration) (TrafficReport, error) {
	var report TrafficReport
	err := c.call(ctx, http.MethodGet, "/traffic?window="+window.String(), nil, into(&report))
	return report, err
}

// Trace is what happened on sockets; see Simulator.Trace.
func (c Client) Trace(ctx context.Context) ([]Event, error) {
	var events []Event
	err := c.call(ctx, http.MethodGet, "/trace", nil, into(&events))
	return events, err
}

// Stats counts rooms, connections, frames and rows.
func (c Client) Stats(ctx context.Context) (Stats, error) {
	var stats Stats
	err := c.call(ctx, http.MethodGet, "/stats", nil, into(&stats))
	return stats, err
}

// Rooms are the states of all rooms, by live ID.
func (c Client) Rooms(ctx context.Context) ([]RoomState, error) {
	var states []RoomState
	err := c.call(ctx, http.MethodGet, "/rooms", nil, into(&states))
	return states, err
}

// Ledger is a copy of the simulator's ledger: what is sent later is not in it.
func (c Client) Ledger(ctx context.Context) (*Ledger, error) {
	var summary ledgerSummary
	if err := c.call(ctx, http.MethodGet, "/ledger", nil, into(&summary)); err != nil {
		return nil, err
	}
	ledger := newLedger(time.UnixMilli(summary.Since))
	ledger.leaveOut(summary.Played...)
	for i := range keys {
		if err := c.call(ctx, http.MethodGet, "/ledger/"+keys[i].table, nil, ledger.tables[i].readFrom); err != nil {
			return nil, err
		}
	}
	return ledger, nil
}

func (t *tableLedger) readFrom(body io.Reader) error {
	reader := bufio.NewReaderSize(body, 64<<10)
	var record [ledgerRecord]byte
	for {
		_, err := io.ReadFull(reader, record[:])
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		t.add(binary.LittleEndian.Uint64(record[:]), tally{
			binary.LittleEndian.Uint32(record[8:]), binary.LittleEndian.Uint32(record[12:]),
		})
	}
}

func (c Client) act(ctx context.Context, liveID, name string, with any) error {
	path := "/" + name
	if liveID != "" {
		path = "/rooms/" + url.PathEscape(liveID) + path
	}
	return c.call(ctx, http.MethodPost, path, with, nothing)
}

// nothing reads an answer that says nothing new.
func nothing(body io.Reader) error {
	_, err := io.Copy(io.Discard, body)
	return err
}

func into(value any) func(io.Reader) error {
	return func(body io.Reader) error { return json.NewDecoder(body).Decode(value) }
}

// call asks the control interface. with, when not nil, is sent as JSON; read is
// given the body of the answer.
func (c Client) call(ctx context.Context, method, path string, with any, read func(io.Reader) error) error {
	var body bytes.Buffer
	if with != nil {
		if err := json.NewEncoder(&body).Encode(with); err != nil {
			return fmt.Errorf("asking the simulator: %w", err)
		}
	}
	address := strings.TrimRight(c.URL, "/") + "/simulator" + path
	request, err := http.NewRequestWithContext(ctx, method, address, &body)
	if err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	response, err := cmp.Or(c.HTTP, http.DefaultClient).Do(request)
	if err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		message, _ := io.ReadAll(io.LimitReader(response.Body, 1000)) // what there is of it
		return fmt.Errorf("asking the simulator: %s answered %s: %s", address, response.Status, strings.TrimSpace(string(message)))
	}
	if err := read(response.Body); err != nil {
		return fmt.Errorf("reading %s: %w", address, err)
	}
	return nil
}
