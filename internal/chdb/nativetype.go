//go:build (linux || darwin) && !noembed

package chdb

import (
	"fmt"
	"strconv"
	"strings"
)

// typeKind is how the values of a type are laid out in the Native format.
type typeKind int

const (
	kindFixed          typeKind = iota // size bytes a value
	kindString                         // length and bytes
	kindNullable                       // a byte a value, then the values
	kindArray                          // offsets, then the elements; a Map is an array of two columns
	kindTuple                          // one column after the other
	kindLowCardinality                 // a dictionary and indexes
)

type nativeType struct {
	kind  typeKind
	size  uint64
	inner []nativeType
}

// maxTypeDepth bounds nesting; the engine's own parser stops at 1000 levels, people at 5.
const maxTypeDepth = 100

var fixedSizes = map[string]uint64{
	"Bool": 1, "Int8": 1, "UInt8": 1, "Enum8": 1, "Nothing": 1,
	"Int16": 2, "UInt16": 2, "Enum16": 2, "Date": 2, "BFloat16": 2,
	"Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "DateTime32": 4, "IPv4": 4, "Decimal32": 4, "Time": 4,
	"Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Decimal64": 8, "Time64": 8,
	"Int128": 16, "UInt128": 16, "UUID": 16, "IPv6": 16, "Decimal128": 16,
	"Int256": 32, "UInt256": 32, "Decimal256": 32,
}

var geoTypes = map[string]string{
	"Point":           "Tuple(Float64, Float64)",
	"Ring":            "Array(Point)",
	"LineString":      "Array(Point)",
	"MultiLineString": "Array(LineString)",
	"Polygon":         "Array(Ring)",
	"MultiPolygon":    "Array(Polygon)",
}

// parseType reads a type as ClickHouse spells it. Types whose data has a layout of its own, such as Dynamic, Variant and
// AggregateFunction, are an error.
func parseType(name string) (nativeType, error) { return parseTypeAt(name, 0) }

func parseTypeAt(name string, depth int) (nativeType, error) {
	if depth > maxTypeDepth {
		return nativeType{}, fmt.Errorf("a type is nested more than %d levels deep", maxTypeDepth)
	}
	base, args, err := splitType(name)
	if err != nil {
		return nativeType{}, err
	}
	if size, ok := fixedSizes[base]; ok {
		return nativeType{kind: kindFixed, size: size}, nil
	}
	if alias, ok := geoTypes[base]; ok {
		return parseTypeAt(alias, depth+1)
	}
	if strings.HasPrefix(base, "Interval") {
		return nativeType{kind: kindFixed, size: 8}, nil
	}
	kinds := map[string]typeKind{
		"Nullable": kindNullable, "LowCardinality": kindLowCardinality,
		"Array": kindArray, "Map": kindArray, "Nested": kindArray, "Tuple": kindTuple,
	}
	wants := map[string]int{"Nullable": 1, "LowCardinality": 1, "Array": 1, "Map": 2}
	switch base {
	case "String":
		return nativeType{kind: kindString}, nil
	case "FixedString", "Decimal":
		return sizedType(base, args)
	case "SimpleAggregateFunction":
		if len(args) < 2 {
			return nativeType{}, fmt.Errorf("type %q is malformed", name)
		}
		return parseTypeAt(args[1], depth+1)
	}
	kind, ok := kinds[base]
	if want, fixed := wants[base]; !ok || fixed && len(args) != want {
		return nativeType{}, fmt.Errorf("type %s cannot be sent to a client of this protocol revision: convert it, or use another FORMAT", name)
	}
	t := nativeType{kind: kind}
	for _, arg := range args {
		if base == "Tuple" || base == "Nested" {
			arg = withoutElementName(arg)
		}
		inner, err := parseTypeAt(arg, depth+1)
		if err != nil {
			return nativeType{}, err
		}
		t.inner = append(t.inner, inner)
	}
	if kind == kindLowCardinality && t.inner[0].kind == kindNullable {
		t.inner = t.inner[0].inner // NULL is a key of the dictionary
	}
	return t, nil
}

// sizedType is a type whose first argument decides its size.
func sizedType(base string, args []string) (nativeType, error) {
	if len(args) == 0 {
		return nativeType{}, fmt.Errorf("type %s has no argument", base)
	}
	n, err := strconv.ParseUint(args[0], 10, 32)
	if err != nil {
		return nativeType{}, fmt.Errorf("type %s: %w", base, err)
	}
	if base == "Decimal" {
		switch {
		case n <= 9:
			n = 4
		case n <= 18:
			n = 8
		case n <= 38:
			n = 16
		default:
			n = 32
		}
	}
	return nativeType{kind: kindFixed, size: n}, nil
}

// splitType splits "Base(arg, arg)" at the commas outside of parentheses and quotes.
func splitType(name string) (base string, args []string, err error) {
	open := strings.IndexByte(name, '(')
	if open < 0 {
		return name, nil, nil
	}
	l := lexer{src: name, pos: open + 1}
	start := l.pos
	for depth := 1; ; {
		t := l.next()
		switch {
		case t.kind == tokenEnd, t.kind == tokenOpen:
			return "", nil, fmt.Errorf("type %q is malformed", name)
		case t.isSymbol('('):
			depth++
		case t.isSymbol(')'):
			depth--
		}
		if depth == 1 && t.isSymbol(',') || depth == 0 {
			if arg := strings.TrimSpace(name[start:t.start]); arg != "" {
				args = append(args, arg)
			}
			start = t.end
		}
		if depth == 0 {
			if t.end != len(name) {
				return "", nil, fmt.Errorf("type %q is malformed", name)
			}
			return name[:open], args, nil
		}
	}
}

// withoutElementName drops the name in "name Type", which is absent in an unnamed tuple.
func withoutElementName(arg string) string {
	l := lexer{src: arg}
	first, second := l.next(), l.next()
	if (first.kind == tokenWord || first.kind == tokenQuoted) && second.kind == tokenWord {
		return arg[second.start:]
	}
	return arg
}
