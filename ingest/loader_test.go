package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
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
	if _, repeat := b.stored[token]; stored && !repeat {
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
	logger := slog.New(slog.DiscardHandler)
	s, err := spool.Open(t.TempDir(), spool.Options{Logger: logger})
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

// A segment that unfolds into too much for one batch is cut, each time alike.
func TestLoaderCutsLargeSegments(t *testing.T) {
	for name, test := range map[string]struct {
		kind    kuaishou.PayloadType
		payload []byte
		batches int
	}{
		"payloads": {4242, make([]byte, MaxPayload), 5},                               // 64 MiB hold 4 of 16 MiB
		"JSON":     {645, bytes.Repeat([]byte{0x0A, 0x02, 0x08, 0x02}, maxPart/4), 4}, // and 6 of 1 MiB that becomes 11
	} {
		s, err := spool.Open(t.TempDir(), spool.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		const frames = 20
		bomb := sealed(t, test.kind, test.payload, kuaishou.SocketMessage_GZIP)
		for range frames {
			if err := newSpooledFrames(s).Append(frameOf(bomb)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Drain(); err != nil {
			t.Fatal(err)
		}
		failing := true
		warehouse := &brokenWarehouse{stored: make(map[string][]uint64), fail: func(call int, _ string, _ schema.Rows) (error, bool) {
			if call == 3 && failing {
				failing = false
				return io.ErrUnexpectedEOF, true
			}
			return nil, true
		}}
		if err := NewLoader(s, warehouse, NewMetrics(prometheus.NewRegistry()), slog.New(slog.DiscardHandler)).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(warehouse.events()); got != frames {
			t.Errorf("%s: %d rows are stored, want %d", name, got, frames)
		}
		if got := len(warehouse.stored); got != test.batches {
			t.Errorf("%s: %d batches, want %d", name, got, test.batches)
		}
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
	} {
		if class, code := classOf(c.err); class != c.class || code != c.code {
			t.Errorf("%v: got %s %d, want %s %d", c.err, class, code, c.class, c.code)
		}
	}
}
