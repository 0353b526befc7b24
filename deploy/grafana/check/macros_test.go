package check

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// timeRange is what a dashboard shows, and interval how far its points are apart.
type timeRange struct {
	from, to time.Time
	interval time.Duration
}

var (
	macro  = regexp.MustCompile(`\$__(\w+)(?:\(([^()]*)\))?`)
	choice = regexp.MustCompile(`\$\{(\w+)(?::(\w+))?\}`)
)

// expand answers the SQL that reaches ClickHouse: Grafana puts in the values of
// variables, the plugin (4.20) expands the macros. The plugin's own code is no
// module that can be required; this is what its package macros does, for the
// macros that the dashboards use. Any other is an error.
func expand(sql string, r timeRange, values map[string][]string) (string, error) {
	sql, err := fill(sql, values)
	if err != nil {
		return "", err
	}
	from, to := fmt.Sprintf("fromUnixTimestamp64Milli(%d)", r.from.UnixMilli()), fmt.Sprintf("fromUnixTimestamp64Milli(%d)", r.to.UnixMilli())
	seconds := max(int(r.interval.Seconds()), 1)
	sql = macro.ReplaceAllStringFunc(sql, func(call string) string {
		parts := macro.FindStringSubmatch(call)
		name, column := parts[1], parts[2]
		switch {
		case name == "fromTime_ms":
			return from
		case name == "toTime_ms":
			return to
		case name == "interval_s":
			return fmt.Sprint(seconds)
		case column == "":
		case name == "timeFilter":
			return fmt.Sprintf("%s >= toDateTime(%d) AND %s <= toDateTime(%d)", column, r.from.Unix(), column, r.to.Unix())
		case name == "timeFilter_ms":
			return fmt.Sprintf("%s >= %s AND %s <= %s", column, from, column, to)
		case name == "timeInterval":
			return fmt.Sprintf("toStartOfInterval(toDateTime(%s), INTERVAL %d second)", column, seconds)
		}
		err = fmt.Errorf("the macro %s is not known here", call)
		return call
	})
	return sql, err
}

// fill puts in the values of variables as Grafana does.
func fill(sql string, values map[string][]string) (string, error) {
	var err error
	sql = choice.ReplaceAllStringFunc(sql, func(use string) string {
		parts := choice.FindStringSubmatch(use)
		chosen, ok := values[parts[1]]
		if !ok {
			err = fmt.Errorf("the variable %s is not defined", use)
			return use
		}
		quoted := make([]string, len(chosen))
		for i, value := range chosen {
			switch parts[2] {
			case "singlequote":
				quoted[i] = "'" + strings.ReplaceAll(value, "'", `\'`) + "'"
			case "sqlstring":
				quoted[i] = "'" + strings.ReplaceAll(value, "'", "''") + "'"
			case "percentencode":
				quoted[i] = strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
			default: // bare text would be SQL
				err = fmt.Errorf("the variable %s is neither singlequote nor sqlstring nor percentencode", use)
			}
		}
		return strings.Join(quoted, ",")
	})
	return sql, err
}

func TestExpand(t *testing.T) {
	r := timeRange{time.UnixMilli(1_700_000_000_123), time.UnixMilli(1_700_000_060_456), 90 * time.Second}
	values := map[string][]string{"live": {"a'b"}, "many": {"x", "y"}, "text": {`'\ $__interval_s%火`}}
	for sql, want := range map[string]string{
		"$__timeFilter(minute)":    "minute >= toDateTime(1700000000) AND minute <= toDateTime(1700000060)",
		"$__timeFilter_ms(c.time)": "c.time >= fromUnixTimestamp64Milli(1700000000123) AND c.time <= fromUnixTimestamp64Milli(1700000060456)",
		"$__timeInterval(minute)":  "toStartOfInterval(toDateTime(minute), INTERVAL 90 second)",
		"x / $__interval_s":        "x / 90",
		"$__fromTime_ms":           "fromUnixTimestamp64Milli(1700000000123)",
		"$__toTime_ms":             "fromUnixTimestamp64Milli(1700000060456)",
		"${live:singlequote}":      `'a\'b'`,
		"${live:sqlstring}":        `'a''b'`,
		"(${many:singlequote})":    "('x','y')",
		"${text:percentencode}":    "%27%5C%20%24__interval_s%25%E7%81%AB",
	} {
		if got, err := expand(sql, r, values); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", sql, got, err, want)
		}
	}
	for _, sql := range []string{"$__timeGroup(c, 5m)", "$__timeFilter", "${live}", "${none:singlequote}"} {
		if got, err := expand(sql, r, values); err == nil {
			t.Errorf("%s was taken as %s", sql, got)
		}
	}
}
