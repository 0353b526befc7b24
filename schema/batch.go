package schema

import (
	"iter"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Batch holds rows by table, each in the order they were decoded. The tag is
// the table's name.
type Batch struct {
	Comments      []Comment      `table:"comments"`
	ComboComments []ComboComment `table:"combo_comments"`
	Gifts         []Gift         `table:"gifts"`
	Likes         []Like         `table:"likes"`
	Shares        []Share        `table:"shares"`
	Notices       []Notice       `table:"notices"`
	RoomStats     []RoomStat     `table:"room_stats"`
	Viewers       []Viewer       `table:"viewers"`
	Entries       []Entry        `table:"entries"`
	Rankings      []Ranking      `table:"rankings"`
	FanJoins      []FanJoin      `table:"fan_joins"`
	RedPacks      []RedPack      `table:"red_packs"`
	RoomEvents    []RoomEvent    `table:"room_events"`
	Undecoded     []Undecoded    `table:"undecoded"`
	Coverage      []Coverage     `table:"coverage"`
}

// Tables are the tables of a Batch, in its order.
var Tables = describe(reflect.TypeFor[Batch]())

// Table is the shape of one table.
type Table struct {
	Name string
	// Columns are all that a row sets; a table may have more with defaults.
	Columns []string

	field  int     // of Batch
	column [][]int // the columns' fields in a row
	places []place // the same
}

// place is where a column's value stands in a row.
type place struct {
	offset uintptr
	holds  reflect.Type
	native native
}

// Rows are the rows of one table of a batch, or a part of them. They stay the
// batch's: they are valid until it is reset.
type Rows struct {
	Table
	rows reflect.Value
}

// All yields the rows of each table that has any.
func (b *Batch) All() iter.Seq[Rows] {
	return func(yield func(Rows) bool) {
		batch := reflect.ValueOf(b).Elem()
		for _, table := range Tables {
			rows := Rows{table, batch.Field(table.field)}
			if rows.Len() > 0 && !yield(rows) {
				return
			}
		}
	}
}

// Of is the rows of a table, which may be none.
func (b *Batch) Of(t Table) Rows { return Rows{t, reflect.ValueOf(b).Elem().Field(t.field)} }

// Len is the number of rows in all tables.
func (b *Batch) Len() int {
	n := 0
	for rows := range b.All() {
		n += rows.Len()
	}
	return n
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	batch := reflect.ValueOf(b).Elem()
	for _, table := range Tables {
		rows := batch.Field(table.field)
		rows.Clear()
		rows.SetLen(0)
	}
}

// Len is the number of rows.
func (r Rows) Len() int { return r.rows.Len() }

// Slice is the part [from, to) of the rows.
func (r Rows) Slice(from, to int) Rows { return Rows{r.Table, r.rows.Slice(from, to)} }

// Row is a pointer to row i.
func (r Rows) Row(i int) any { return r.rows.Index(i).Addr().Interface() }

// Event is what row i has in common with all others; Event is embedded first in
// each.
func (r Rows) Event(i int) *Event { return r.rows.Index(i).Field(0).Addr().Interface().(*Event) }

// Values appends row i's values to values, in the order of Columns.
func (r Rows) Values(i int, values []any) []any {
	row := r.rows.Index(i)
	for _, column := range r.column {
		values = append(values, row.FieldByIndex(column).Interface())
	}
	return values
}

// Scratch is where columns are put, and used again for the next. The zero value is
// ready. Not for concurrent use.
type Scratch struct {
	strings []string
	uint64s []uint64
	uint32s []uint32
	bools   []bool
	times   []time.Time
}

// Column is column i of all rows: a slice of the field's type, such as []string,
// which is valid until the next Column with this scratch.
func (r Rows) Column(i int, scratch *Scratch) any {
	p := r.places[i]
	switch p.holds {
	case reflect.TypeFor[string]():
		return valuesAt(r, p, &scratch.strings)
	case reflect.TypeFor[uint64]():
		return valuesAt(r, p, &scratch.uint64s)
	case reflect.TypeFor[uint32]():
		return valuesAt(r, p, &scratch.uint32s)
	case reflect.TypeFor[bool]():
		return valuesAt(r, p, &scratch.bools)
	case reflect.TypeFor[time.Time]():
		return valuesAt(r, p, &scratch.times)
	}
	return r.reflected(i)
}

func (r Rows) reflected(i int) any {
	values := reflect.MakeSlice(reflect.SliceOf(r.places[i].holds), 0, r.Len())
	for row := range r.Len() {
		values = reflect.Append(values, r.rows.Index(row).FieldByIndex(r.column[i]))
	}
	return values.Interface()
}

// valuesAt copies a column into scratch.
func valuesAt[T any](r Rows, p place, scratch *[]T) []T {
	from := r.at(p)
	*scratch = slices.Grow((*scratch)[:0], from.rows)[:from.rows]
	for row := range *scratch {
		(*scratch)[row] = value[T](from, row)
	}
	return *scratch
}

func describe(batch reflect.Type) []Table {
	var tables []Table
	for i := range batch.NumField() {
		table := Table{Name: batch.Field(i).Tag.Get("table"), field: i}
		for _, field := range reflect.VisibleFields(batch.Field(i).Type.Elem()) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if field.Anonymous || name == "-" {
				continue
			}
			table.Columns = append(table.Columns, name)
			table.column = append(table.column, slices.Clone(field.Index))
			table.places = append(table.places, place{offsetOf(batch.Field(i).Type.Elem(), field.Index), field.Type, natives[field.Type]})
		}
		tables = append(tables, table)
	}
	return tables
}

// offsetOf is where a field of a row stands; Offset of a field in an embedded struct
// counts from the beginning of that.
func offsetOf(row reflect.Type, index []int) (offset uintptr) {
	for _, i := range index {
		field := row.Field(i)
		offset += field.Offset
		row = field.Type
	}
	return offset
}
