package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"

	"kslive/ingest/spool"
	kuaishou "kslive/proto"
	"kslive/schema"
)

// brokenWarehouse remembers what it stored, by token as ClickHouse does, and
// fails as it is told.
type brokenWarehouse struct {
	mu      sync.Mutex
	stored  map[string][]uint64 // event IDs by token
	letters map[string][]deadLetter
	calls   []string
	// fail answers the error of a call, and whether the rows are stored all the
	// same.
	fail func(call int, token string, rows schema.Rows) (error, bool)
	// phantom says that a failed call has noted the token and stored nothing.
	phantom bool
}

func (b *brokenWarehouse) Insert(_ context.Context, token string, rows schema.Rows) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, token)
	var err error
	stored := true
	if b.fail != nil {
		if err, stored = b.fail(len(b.calls), token, rows); err == nil {
			stored = true
		}
	}
	_, repeat := b.stored[token]
	switch {
	case repeat:
	case !stored && b.phantom:
		b.stored[token] = nil
	case stored:
		for i := range rows.Len() {
			b.stored[token] = append(b.stored[token], rows.Event(i).EventID)
		}
	}
	return err
}

func (b *brokenWarehouse) InsertDeadLetters(_ context.Context, token string, letters []deadLetter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letters[token] = letters
	return nil
}

func (b *brokenWarehouse) Holds(_ context.Context, rows schema.Rows) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.events(), rows.Event(0).EventID), nil
}

func (b *brokenWarehouse) HoldsLetters(_ context.Context, letters []deadLetter) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, stored := range b.letters {
		if slices.ContainsFunc(stored, func(l deadLetter) bool { return l.token == letters[0].token }) {
			return true, nil
		}
	}
	return false, nil
}

// events are all event IDs stored, sorted.
func (b *brokenWarehouse) events() []uint64 {
	var all []uint64
	for _, events := range b.stored {
		all = append(all, events...)
	}
	slices.Sort(all)
	return all
}

// newLoaderTest makes a loader on a spool that holds one sealed segment with
// the sample frames, and answers the event IDs they must become.
func newLoaderTest(t *testing.T, fail func(int, string, schema.Rows) (error, bool)) (*Loader, *brokenWarehouse, []uint64) {
	t.Helper()
	return newLoaderTestIn(t, t.TempDir(), fail)
}

