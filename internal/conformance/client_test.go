package main

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// atOnce is how many clients run at the same time in tests.
const atOnce = 8

// knownDefects are scenarios that ingest does not pass, with the reason: they
// must fail until it is mended, and are taken off this list then.
var knownDefects = map[string]string{}

// TestIngestConforms plays every scenario against `ingest watch`.
func TestIngestConforms(t *testing.T) {
	command := []string{ingest, "watch", "--kuaishou-url", "{url}", "{live_id}"}
	for _, v := range playAll(t.Context(), scenarios(), command, atOnce, func(verdict) {}) {
		switch reason, known := knownDefects[v.scenario.name]; {
		case v.err != nil && !known:
			t.Errorf("%s: a client %s (%s): %v", v.scenario.name, v.scenario.must, v.scenario.section, v.err)
		case v.err == nil && known:
			t.Errorf("%s is passed, but listed as a defect (%s): take it off the list", v.scenario.name, reason)
		}
	}
}

// TestBadClientsFail is that the scenarios can fail: each wrong is planted in a
// client that passes without it.
func TestBadClientsFail(t *testing.T) {
	wrongs := []struct{ scenario, wrong, says string }{
		{"enter", absent, "it exited without any"},
		{"code-2", absent, "it exited without any"},
		{"page-offline", anyEntry, "it asked for another"},
		{"page-stranger", anyEntry, "it asked for another"},
		{"websocketinfo-limited", loops, "it asked websocketinfo"},
		{"first-url-dead", faithful, "within"},
		{"urls-dead", impatient, "after the one before"},
		{"heartbeat", noHeartbeats, "it did not within"},
		{"heartbeat", wildHeartbeats, "heartbeats came within"},
		{"heartbeat", sendsText, "it did not within"},
		{"watchdog", noWatchdog, "it did not within"},
		{"not-the-end", fearful, "the connection is gone"},
		{"cut", impatient, "it waited"},
		{"cut", faithful, "it went to the same one"},
		{"cut", forgetful, "it says reconnectCount 0"},
		{"last-error", forgetful, "it says reconnectCount 0"},
		{"ended", neverEnds, "it connected again"},
		{"leave", vanishes, "it did not within"},
	}
	var group errgroup.Group
	group.SetLimit(atOnce)
	families, tried := map[string]bool{}, map[string]bool{}
	for _, w := range wrongs {
		chosen := choose(scenarios(), []string{w.scenario})
		if len(chosen) != 1 {
			t.Fatalf("there is no scenario %s", w.scenario)
		}
		families[chosen[0].family] = true
		try := func(how string, judge func(error)) {
			group.Go(func() error {
				judge(play(t.Context(), chosen[0], []string{os.Args[0], plantedClient, how, "{url}", "{live_id}"}).err)
				return nil
			})
		}
		try(w.wrong, func(err error) {
			if err == nil || !strings.Contains(err.Error(), w.says) {
				t.Errorf("%s by a client that %s: %v; want something about %q", w.scenario, w.wrong, err, w.says)
			}
		})
		if !tried[w.scenario] {
			tried[w.scenario] = true
			try(wellBehaved, func(err error) {
				if err != nil {
					t.Errorf("%s by a client that does it well: %v", w.scenario, err)
				}
			})
		}
	}
	_ = group.Wait() // no function has an error
	for _, s := range scenarios() {
		if !families[s.family] {
			t.Errorf("nothing is planted in the family %s", s.family)
		}
	}
}

// TestTablesAreComplete is that every line says what it is about.
func TestTablesAreComplete(t *testing.T) {
	t.Parallel()
	names, known := map[string]bool{}, map[string]bool{}
	for _, section := range sections {
		known[section.number] = true
	}
	for _, s := range scenarios() {
		if s.must == "" || !known[s.section] || len(s.script) == 0 || names[s.name] {
			t.Errorf("the scenario %q says too little, or is there twice", s.name)
		}
		names[s.name] = true
	}
	for _, s := range serverScenarios {
		if s.must == "" || !known[s.section] || len(s.script) == 0 {
			t.Errorf("the scenario %q of servers says too little", s.name)
		}
	}
}
