package schema

import (
	"bytes"
	"reflect"
	"time"
)

// provenance are the columns that may differ between two hearings of one event.
var provenance = map[string]bool{"event_time_source": true, "received_at": true, "session_id": true, "frame_number": true}

// Make makes n empty rows of the table.
func (t Table) Make(n int) Rows {
	rows := reflect.New(reflect.TypeFor[Batch]().Field(t.field).Type).Elem()
	rows.Set(reflect.MakeSlice(rows.Type(), n, n))
	return Rows{t, rows}
}

// Select copies the rows with those indexes, in that order.
func (r Rows) Select(indexes []int) Rows {
	selected := r.Make(len(indexes))
	for to, from := range indexes {
		selected.rows.Index(to).Set(r.rows.Index(from))
	}
	return selected
}

// Pointers appends pointers to row i's values to pointers, in the order of
// Columns.
func (r Rows) Pointers(i int, pointers []any) []any {
	row := r.rows.Index(i)
	for _, column := range r.column {
		pointers = append(pointers, row.FieldByIndex(column).Addr().Interface())
	}
	return pointers
}

// Same says whether row i and row j of other, of the same table, hold the same
// in every column, as the table stores it: times to the millisecond, and for the
// zero time 1970.
func (r Rows) Same(i int, other Rows, j int) bool { return r.same(i, other, j, nil) }

// SameEvent is Same but for the columns that say where the row is from: who
// received it, when, and over which connection.
func (r Rows) SameEvent(i int, other Rows, j int) bool { return r.same(i, other, j, provenance) }

func (r Rows) same(i int, other Rows, j int, except map[string]bool) bool {
	a, b := r.rows.Index(i), other.rows.Index(j)
	for c, column := range r.column {
		if !except[r.Columns[c]] && !sameValue(a.FieldByIndex(column), b.FieldByIndex(column)) {
			return false
		}
	}
	return true
}

func sameValue(a, b reflect.Value) bool {
	switch a := a.Addr().Interface().(type) {
	case *time.Time:
		return storedMillis(*a) == storedMillis(*b.Addr().Interface().(*time.Time))
	case **time.Time:
		b := *b.Addr().Interface().(**time.Time)
		if *a == nil || b == nil {
			return *a == nil && b == nil
		}
		return storedMillis(**a) == storedMillis(*b)
	case *[]byte:
		return bytes.Equal(*a, *b.Addr().Interface().(*[]byte))
	}
	return a.Equal(b)
}

// storedMillis is what a DateTime64(3) holds of t.
func storedMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
