package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"kslive/ingest"
	"kslive/internal/simulator"
)

// demoSummary compares what the simulator sent with what ClickHouse holds.
type demoSummary struct {
	demoKind
	Seconds float64             `json:"seconds"`
	Frames  float64             `json:"frames"`
	Kinds   map[string]demoKind `json:"kinds"`
}

// demoKind compares one kind of event, or all.
type demoKind struct {
	simulator.Kind
	LagP99 float64 `json:"lag_p99_ms"`
}

// summarise audits ClickHouse against the simulator's ledger.
func summarise(ctx context.Context, s *stage, pushed time.Duration) (*demoSummary, error) {
	audit, err := s.simulator.Ledger().Audit(ctx, s.engines.pairs, false)
	if err != nil {
		return nil, fmt.Errorf("comparing what was sent with what is stored: %w", err)
	}
	metrics, err := s.read()
	if err != nil {
		return nil, fmt.Errorf("reading the metrics: %w", err)
	}
	summary := &demoSummary{
		demoKind: demoKind{audit.Kind, metrics.lag.quantile(0.99) * 1000},
		Seconds:  pushed.Seconds(), Frames: metrics.frames,
		Kinds: make(map[string]demoKind),
	}
	for kind, of := range audit.Kinds {
		summary.Kinds[kind] = demoKind{of, metrics.lagByTable[kind].quantile(0.99) * 1000}
	}
	return summary, nil
}

func (s *demoSummary) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "kind\tsent\tstored\tmissing\tdoubled\tnever sent\tlag p99\t")
	line := func(name string, c demoKind) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%.0f ms\t\n", name, c.Sent, c.Stored, c.Missing, c.Doubled, c.Extra, c.LagP99)
	}
	for _, kind := range slices.Sorted(maps.Keys(s.Kinds)) {
		line(kind, s.Kinds[kind])
	}
	line("all", s.demoKind)
	fmt.Fprintf(table, "\n%.0f frames in %.0f s, %.0f rows a second\n", s.Frames, s.Seconds, float64(s.Stored)/s.Seconds)
	return table.Flush()
}

// pairs runs a query that answers two UInt64 columns on the embedded ClickHouse.
func (e *engines) pairs(ctx context.Context, query string) (map[uint64]uint64, error) {
	querier, err := ingest.OpenQuerier(e.ClickHouse)
	if err != nil {
		return nil, err
	}
	defer querier.Close()
	var answer bytes.Buffer
	if err := querier.Query(ctx, ingest.Question{SQL: query, Format: "RowBinary"}, &answer); err != nil {
		return nil, err
	}
	found := make(map[uint64]uint64)
	var pair [16]byte
	for {
		switch _, err := io.ReadFull(&answer, pair[:]); {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return nil, err
		}
		found[binary.LittleEndian.Uint64(pair[:8])] += binary.LittleEndian.Uint64(pair[8:])
	}
}
