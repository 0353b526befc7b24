package check

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	schema "github.com/grafana/grafana-foundation-sdk/go/dashboard"
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
	//lint:ignore SA1019 files are provisioned in this form; the newer one is for Grafana's own API
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
