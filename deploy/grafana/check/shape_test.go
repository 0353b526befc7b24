package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// kind is what a column is to Grafana.
type kind int

const (
	other kind = iota
	text
	number
	instant
)

var numeric = regexp.MustCompile(`^(U?Int|Float|Decimal|Bool)`)

// kind tells it from ClickHouse's type.
func (c column) kind() kind {
	bare := c.Type
	for _, wrapper := range []string{"LowCardinality(", "Nullable("} {
		bare = strings.TrimPrefix(bare, wrapper)
	}
	switch {
	case strings.HasPrefix(bare, "Date"):
		return instant
	case strings.HasPrefix(bare, "String"), strings.HasPrefix(bare, "Enum"):
		return text
	case numeric.MatchString(bare):
		return number
	}
	return other
}

func (a answer) has(k kind) bool {
	return slices.ContainsFunc(a.Columns, func(c column) bool { return c.kind() == k })
}

// series says what is wrong with an answer that is drawn over time. Grafana
// takes a text beside it for the name of the series, and refuses what is not in
// the order of time.
func (a answer) series() error {
	if len(a.Columns) < 2 || a.Columns[0].kind() != instant || strings.HasPrefix(a.Columns[0].Type, "Nullable") {
		return fmt.Errorf("the first column is no time: %v", a.Columns)
	}
	seen := make(map[string]bool)
	last := ""
	for _, row := range a.Rows {
		at := fmt.Sprint(row[0])
		if at < last {
			return fmt.Errorf("%s comes after %s", at, last)
		}
		last = at
		for i, c := range a.Columns[1:] {
			if c.kind() == text {
				at += fmt.Sprint("|", row[i+1])
			}
		}
		if seen[at] {
			return fmt.Errorf("two rows for %s", at)
		}
		seen[at] = true
	}
	return nil
}

// shape says what is wrong with an answer for a panel of a type.
func (a answer) shape(panelType, xField string) error {
	for _, c := range a.Columns {
		if c.kind() == other {
			return fmt.Errorf("Grafana cannot draw the column %s of type %s", c.Name, c.Type)
		}
	}
	switch panelType {
	case "timeseries":
		if !a.has(number) {
			return fmt.Errorf("no number in %v", a.Columns)
		}
		return a.series()
	case "state-timeline":
		return a.series()
	case "stat", "bargauge", "piechart", "barchart", "gauge":
		if !a.has(number) {
			return fmt.Errorf("no number in %v", a.Columns)
		}
	case "trend":
		if !slices.ContainsFunc(a.Columns, func(c column) bool { return c.Name == xField && c.kind() == number }) {
			return fmt.Errorf("no number %q in %v", xField, a.Columns)
		}
	case "table":
	default:
		return fmt.Errorf("what a panel of type %s draws is not known here", panelType)
	}
	return nil
}

func TestShape(t *testing.T) {
	at, name, n := column{"time", "DateTime"}, column{"name", "LowCardinality(String)"}, column{"n", "Nullable(UInt64)"}
	for _, test := range []struct {
		panel string
		a     answer
		right bool
	}{
		{"timeseries", answer{[]column{at, n}, [][]any{{"2026-01-01 00:00:00", 1}, {"2026-01-01 00:01:00", 2}}}, true},
		{"timeseries", answer{[]column{at, n}, [][]any{{"2026-01-01 00:01:00", 1}, {"2026-01-01 00:00:00", 2}}}, false},
		{"timeseries", answer{[]column{at, n}, [][]any{{"2026-01-01 00:00:00", 1}, {"2026-01-01 00:00:00", 2}}}, false},
		{"timeseries", answer{[]column{at, name, n}, [][]any{{"2026-01-01 00:00:00", "a", 1}, {"2026-01-01 00:00:00", "b", 2}}}, true},
		{"timeseries", answer{[]column{at, name}, [][]any{{"2026-01-01 00:00:00", "a"}}}, false},
		{"state-timeline", answer{[]column{at, name}, [][]any{{"2026-01-01 00:00:00", "a"}}}, true},
		{"stat", answer{[]column{name}, [][]any{{"a"}}}, false},
		{"stat", answer{[]column{n}, [][]any{{1}}}, true},
		{"trend", answer{[]column{name, n}, [][]any{{"a", 1}}}, false},
		{"table", answer{[]column{{"list", "Array(String)"}}, [][]any{{[]any{"a"}}}}, false},
	} {
		if err := test.a.shape(test.panel, "x"); (err == nil) != test.right {
			t.Errorf("%s of %v: %v", test.panel, test.a, err)
		}
	}
}
