package ingest

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"kslive/ingest/spool"
)

// An erasure is over only when every spool has looked for all that is known of
// the person, and then nothing tells who it was.
func TestErasureOfTwoSpools(t *testing.T) {
	url := newDatabase(t)
	a, b := openLives(t, url, "a"), openLives(t, url, "b")
	open := func(l *Lives, spoolID string) []Erasure {
		t.Helper()
		erasures, err := l.ErasuresFor(t.Context(), spoolID)
		if err != nil {
			t.Fatal(err)
		}
		return erasures
	}
	if len(open(a, "spool a"))+len(open(b, "spool b")) > 0 {
		t.Fatal("somebody is to be erased who is not")
	}
	person := &Person{IDs: []string{"3xerasedperson1"}, Names: []string{"甲甲", "我们"}}
	begun, err := a.BeginErasure(t.Context(), person)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.BeginErasure(t.Context(), &Person{IDs: person.IDs, Numbers: []uint64{3700112244}, Skip: []string{"我们"}})
	if err != nil || again.ID != begun.ID || !slices.Equal(again.Names, []string{"甲甲"}) || len(again.Users) != 2 {
		t.Fatalf("a second request is %+v, the first %+v: %v", again, begun, err)
	}
	report := func(l *Lives, spoolID string, names ...string) {
		t.Helper()
		e := open(l, spoolID)[0].Person()
		e.addNames(names...)
		if err := l.ReportErasure(t.Context(), begun.ID, spoolID, e, ErasedFrames{Frames: 2}); err != nil {
			t.Fatal(err)
		}
	}
	report(a, "spool a")
	if n := len(open(a, "spool a")); n != 0 {
		t.Errorf("after its report a spool has %d to do", n)
	}
	report(b, "spool b", "乙乙", "我们") // finds another name
	if n := len(open(a, "spool a")); n != 1 {
		t.Errorf("there is a new name, and the first spool has %d to do", n)
	}
	spools, now, err := a.ErasureSpools(t.Context(), begun.ID)
	if err != nil || len(spools) != 2 || spools[0].Done || !spools[1].Done || len(now.Names) != 2 {
		t.Errorf("%+v, %+v, %v", spools, now, err)
	}
	report(a, "spool a")
	if spools, _, _ = a.ErasureSpools(t.Context(), begun.ID); !spools[0].Done || spools[0].Frames != 4 {
		t.Errorf("%+v", spools)
	}
	if err := a.FinishErasure(t.Context(), begun.ID); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := a.pool.QueryRow(t.Context(), "SELECT count(*) FROM erasures WHERE users <> '{}' OR names <> '{}' OR skip <> '{}'").Scan(&left); err != nil || left > 0 {
		t.Errorf("%d erasures still say who it was: %v", left, err)
	}
	if n := len(open(b, "spool b")); n != 0 {
		t.Errorf("%d are to be erased after it was finished", n)
	}
}

// What was received before it was asked for is loaded before a spool reports,
// and a replay that holds old frames is waited for.
func TestEraserWaits(t *testing.T) {
	w, l := openWarehouse(t), openLives(t, newDatabase(t), "a")
	frames := crowded(t)
	dir := t.TempDir()
	s := spoolOf(t, dir, frames)
	eraser := NewEraser(l, s, dir, slog.New(slog.DiscardHandler))
	if _, err := l.BeginErasure(t.Context(), &Person{IDs: erasedPerson.IDs, Numbers: erasedPerson.Numbers}); err != nil {
		t.Fatal(err)
	}
	if err := eraser.Once(t.Context()); err != errLoading {
		t.Errorf("with frames that are not loaded: %v", err)
	}
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	if err := NewLoader(s, w, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	archive, err := spool.OpenArchive(dir)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := archive.Lock("replay.lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := eraser.Once(t.Context()); err != ErrReplayRuns {
		t.Errorf("beside a replay: %v", err)
	}
	lock.Close()
	if err := eraser.Once(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.EraseRows(t.Context(), &erasedPerson, false); err != nil {
		t.Fatal(err)
	}
	requireErased(t, w, dir)
}
