package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// scenario is one fault. Everything but name, breaks and inject may be left out.
type scenario struct {
	name   string // lower case and dashes; unique
	breaks string // what is broken, in a few words, for the table
	short  bool   // also in the short selection
	alone  bool   // it breaks an engine that others use
	// rooms push rate events a second each, and are watched by so many workers
	// with these flags more; by default 12 rooms, 20 events and one worker.
	rooms   int
	rate    float64
	workers int
	flags   []string
	// sockets says that the fault destroys what is on its way in sockets. Then
	// what was in the spool, or was confirmed to the simulator, must be stored,
	// and for the rest the view gaps must say that nobody heard the room.
	// disk says that it destroys parts of the spool. Then what is left there
	// must be stored. Without both, every event that was sent must be.
	sockets, disk bool
	// twice says that two workers may store the same event, which readers see
	// once. Otherwise that is a failure, whatever readers see.
	twice bool
	// refused says that rows are refused, which must then be in dead_letters and
	// nowhere else. Otherwise that must be empty.
	refused bool
	// inject breaks things, mends them and waits until rows are stored again.
	// When it is called every room is heard and pushes; when it returns the
	// fault is over and all workers run.
	inject func(ctx context.Context, s *stage) error
	// check looks at what is left when the workers have ended; nil: nothing more.
	check func(ctx context.Context, s *stage) error
}

func (sc *scenario) database() string { return "faults_" + strings.ReplaceAll(sc.name, "-", "_") }

// scenarios are all there are, in the order in which they are played.
func scenarios() []*scenario {
	all := slices.Concat(workerScenarios(), spoolScenarios(), clickhouseScenarios(), postgresScenarios(), roomScenarios(), severalScenarios())
	for _, sc := range all {
		sc.withDefaults()
	}
	return all
}

func (sc *scenario) withDefaults() *scenario {
	if sc.rooms == 0 {
		sc.rooms = 12
	}
	if sc.rate == 0 {
		sc.rate = 20
	}
	if sc.workers == 0 {
		sc.workers = 1
	}
	return sc
}

// choose answers the scenarios that are asked for.
func choose(o *options) ([]*scenario, error) {
	if o.Soak > 0 {
		sc, err := soakScenario(o.Soak)
		if err != nil {
			return nil, err
		}
		return []*scenario{sc.withDefaults()}, nil
	}
	all := scenarios()
	for _, name := range o.Only {
		if !slices.ContainsFunc(all, func(sc *scenario) bool { return sc.name == name }) {
			return nil, fmt.Errorf("there is no fault called %q; --list tells them", name)
		}
	}
	return slices.DeleteFunc(all, func(sc *scenario) bool {
		return len(o.Only) > 0 && !slices.Contains(o.Only, sc.name) || o.Short && !sc.short
	}), nil
}
