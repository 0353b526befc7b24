package check

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

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