func newLoaderTestIn(t *testing.T, dir string, fail func(int, string, schema.Rows) (error, bool)) (*Loader, *brokenWarehouse, []uint64) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	s, err := spool.Open(dir, spool.Options{Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	var batch schema.Batch
	decoder := NewDecoder(nil)
	frames := newSpooledFrames(s)
	for _, frame := range sampleFrames(t) {
		if err := frames.Append(frame); err != nil {
			t.Fatal(err)
		}
		decoder.Decode(frame, 0, &batch)
	}
	var want []uint64
	for rows := range batch.All() {
		for i := range rows.Len() {
			want = append(want, rows.Event(i).EventID)
		}
	}
	slices.Sort(want)
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	warehouse := &brokenWarehouse{stored: make(map[string][]uint64), letters: make(map[string][]deadLetter), fail: fail}
	return NewLoader(s, warehouse, NewMetrics(prometheus.NewRegistry()), logger), warehouse, want
}

// Rows that ClickHouse says it has are looked for when they were sent before: by
// this process, or perhaps by one that was killed with it.
func TestLoaderSendsAgainWhatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		loader, warehouse, want := newLoaderTestIn(t, dir, func(call int, _ string, _ schema.Rows) (error, bool) {
			if call%3 == 1 {
				return io.ErrUnexpectedEOF, false
			}
			return nil, true
		})
		warehouse.phantom = true
		if err := loader.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		loader.spool.Close()
		if diff := cmp.Diff(want, warehouse.events()); diff != "" {
			t.Error(diff)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		killed, warehouse, want := newLoaderTestIn(t, dir, func(int, string, schema.Rows) (error, bool) { return io.ErrUnexpectedEOF, false })
		warehouse.phantom = true
		ctx, kill := context.WithTimeout(t.Context(), time.Second)
		defer kill()
		if err := killed.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		killed.spool.Close()
		warehouse.fail = nil
		s, err := spool.Open(dir, spool.Options{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Drain(); err != nil {
			t.Fatal(err)
		}
		if err := NewLoader(s, warehouse, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, warehouse.events()); diff != "" {
			t.Error(diff)
		}
	})
}

// Whatever fails, and whether or not it was done all the same, every row is
// stored once, and the segment is given up only then.
func TestLoaderStoresOnce(t *testing.T) {
	refused := &clickhouse.Exception{Code: 60, Message: "no such table"}
	breaks := map[string]func(call int, token string, rows schema.Rows) (error, bool){
		"nothing": nil,
		"first not done": func(call int, _ string, _ schema.Rows) (error, bool) {
			return onFirst(call, io.ErrUnexpectedEOF), false
		},
		"first done but said no":        func(call int, _ string, _ schema.Rows) (error, bool) { return onFirst(call, io.ErrUnexpectedEOF), true },
		"every second not done":         func(call int, _ string, _ schema.Rows) (error, bool) { return onOdd(call, io.ErrClosedPipe), false },
		"every second done but said no": func(call int, _ string, _ schema.Rows) (error, bool) { return onOdd(call, io.ErrClosedPipe), true },
		"a table is missing for a while": func(call int, _ string, rows schema.Rows) (error, bool) {
			if rows.Name == "gifts" && call < 40 {
				return refused, false
			}
			return nil, true
		},
	}
	for _, name := range slices.Sorted(maps.Keys(breaks)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loader, warehouse, want := newLoaderTest(t, breaks[name])
				defer loader.spool.Close()
				if err := loader.Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, warehouse.events()); diff != "" {
					t.Error(diff)
				}
				if st := loader.spool.Stats(); st.Sealed.Segments != 0 {
					t.Errorf("%d segments are left", st.Sealed.Segments)
				}
			})
		})
	}
}

func onFirst(call int, err error) error {
	if call == 1 {
		return err
	}
	return nil
}

func onOdd(call int, err error) error {
	if call%2 == 1 {
		return err
	}
	return nil
}

// keepFromBecoming has the disk refuse, for a minute, to rename the only file of a
// spool that is in one state to the next.
func keepFromBecoming(t *testing.T, dir, state, next string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"+state))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q: %v", files, err)
	}
	inTheWay := strings.TrimSuffix(files[0], state) + next
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(time.Minute, func() { os.Remove(inTheWay) })
}

// A spool that the disk does not let be sealed at once is loaded all the same before
// a worker ends: what is behind the loader is closed when it does.
func TestDrainWaitsForTheLoader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		logger := slog.New(slog.DiscardHandler)
		s, err := spool.Open(dir, spool.Options{SealAge: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := newSpooledFrames(s).Append(frameOf(commentPush(t, "last words", sampleSent))); err != nil {
			t.Fatal(err)
		}
		keepFromBecoming(t, dir, ".active", ".sealed")
		warehouse := &brokenWarehouse{stored: make(map[string][]uint64)}
		working, stopWorking := context.WithCancelCause(t.Context())
		defer stopWorking(nil)
		loaded := make(chan error, 1)
		go func() {
			loaded <- NewLoader(s, warehouse, NewMetrics(prometheus.NewRegistry()), logger).Run(working)
		}()
		i := &Ingester{o: Options{Spool: s, DrainTimeout: time.Hour, Logger: logger}}
		if err := i.drain(t.Context(), loaded, stopWorking); err != nil {
			t.Fatal(err)
		}
		if got := len(warehouse.events()); got != 1 {
			t.Errorf("%d rows are stored, want 1", got)
		}
	})
}

// A segment that could not be loaded stays, and is loaded later under the same
// tokens.
func TestLoaderKeepsTheSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		loader, warehouse, want := newLoaderTest(t, func(int, string, schema.Rows) (error, bool) {
			if down {
				return io.ErrClosedPipe, true // done, but nobody knows
			}
			return nil, true
		})
		defer loader.spool.Close()
		impatient, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := loader.Run(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if st := loader.spool.Stats(); st.Sealed.Segments != 1 {
			t.Fatalf("%d segments are left, want 1", st.Sealed.Segments)
		}
		down = false
		if err := loader.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, warehouse.events()); diff != "" {
			t.Error(diff)
		}
	})
}

