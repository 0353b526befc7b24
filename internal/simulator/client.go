package simulator

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// FetchLedger reads the ledger of the simulator at url, which may run in
// another process. It is a copy: what is sent later is not in it.
func FetchLedger(ctx context.Context, url string) (*Ledger, error) {
	url = strings.TrimRight(url, "/") + "/simulator/ledger"
	var summary ledgerSummary
	err := fetch(ctx, url, func(body io.Reader) error { return json.NewDecoder(body).Decode(&summary) })
	if err != nil {
		return nil, err
	}
	ledger := newLedger(time.UnixMilli(summary.Since))
	for i := range keys {
		err := fetch(ctx, url+"/"+keys[i].table, ledger.tables[i].readFrom)
		if err != nil {
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
		t.add(binary.LittleEndian.Uint64(record[:]), uint32(binary.LittleEndian.Uint64(record[8:])))
	}
}

func fetch(ctx context.Context, url string, read func(io.Reader) error) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking the simulator: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the simulator: %s answered %s; is it a simulator?", url, response.Status)
	}
	if err := read(response.Body); err != nil {
		return fmt.Errorf("reading %s: %w", url, err)
	}
	return nil
}
