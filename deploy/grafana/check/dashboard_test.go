package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The types of the datasources, as dashboards name them.
const (
	clickHouse = "grafana-clickhouse-datasource"
	postgres   = "grafana-postgresql-datasource"
	prometheus = "prometheus"
)

// dashboard holds what is checked of a dashboard's JSON.
type dashboard struct {
	file   string
	UID    string  `json:"uid"`
	Title  string  `json:"title"`
	Panels []panel `json:"panels"`
	Time   struct {
		From string `json:"from"`
	} `json:"time"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []annotation `json:"list"`
	} `json:"annotations"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Datasource  datasource `json:"datasource"`
	Interval    string     `json:"interval"`
	Targets     []target   `json:"targets"`
	Panels      []panel    `json:"panels"` // of a row that is collapsed
	FieldConfig struct {
		Overrides []struct {
			Matcher struct {
				ID      string `json:"id"`
				Options any    `json:"options"`
			} `json:"matcher"`
		} `json:"overrides"`
	} `json:"fieldConfig"`
	Options struct {
		XField string `json:"xField"`
	} `json:"options"`
}

type target struct {
	Datasource datasource `json:"datasource"`
	RawSQL     string     `json:"rawSql"`
	Expr       string     `json:"expr"`
	Format     any        `json:"format"` // ClickHouse: 0 time series, 1 table; Postgres: a word
	PanelID    int        `json:"panelId"`
}

type variable struct {
	Type       string          `json:"type"`
	Name       string          `json:"name"`
	Datasource datasource      `json:"datasource"`
	Query      json.RawMessage `json:"query"`
	All        bool            `json:"includeAll"`
}

type annotation struct {
	Name       string     `json:"name"`
	Datasource datasource `json:"datasource"`
	Target     target     `json:"target"`
}

// readDashboards reads all dashboards that are provisioned.
func readDashboards(tb testing.TB) []dashboard {
	tb.Helper()
	files, err := filepath.Glob("../dashboards/*.json")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no dashboards: %v", err)
	}
	var all []dashboard
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		d := dashboard{file: filepath.Base(file)}
		if err := json.Unmarshal(raw, &d); err != nil {
			tb.Fatalf("%s: %v", file, err)
		}
		all = append(all, d)
	}
	return all
}

// drawn are the panels that draw something, those of collapsed rows as well.
func (d dashboard) drawn() []panel {
	var all []panel
	for _, p := range d.Panels {
		if p.Type == "row" {
			all = append(all, p.Panels...)
		} else if p.Type != "text" {
			all = append(all, p)
		}
	}
	return all
}

// span is the dashboard's own time range, up to now.
func (d dashboard) span(tb testing.TB, now time.Time) timeRange {
	tb.Helper()
	back, ok := strings.CutPrefix(d.Time.From, "now-")
	if !ok {
		tb.Fatalf("%s: the time range begins at %q", d.file, d.Time.From)
	}
	return timeRange{from: now.Add(-duration(tb, back)), to: now}
}

// duration reads Grafana's durations: a number and one of s, m, h, d.
func duration(tb testing.TB, text string) time.Duration {
	tb.Helper()
	var n int
	var unit rune
	if _, err := fmt.Sscanf(text, "%d%c", &n, &unit); err != nil {
		tb.Fatalf("duration %q: %v", text, err)
	}
	units := map[rune]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	if units[unit] == 0 {
		tb.Fatalf("duration %q has no known unit", text)
	}
	return time.Duration(n) * units[unit]
}
