package schema

import (
	"iter"
	"reflect"
	"slices"
	"strings"
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
		}
		tables = append(tables, table)
	}
	return tables
}
