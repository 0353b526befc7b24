package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kslive/internal/simulator"
)

// As docs/operations.md says: the folder of the embedded ClickHouse, copied while
// nothing runs and put back later, together with a replay of the frames since, is
// all that was received. The whole data folder is moved likewise.
func TestBackupOfEmbedded(t *testing.T) {
	s := newSetting(t, simulator.Options{Seed: 8, Rate: 50, PushEvery: 100 * time.Millisecond})
	insertLives(t, s, s.rooms(t, 3))
	hear := func(rows int) {
		worker := s.startRun(t, s.engines.ClickHouse)
		eventually(t, "rows are stored", func() bool { return s.audit(t).Stored > rows })
		worker.stop()
	}
	hear(200)
	began := time.Now().Add(-time.Minute)
	backup, moved := filepath.Join(t.TempDir(), "clickhouse"), filepath.Join(t.TempDir(), "data")
	data := filepath.Join(s.dir, "clickhouse")
	s.whileStopped(t, func() { copyFolder(t, data, backup) })
	hear(2 * s.audit(t).Stored)
	s.simulator.StopPushing()
	before := s.audit(t).Kind // what was under way to a worker that stopped is missing
	s.whileStopped(t, func() {
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		copyFolder(t, backup, data)
	})
	if restored := s.audit(t).Kind; restored.Missing <= before.Missing || restored.Stored == 0 {
		t.Fatalf("the backup holds nothing of what came before it, or what came later: %+v", restored)
	}
	s.mustRun(t, "replay", "--data-dir", s.dir, "--clickhouse", s.engines.ClickHouse, "--since", began.Format(time.RFC3339))
	if after := s.audit(t).Kind; after != before {
		t.Errorf("after the replay: %+v, and before %+v", after, before)
	}
	s.whileStopped(t, func() {
		copyFolder(t, s.dir, moved)
		s.dir = moved
	})
	var rooms bytes.Buffer
	if code := run(t.Context(), []string{"lives", "list", "--json", "--data-dir", s.dir}, nil, &rooms, &rooms); code != exitOK || strings.Count(rooms.String(), "\n") != 3 {
		t.Errorf("the rooms in the folder that was moved: %s", &rooms)
	}
	if after := s.audit(t).Kind; after != before {
		t.Errorf("in the folder that was moved: %+v, and before %+v", after, before)
	}
}

// whileStopped does something while both engines are stopped.
func (s *setting) whileStopped(t *testing.T, do func()) {
	t.Helper()
	if err := s.engines.Close(); err != nil {
		t.Fatal(err)
	}
	do()
	engines, err := startEngines(context.Background(), engineFlags{DataDir: s.dir}, s.logger)
	if err != nil {
		t.Fatal(err)
	}
	s.engines = engines
}

// copyFolder copies as the page says.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if said, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp -a: %v: %s", err, said)
	}
}