// A crash does not change the tokens; another build does, and a file that was
// damaged and is mended, for other rows may be under them.
func TestTokens(t *testing.T) {
	dir := t.TempDir()
	loader, _, _ := newLoaderTestIn(t, dir, nil)
	loader.spool.Close()
	files, err := filepath.Glob(filepath.Join(dir, "*.sealed"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%q: %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	damaged := slices.Clone(whole)
	damaged[len(damaged)-1] ^= 1
	tokens := func(data []byte, build string) []string {
		if err := os.WriteFile(files[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := spool.Open(dir, spool.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Drain(); err != nil {
			t.Fatal(err)
		}
		warehouse := &brokenWarehouse{stored: make(map[string][]uint64)}
		loader := NewLoader(s, warehouse, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler))
		if build != "" {
			loader.build = build
		}
		if err := loader.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		return slices.Sorted(maps.Keys(warehouse.stored))
	}
	first := tokens(whole, "")
	if again := tokens(whole, ""); !slices.Equal(first, again) || len(first) == 0 {
		t.Errorf("%q are other tokens than %q", again, first)
	}
	for name, others := range map[string][]string{"build": tokens(whole, "another"), "damage": tokens(damaged, "")} {
		if i := slices.IndexFunc(others, func(token string) bool { return slices.Contains(first, token) }); i >= 0 {
			t.Errorf("another %s has the token %s too", name, others[i])
		}
	}
}

// A loaded segment that the disk does not let go is not loaded again meanwhile.
func TestLoaderGivesUpLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		loader, warehouse, want := newLoaderTestIn(t, dir, nil)
		defer loader.spool.Close()
		keepFromBecoming(t, dir, ".sealed", ".done")
		if err := loader.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, warehouse.events()); diff != "" || len(warehouse.calls) != len(warehouse.stored) {
			t.Errorf("%d inserts into %d tables\n%s", len(warehouse.calls), len(warehouse.stored), diff)
		}
		if st := loader.spool.Stats(); st.Sealed.Segments != 0 {
			t.Errorf("%d segments are left", st.Sealed.Segments)
		}
	})
}

// Rows that the server cannot take go to dead_letters with their frame; all
// others are stored.
func TestLoaderQuarantine(t *testing.T) {
	poison := map[uint64]bool{}
	loader, warehouse, want := newLoaderTest(t, func(_ int, _ string, rows schema.Rows) (error, bool) {
		for i := range rows.Len() {
			if poison[rows.Event(i).EventID] {
				return &clickhouse.Exception{Code: 53, Message: "cannot take it"}, false
			}
		}
		return nil, true
	})
	var batch schema.Batch
	decoder := NewDecoder(nil)
	for _, frame := range sampleFrames(t) {
		decoder.Decode(frame, 0, &batch)
	}
	if len(batch.Comments) < 3 {
		t.Fatal("too few comments for this test")
	}
	bad := batch.Comments[1]
	poison[bad.EventID] = true
	if err := loader.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want = slices.DeleteFunc(want, func(id uint64) bool { return id == bad.EventID })
	if diff := cmp.Diff(want, warehouse.events()); diff != "" {
		t.Error(diff)
	}
	var letters []deadLetter
	for _, l := range warehouse.letters {
		letters = append(letters, l...)
	}
	copies := 0
	for _, comment := range batch.Comments {
		if comment.EventID == bad.EventID {
			copies++
		}
	}
	if len(letters) != copies {
		t.Fatalf("%d dead letters, want %d", len(letters), copies)
	}
	letter := letters[0]
	if letter.table != "comments" || letter.code != 53 || !strings.Contains(letter.row, fmt.Sprint(bad.EventID)) {
		t.Errorf("%+v", letter)
	}
	var frame kuaishou.Frame
	if err := proto.Unmarshal(letter.frame, &frame); err != nil {
		t.Fatal(err)
	}
	var again schema.Batch
	decoder.Decode(&frame, 0, &again)
	if !slices.ContainsFunc(again.Comments, func(c schema.Comment) bool { return c.EventID == bad.EventID }) {
		t.Error("the dead letter's frame does not hold the comment")
	}
}

