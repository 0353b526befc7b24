package simulator

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"kslive/schema"
)

// Ledger is the multiset of rows that what was written to sockets must become:
// for each table the hash of every row's key, with how often it was sent and,
// with Options.Confirm, how often the client confirmed to have read it. It is
// safe for concurrent use.
type Ledger struct {
	since  time.Time
	tables []tableLedger // in the order of keys

	mu     sync.Mutex
	played []string // live IDs of the rooms that it knows nothing of
}

type tableLedger struct {
	mu   sync.Mutex
	sent map[uint64]tally
	rows uint64 // the sum of sent over sent
}

// tally is how often a row was sent, and how often of that it was certainly read.
type tally struct{ sent, confirmed uint32 }

func newLedger(since time.Time) *Ledger {
	l := &Ledger{since: since.Truncate(time.Millisecond), tables: make([]tableLedger, len(keys))}
	for i := range l.tables {
		l.tables[i].sent = make(map[uint64]tally)
	}
	return l
}

// entry is one row that a frame becomes.
type entry struct {
	table int // index in keys
	hash  uint64
	// told, when not nil, is set once the row is in the ledger: a comment comes
	// over the socket and by recall, and is one comment all the same.
	told *atomic.Bool
}

// tableOf finds a table by the type of its rows.
var tableOf = func() map[reflect.Type]int {
	tables := make(map[reflect.Type]int, len(keys))
	batch := reflect.TypeFor[schema.Batch]()
	for i, key := range keys {
		for field := range batch.NumField() {
			if batch.Field(field).Tag.Get("table") == key.table {
				tables[batch.Field(field).Type.Elem()] = i
			}
		}
	}
	return tables
}()

// entryOf is the entry of a row, given as a pointer to a struct of package schema.
func entryOf(row any) entry {
	if comment, ok := row.(*schema.Comment); ok {
		row = pushed(*comment)
	}
	value := reflect.ValueOf(row).Elem()
	table := tableOf[value.Type()]
	return entry{table: table, hash: keys[table].hash(value)}
}

// pushed is a comment as the socket brings it, also when it was recalled.
func pushed(comment schema.Comment) *schema.Comment {
	switch {
	case comment.Source != "recall":
	case comment.Segments == "":
		comment.Source, comment.FeedID = "feed", ""
	default:
		comment.Source = "rich_text"
	}
	return &comment
}

func (l *Ledger) add(entries []entry) {
	for _, e := range entries {
		if e.told == nil || !e.told.Swap(true) {
			l.tables[e.table].add(e.hash, tally{sent: 1})
		}
	}
}

// confirm notes that somebody has read what became these entries.
func (l *Ledger) confirm(entries []entry) {
	for _, e := range entries {
		l.tables[e.table].add(e.hash, tally{confirmed: 1})
	}
}

func (t *tableLedger) add(hash uint64, more tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.sent[hash]
	t.sent[hash] = tally{now.sent + more.sent, now.confirmed + more.confirmed}
	t.rows += uint64(more.sent)
}

// snapshot is a copy of the table's multiset.
func (t *tableLedger) snapshot() map[uint64]tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.sent)
}

// Counts are the rows sent so far, by table. Tables without any are in it too.
func (l *Ledger) Counts() map[string]uint64 {
	counts := make(map[string]uint64, len(keys))
	for i := range l.tables {
		t := &l.tables[i]
		t.mu.Lock()
		counts[keys[i].table] = t.rows
		t.mu.Unlock()
	}
	return counts
}

// Query runs a SQL query that answers rows (hash UInt64, count UInt64), each
// hash once, and returns them.
type Query func(ctx context.Context, sql string) (map[uint64]uint64, error)

// Kind is how the rows of one table that were sent compare with those stored.
type Kind struct {
	Sent   int `json:"sent"`
	Stored int `json:"stored"`
	// Missing were sent and are not stored. A row that was altered on the way is
	// missing, and its altered form is extra.
	Missing int `json:"missing"`
	// Confirmed of those sent were certainly read by a client, and Lost of those
	// are missing; 0 without Options.Confirm. A missing row that is not lost may
	// have been in a socket when the client died.
	Confirmed int `json:"confirmed,omitempty"`
	Lost      int `json:"lost,omitempty"`
	// Doubled are stored more often than they were sent.
	Doubled int `json:"doubled"`
	// Extra are stored and were never sent.
	Extra int `json:"extra"`
}

// Audit is how everything sent compares with what a database holds: the sums,
// and under Kinds the same by table.
type Audit struct {
	Kind
	Kinds map[string]Kind `json:"kinds"`
}

// Audit compares the ledger with a database through query. Only rows since the
// ledger was begun count, so that a database that lived longer can be audited;
// and none of rooms that were played, see PlayRoom.
// final asks for what readers see, each event once: without it a row that two
// workers inserted is doubled until the engine has merged them.
func (l *Ledger) Audit(ctx context.Context, query Query, final bool) (Audit, error) {
	audit := Audit{Kinds: make(map[string]Kind, len(keys))}
	for i := range keys {
		stored, err := query(ctx, keys[i].query(l.since, final, l.withoutPlayed()))
		if err != nil {
			return Audit{}, fmt.Errorf("auditing %s: %w", keys[i].table, err)
		}
		kind := compare(l.tables[i].snapshot(), stored)
		audit.Kinds[keys[i].table] = kind
		audit.Sent += kind.Sent
		audit.Stored += kind.Stored
		audit.Missing += kind.Missing
		audit.Confirmed += kind.Confirmed
		audit.Lost += kind.Lost
		audit.Doubled += kind.Doubled
		audit.Extra += kind.Extra
	}
	return audit, nil
}

func compare(sent map[uint64]tally, stored map[uint64]uint64) Kind {
	var kind Kind
	for hash, count := range sent {
		n := int(stored[hash])
		kind.Sent += int(count.sent)
		kind.Confirmed += int(count.confirmed)
		kind.Missing += max(0, int(count.sent)-n)
		kind.Lost += max(0, int(count.confirmed)-n)
		kind.Doubled += max(0, n-int(count.sent))
	}
	for hash, count := range stored {
		kind.Stored += int(count)
		if _, ok := sent[hash]; !ok {
			kind.Extra += int(count)
		}
	}
	return kind
}
