package schema

import (
	"encoding/binary"
	"reflect"
	"time"
	"unsafe"
)

// native is how values of a type stand in a column of ClickHouse's format Native.
type native struct {
	name   string // of ClickHouse's type
	append func(buf []byte, from values) []byte
}

// natives are the types that fields of rows have.
var natives = map[reflect.Type]native{
	reflect.TypeFor[string](): {"String", appendTexts[string]},
	reflect.TypeFor[[]byte](): {"String", appendTexts[[]byte]},
	reflect.TypeFor[uint64](): {"UInt64", appendAll(binary.LittleEndian.AppendUint64)},
	reflect.TypeFor[uint32](): {"UInt32", appendAll(binary.LittleEndian.AppendUint32)},
	reflect.TypeFor[uint16](): {"UInt16", appendAll(binary.LittleEndian.AppendUint16)},
	reflect.TypeFor[int64]():  {"Int64", appendAll(func(buf []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(buf, uint64(v)) })},
	reflect.TypeFor[int32]():  {"Int32", appendAll(func(buf []byte, v int32) []byte { return binary.LittleEndian.AppendUint32(buf, uint32(v)) })},
	reflect.TypeFor[bool]():   {"Bool", appendAll(appendBool)},

	reflect.TypeFor[time.Time]():  {"DateTime64(3, 'UTC')", appendAll(appendMilli)},
	reflect.TypeFor[*time.Time](): {"Nullable(DateTime64(3, 'UTC'))", appendNullableMillis},
}

// AppendNative appends the rows to buf as one block of ClickHouse's format Native,
// as it is without a protocol's revision: the number of columns and that of rows,
// then of each column its name, its type and its values. The server converts them to
// the types that the table has; texts for LowCardinality(String) are sent as String,
// which costs the two together least.
func (r Rows) AppendNative(buf []byte) []byte {
	buf = binary.AppendUvarint(buf, uint64(len(r.Columns)))
	buf = binary.AppendUvarint(buf, uint64(r.Len()))
	for i, name := range r.Columns {
		place := r.places[i]
		buf = appendText(buf, name)
		buf = appendText(buf, place.native.name)
		buf = place.native.append(buf, r.at(place))
	}
	return buf
}

// values is where the values of a column stand, one in each row.
type values struct {
	first unsafe.Pointer
	size  uintptr // of a row
	rows  int
}

func (r Rows) at(p place) values {
	return values{unsafe.Add(r.rows.UnsafePointer(), p.offset), r.rows.Type().Elem().Size(), r.Len()}
}

// value reads by where it stands: a tenth of what reflection takes, and a row of
// comments has 28 columns (BenchmarkColumn).
func value[T any](v values, row int) T { return *(*T)(unsafe.Add(v.first, uintptr(row)*v.size)) }

func appendAll[T any](appendOne func([]byte, T) []byte) func([]byte, values) []byte {
	return func(buf []byte, from values) []byte {
		for row := range from.rows {
			buf = appendOne(buf, value[T](from, row))
		}
		return buf
	}
}

func appendTexts[T string | []byte](buf []byte, from values) []byte {
	for row := range from.rows {
		buf = appendText(buf, value[T](from, row))
	}
	return buf
}

func appendText[T string | []byte](buf []byte, text T) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(text))), text...)
}

func appendBool(buf []byte, v bool) []byte {
	if v {
		return append(buf, 1)
	}
	return append(buf, 0)
}

// appendMilli appends a time in milliseconds since 1970; the zero time is that.
func appendMilli(buf []byte, t time.Time) []byte {
	var ms int64
	if !t.IsZero() {
		ms = t.UnixMilli()
	}
	return binary.LittleEndian.AppendUint64(buf, uint64(ms))
}

// appendNullableMillis appends which are null, then all.
func appendNullableMillis(buf []byte, from values) []byte {
	for row := range from.rows {
		buf = appendBool(buf, value[*time.Time](from, row) == nil)
	}
	for row := range from.rows {
		var at time.Time
		if t := value[*time.Time](from, row); t != nil {
			at = *t
		}
		buf = appendMilli(buf, at)
	}
	return buf
}