// When every row of a table is refused, it is the table that is wrong: the rows
// wait, and none is quarantined.
func TestLoaderWaitsForTheTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := true
		loader, warehouse, want := newLoaderTest(t, func(_ int, _ string, rows schema.Rows) (error, bool) {
			if rows.Name == "comments" && wrong {
				return &clickhouse.Exception{Code: 53, Message: "another type"}, false
			}
			return nil, true
		})
		defer loader.spool.Close()
		time.AfterFunc(time.Minute, func() {
			warehouse.mu.Lock()
			defer warehouse.mu.Unlock()
			wrong = false
		})
		if err := loader.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, warehouse.events()); diff != "" {
			t.Error(diff)
		}
		if len(warehouse.letters) > 0 {
			t.Errorf("quarantined: %v", warehouse.letters)
		}
	})
}

// A segment that unfolds into too much for one batch is cut, each time alike:
// what was stored of it before a crash is not stored again.
func TestLoaderCutsLargeSegments(t *testing.T) {
	for name, test := range map[string]struct {
		kind    kuaishou.PayloadType
		payload []byte
		batches int
	}{
		"payloads": {4242, make([]byte, MaxPayload), 5},                               // 64 MiB hold 4 of 16 MiB
		"JSON":     {645, bytes.Repeat([]byte{0x0A, 0x02, 0x08, 0x02}, maxPart/4), 4}, // and 6 of 1 MiB that becomes 11
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cutAndDie(t, sealed(t, test.kind, test.payload, kuaishou.SocketMessage_GZIP), test.batches)
			})
		})
	}
}

// cutAndDie loads a segment of bombs with a loader that gives up before its last
// batch, and with another one.
func cutAndDie(t *testing.T, bomb []byte, batches int) {
	s, err := spool.Open(t.TempDir(), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const frames = 20
	for range frames {
		if err := newSpooledFrames(s).Append(frameOf(bomb)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Drain(); err != nil {
		t.Fatal(err)
	}
	dying := true
	warehouse := &brokenWarehouse{stored: make(map[string][]uint64), fail: func(call int, _ string, _ schema.Rows) (error, bool) {
		if call >= 3 && dying {
			return io.ErrUnexpectedEOF, true
		}
		return nil, true
	}}
	load := func(ctx context.Context) error {
		return NewLoader(s, warehouse, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)).Run(ctx)
	}
	impatient, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := load(impatient); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	if got := len(warehouse.stored); got != 3 {
		t.Fatalf("%d batches before the crash, want 3", got)
	}
	dying = false
	if err := load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(warehouse.events()); got != frames {
		t.Errorf("%d rows are stored, want %d", got, frames)
	}
	if got := len(warehouse.stored); got != batches {
		t.Errorf("%d batches, want %d", got, batches)
	}
}

func TestClassOf(t *testing.T) {
	for _, c := range []struct {
		err   error
		class insertErrorClass
		code  int32
	}{
		{io.ErrUnexpectedEOF, classRetry, 0},
		{fmt.Errorf("inserting: %w", &clickhouse.Exception{Code: 241}), classRetry, 241},
		{&clickhouse.Exception{Code: 252}, classRetry, 252},
		{&clickhouse.Exception{Code: 424242}, classRetry, 424242},
		{&clickhouse.Exception{Code: 60}, classOperator, 60},
		{fmt.Errorf("inserting: %w", &clickhouse.Exception{Code: 516}), classOperator, 516},
		{&clickhouse.Exception{Code: 53}, classRows, 53},
		{fmt.Errorf("%w comments: %w", errFilling, errors.New("clickhouse: unknown element")), classOperator, 0},
	} {
		if class, code := classOf(c.err); class != c.class || code != c.code {
			t.Errorf("%v: got %s %d, want %s %d", c.err, class, code, c.class, c.code)
		}
	}
}
