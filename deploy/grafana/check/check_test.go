package check

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	schema "github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/jackc/pgx/v5"
)

// The dashboards are as Grafana publishes their schema, down to the options of
// each type of panel, and can be told apart and linked to.
func TestSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	uids := make(map[string]bool)
	for _, d := range readDashboards(t) {
		raw, err := os.ReadFile("../dashboards/" + d.file)
		if err != nil {
			t.Fatal(err)
		}
		if err := decodeStrictly(raw); err != nil {
			t.Errorf("%s: %v", d.file, err)
		}
		if bent := bytes.Replace(raw, []byte(`"drawStyle"`), []byte(`"drawingStyle"`), 1); d.Title == "Live" && decodeStrictly(bent) == nil {
			t.Error("a wrong option of a panel was taken")
		}
		if d.UID != "kslive-"+strings.TrimSuffix(d.file, ".json") || uids[d.UID] || !bytes.Contains(raw, []byte(`"id": null`)) {
			t.Errorf("%s: the uid %q is not its own, or the id is not null", d.file, d.UID)
		}
		uids[d.UID] = true
		ids := make(map[int]bool)
		for _, p := range d.Panels {
			for _, p := range append([]panel{p}, p.Panels...) {
				if ids[p.ID] || p.ID == 0 {
					t.Errorf("%s: panel %q has an id that is taken: %d", d.file, p.Title, p.ID)
				}
				ids[p.ID] = true
			}
		}
	}
}

// decodeStrictly refuses what the schema of Grafana does not have. (The decoder
// answers a nil list of errors as an error that is not nil.)
func decodeStrictly(raw []byte) error {
	var strict schema.Dashboard
	err := strict.UnmarshalJSONStrict(raw)
	var list cog.BuildErrors
	if errors.As(err, &list) && len(list) == 0 {
		return nil
	}
	return err
}

// Every panel shows something of what the simulated Kuaishou sent, in the
// dashboard's own time range, and in the form that it draws.
func TestPanels(t *testing.T) {
	s := playing(t)
	for _, d := range readDashboards(t) {
		r := d.span(t, s.now)
		values := s.choose(t, d, r)
		for _, p := range d.drawn() {
			t.Run(d.Title+"/"+p.Title, func(t *testing.T) {
				names := make(map[string]bool)
				for _, query := range p.Targets {
					if query.Datasource.Type == clickHouse && (query.Format == 0.0) != (p.Type == "timeseries") {
						t.Errorf("a %s has queries of format %v", p.Type, query.Format)
					}
					a, asked := s.ask(t, query, p.over(t, r), values)
					if !asked {
						continue
					}
					if len(a.Rows) == 0 {
						t.Errorf("shows nothing: %s", query.RawSQL)
					}
					if err := a.shape(p.Type, p.Options.XField); err != nil {
						t.Error(err)
					}
					for _, c := range a.Columns {
						names[c.Name] = true
					}
				}
				p.checkOverrides(t, names)
			})
		}
	}
}

// Every variable has something to choose; those of other dashboards in a link
// are of the same name.
func TestVariables(t *testing.T) {
	s := playing(t)
	for _, d := range readDashboards(t) {
		for name, chosen := range s.choose(t, d, d.span(t, s.now)) {
			if len(chosen) == 0 {
				t.Errorf("%s: the variable %s has nothing to choose", d.file, name)
			}
		}
	}
}

// Every annotation has its times and its text.
func TestAnnotations(t *testing.T) {
	s := playing(t)
	for _, d := range readDashboards(t) {
		r := d.span(t, s.now)
		values := s.choose(t, d, r)
		for _, note := range d.Annotations.List {
			if note.Datasource.Type == "grafana" {
				continue
			}
			note.Target.Datasource = note.Datasource
			a, _ := s.ask(t, note.Target, r, values)
			kinds := make(map[string]kind)
			for _, c := range a.Columns {
				kinds[c.Name] = c.kind()
			}
			if kinds["timeEnd"] == other {
				delete(kinds, "timeEnd") // it is a moment
			}
			want := map[string]kind{"time": instant, "text": text, "tags": text}
			if _, region := kinds["timeEnd"]; region {
				want["timeEnd"] = instant
			}
			if !maps.Equal(kinds, want) || len(a.Rows) == 0 {
				t.Errorf("%s: %s answers %d rows of %v", d.file, note.Name, len(a.Rows), a.Columns)
			}
		}
	}
}

