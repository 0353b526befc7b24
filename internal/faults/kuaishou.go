package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"kslive/internal/simulator"
)

// kuaishou is `ingest simulate` in a process of its own, steered by HTTP.
type kuaishou struct {
	child *child
	url   string
	seed  uint64
	rooms []string // live IDs
}

// heartbeat is what clients are told, in Go's notation: short, so that silence
// is noticed after 5 s.
const heartbeat = "2s"

func startKuaishou(p program, seed uint64, rooms int, rate float64) (*kuaishou, error) {
	c, err := p.start("kuaishou", "simulate", "--listen=127.0.0.1:0", "--heartbeat="+heartbeat,
		"--seed="+strconv.FormatUint(seed, 10), "--rooms="+strconv.Itoa(rooms), "--rate="+strconv.FormatFloat(rate, 'g', -1, 64))
	if err != nil {
		return nil, err
	}
	k := &kuaishou{child: c, seed: seed}
	if k.url, err = c.setting("INGEST_KUAISHOU_URL"); err != nil {
		return nil, err
	}
	go io.Copy(io.Discard, c.lines) // ends with the child
	for i := range rooms {
		k.rooms = append(k.rooms, simulator.LiveID(seed, i))
	}
	return k, nil
}

// stats is what the simulator is doing.
func (k *kuaishou) stats(ctx context.Context) (stats simulator.Stats, err error) {
	return stats, k.call(ctx, http.MethodGet, "/stats", nil, &stats)
}

// act does one of live, end and cut to a room.
func (k *kuaishou) act(ctx context.Context, room, what string) error {
	return k.call(ctx, http.MethodPost, "/rooms/"+room+"/"+what, nil, nil)
}

// setFaults makes a room's sockets so from now on.
func (k *kuaishou) setFaults(ctx context.Context, room string, faults simulator.Faults) error {
	return k.call(ctx, http.MethodPost, "/rooms/"+room+"/faults", faults, nil)
}

// stopPushing returns when everything pushed is in the ledger.
func (k *kuaishou) stopPushing(ctx context.Context) error {
	return k.call(ctx, http.MethodPost, "/stop-pushing", nil, nil)
}

// call asks the control interface; value and answer may be nil.
func (k *kuaishou) call(ctx context.Context, method, path string, value, answer any) error {
	var body io.Reader
	if value != nil {
		data, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("asking the simulator: %w", err)
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, k.url+"/simulator"+path, body)
	if err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 300)) // what there is of it
		return fmt.Errorf("asking the simulator %s: %s: %s", path, response.Status, said)
	}
	if answer == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("asking the simulator %s: %w", path, err)
	}
	return nil
}
