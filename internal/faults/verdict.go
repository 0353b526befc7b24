package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kslive/internal/process"
	"kslive/internal/simulator"
)

// result is a line of the table.
type result struct {
	Name     string `json:"name"`
	Breaks   string `json:"breaks"`
	Events   int    `json:"events"`   // rows that were sent
	Faults   int    `json:"faults"`   // injected
	Lost     int    `json:"lost"`     // rows that should be stored and are not
	Doubled  int    `json:"doubled"`  // rows that readers see more than once
	Altered  int    `json:"altered"`  // rows that were never sent like this
	Repeated int    `json:"repeated"` // rows that are stored twice, whether or not readers see it
	// Destroyed are rows that the fault itself destroyed: in the socket of a
	// process that was killed, or in a file that was damaged.
	Destroyed int     `json:"destroyed"`
	Recovery  float64 `json:"recovery_seconds"`
	Seconds   float64 `json:"seconds"`
	// Failures are empty when all is well.
	Failures []string `json:"failures"`
	Notes    []string `json:"notes"`
}

func (r *result) fail(err error) {
	if err != nil {
		r.Failures = append(r.Failures, err.Error())
	}
}

// play plays a scenario from beginning to end. later, when not nil, judges what
// can only be judged when some time has passed.
func play(ctx context.Context, e *engines, sc *scenario, o *options) (r *result, later func(context.Context)) {
	r = &result{Name: sc.name, Breaks: sc.breaks}
	started := time.Now()
	defer func() { r.Seconds = time.Since(started).Seconds() }()
	s, err := open(ctx, e, sc, o)
	if err != nil {
		r.fail(fmt.Errorf("setting up: %w", err))
		return r, nil
	}
	err = sc.inject(ctx, s)
	if err == nil {
		err = s.finish(ctx)
	}
	if err == nil {
		err = s.compare(ctx, r)
	}
	if err == nil && sc.check != nil {
		err = sc.check(ctx, s)
	}
	if err == nil && len(s.unmet) == 0 { // what failed is kept, to be looked into
		err = s.retire(ctx, len(s.silences) == 0)
	}
	r.Faults, r.Recovery, r.Notes = s.injected, s.recovered.Seconds(), s.notes
	r.fail(errors.Join(err, s.close()))
	for _, err := range s.unmet {
		r.fail(err)
	}
	if err != nil || len(s.silences) == 0 {
		return r, nil
	}
	return r, func(ctx context.Context) { r.fail(s.requireGaps(ctx)) }
}

// finish ends all pushes and all workers, which load what they have.
func (s *stage) finish(ctx context.Context) error {
	if err := s.kuaishou.StopPushing(ctx); err != nil {
		return err
	}
	for _, w := range s.workers {
		if err := w.end(ctx); err != nil {
			return err
		}
		segments, err := waiting(w.spool)
		if err != nil {
			return err
		}
		s.expect(len(segments) == 0, "%s ended well and left %d segments in its spool", w.name, len(segments))
		if _, err := s.received.read(w.spool); err != nil {
			return err
		}
	}
	return nil
}

// compare compares what was sent, and what was in spools, with what is stored.
func (s *stage) compare(ctx context.Context, r *result) error {
	ledger, err := s.kuaishou.Ledger(ctx)
	if err != nil {
		return err
	}
	seen, err := ledger.Audit(ctx, s.pairs, true)
	if err != nil {
		return err
	}
	stored, err := ledger.Audit(ctx, s.pairs, false)
	if err != nil {
		return err
	}
	letters, err := s.number(ctx, "SELECT uniqExact(row) FROM dead_letters")
	if err != nil {
		return err
	}
	lost, err := s.received.lost(ctx, s.databases)
	if err != nil {
		return err
	}
	r.Events, r.Doubled, r.Altered, r.Repeated = seen.Sent, seen.Doubled, seen.Extra, stored.Doubled
	r.Lost = max(0, lost-letters)
	missing := max(0, seen.Missing-letters)
	switch {
	case !s.scenario.sockets && !s.scenario.disk:
		r.Lost = max(r.Lost, missing)
	case !s.scenario.disk:
		r.Lost = max(r.Lost, seen.Lost-letters)
	}
	r.Destroyed = max(0, missing-r.Lost)
	if s.scenario.refused {
		s.expect(letters > 0 && letters == seen.Missing, "%d rows are in dead_letters, and %d in no other table", letters, seen.Missing)
	} else {
		s.expect(letters == 0, "%d rows are in dead_letters", letters)
	}
	s.expect(r.Lost == 0, "%d rows are lost, of which clients had confirmed to have read %d: %v", r.Lost, max(0, seen.Lost-letters), missingByKind(seen))
	s.expect(r.Doubled == 0, "readers see %d rows twice", r.Doubled)
	s.expect(r.Altered == 0, "%d rows were never sent like this", r.Altered)
	s.expect(r.Repeated == 0 || s.scenario.twice, "one worker stored %d rows twice, although readers see them once", r.Repeated)
	s.expect(r.Events > 500, "only %d events were sent: too few to prove anything", r.Events)
	s.expect(s.injected > 0, "no fault was injected")
	return nil
}

func missingByKind(audit simulator.Audit) map[string]int {
	missing := make(map[string]int)
	for table, kind := range audit.Kinds {
		if kind.Missing > 0 {
			missing[table] = kind.Missing
		}
	}
	return missing
}

// orphaned is how long the record of a session is not written before the views
// of coverage take its worker for dead, and a little more.
const orphaned = 62 * time.Second

// requireGaps requires that gaps tells of each silence for every room that was
// heard before it.
func (s *stage) requireGaps(ctx context.Context) error {
	last := s.silences[len(s.silences)-1]
	if err := process.Pause(ctx, time.Until(last.Add(orphaned))); err != nil {
		return err
	}
	hidden := 0
	for _, at := range s.silences {
		n, err := s.number(ctx, fmt.Sprintf(`
WITH fromUnixTimestamp64Milli(%d) AS t
SELECT count() FROM (SELECT DISTINCT live_id FROM coverage FINAL WHERE connected_at < t)
WHERE live_id NOT IN (SELECT live_id FROM gaps WHERE gap_start <= t AND (gap_end IS NULL OR gap_end >= t))`, at.UnixMilli()))
		if err != nil {
			return err
		}
		hidden += n
	}
	if hidden > 0 {
		return fmt.Errorf("gaps does not tell of %d silences of rooms (of %d times)", hidden, len(s.silences))
	}
	return nil
}