// choose answers what is chosen when the dashboard is opened: the first option,
// or all of them.
func (s *stage) choose(t *testing.T, d dashboard, r timeRange) map[string][]string {
	t.Helper()
	values := make(map[string][]string)
	for _, v := range d.Templating.List {
		switch v.Type {
		case "textbox":
			values[v.Name] = []string{""}
		case "query":
			var query target
			if err := json.Unmarshal(v.Query, &query); err != nil {
				t.Fatalf("%s: the variable %s: %v", d.file, v.Name, err)
			}
			query.Datasource = v.Datasource
			a, _ := s.ask(t, query, r, values)
			if len(a.Columns) > 2 {
				t.Errorf("%s: the variable %s has the columns %v", d.file, v.Name, a.Columns)
			}
			for _, row := range a.Rows {
				if values[v.Name] = append(values[v.Name], fmt.Sprint(row[0])); !v.All {
					break
				}
			}
		default:
			t.Fatalf("%s: the variable %s is of type %s", d.file, v.Name, v.Type)
		}
	}
	return values
}

// over is the range with the interval that Grafana would choose.
func (p panel) over(tb testing.TB, r timeRange) timeRange {
	r.interval = max(r.to.Sub(r.from)/1000, time.Second)
	if p.Interval != "" {
		r.interval = max(r.interval, duration(tb, p.Interval))
	}
	return r
}

// checkOverrides finds overrides for columns that no query answers.
func (p panel) checkOverrides(t *testing.T, names map[string]bool) {
	for _, o := range p.FieldConfig.Overrides {
		if name, ok := o.Matcher.Options.(string); ok && o.Matcher.ID == "byName" && len(names) > 0 && !names[name] {
			t.Errorf("an override is for %q; the columns are %v", name, slices.Sorted(maps.Keys(names)))
		}
	}
}

// ask runs a query as Grafana does, and reports whether it is one that these
// engines answer: those of Prometheus and those that show another panel's are not.
func (s *stage) ask(t *testing.T, query target, r timeRange, values map[string][]string) (answer, bool) {
	t.Helper()
	switch query.Datasource.Type {
	case clickHouse:
		sql, err := expand(query.RawSQL, r, values)
		if err != nil {
			t.Fatalf("%v: %s", err, query.RawSQL)
		}
		a, err := s.db.query(t.Context(), sql, profile(t))
		if err != nil {
			t.Fatalf("%v: %s", err, sql)
		}
		return a, true
	case postgres:
		sql, err := fill(query.RawSQL, values)
		if err != nil {
			t.Fatalf("%v: %s", err, query.RawSQL)
		}
		a, err := s.askPostgres(t.Context(), sql)
		if err != nil {
			t.Fatalf("%v: %s", err, sql)
		}
		return a, true
	case prometheus, "datasource":
		return answer{}, false
	}
	t.Fatalf("no such datasource: %v", query.Datasource)
	return answer{}, false
}

// askPostgres names the types as ClickHouse would.
func (s *stage) askPostgres(ctx context.Context, sql string) (answer, error) {
	rows, err := s.postgres.Query(ctx, sql)
	if err != nil {
		return answer{}, err
	}
	defer rows.Close()
	var a answer
	types := map[string]string{"text": "String", "int2": "Int16", "int4": "Int32", "int8": "Int64", "float8": "Float64", "numeric": "Decimal", "bool": "Bool", "timestamptz": "DateTime64"}
	for _, field := range rows.FieldDescriptions() {
		name := fmt.Sprint("OID ", field.DataTypeOID)
		if known, ok := s.postgres.TypeMap().TypeForOID(field.DataTypeOID); ok {
			name = types[known.Name]
		}
		a.Columns = append(a.Columns, column{field.Name, name})
	}
	a.Rows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	return a, err
}

// profile is the settings of the ClickHouse user that Grafana has.
func profile(tb testing.TB) map[string]string {
	tb.Helper()
	raw, err := os.ReadFile("../../clickhouse/users.d/grafana.xml")
	if err != nil {
		tb.Fatal(err)
	}
	var users struct {
		Profile struct {
			Settings []struct {
				XMLName xml.Name
				Value   string `xml:",chardata"`
			} `xml:",any"`
		} `xml:"profiles>grafana"`
	}
	if err := xml.Unmarshal(raw, &users); err != nil {
		tb.Fatalf("users.d/grafana.xml: %v", err)
	}
	settings := make(map[string]string)
	for _, setting := range users.Profile.Settings {
		if name := setting.XMLName.Local; name != "constraints" {
			settings[name] = strings.TrimSpace(setting.Value)
		}
	}
	if settings["readonly"] != "1" {
		tb.Fatalf("the profile is not readonly: %v", settings)
	}
	return settings
}
