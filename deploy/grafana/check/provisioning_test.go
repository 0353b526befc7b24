package check

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// readYAML reads a file of the folder provisioning and refuses keys that into
// does not have.
func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.Open("../provisioning/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	decoder := yaml.NewDecoder(raw)
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// sources are the datasources that are provisioned, with the uid of each type.
type sources struct {
	APIVersion  int  `yaml:"apiVersion"`
	Prune       bool `yaml:"prune"`
	Datasources []struct {
		Name           string         `yaml:"name"`
		UID            string         `yaml:"uid"`
		Type           string         `yaml:"type"`
		Access         string         `yaml:"access"`
		URL            string         `yaml:"url"`
		User           string         `yaml:"user"`
		Editable       bool           `yaml:"editable"`
		IsDefault      bool           `yaml:"isDefault"`
		JSONData       map[string]any `yaml:"jsonData"`
		SecureJSONData map[string]any `yaml:"secureJsonData"`
	} `yaml:"datasources"`
}

// rules are the alert rules, as Grafana's file format has them.
type rules struct {
	APIVersion int `yaml:"apiVersion"`
	Groups     []struct {
		OrgID    int           `yaml:"orgId"`
		Name     string        `yaml:"name"`
		Folder   string        `yaml:"folder"`
		Interval time.Duration `yaml:"interval"`
		Rules    []rule        `yaml:"rules"`
	} `yaml:"groups"`
}

type rule struct {
	UID          string            `yaml:"uid"`
	Title        string            `yaml:"title"`
	Condition    string            `yaml:"condition"`
	For          time.Duration     `yaml:"for"`
	NoDataState  string            `yaml:"noDataState"`
	ExecErrState string            `yaml:"execErrState"`
	Labels       map[string]string `yaml:"labels"`
	Annotations  map[string]string `yaml:"annotations"`
	Data         []struct {
		RefID             string         `yaml:"refId"`
		DatasourceUID     string         `yaml:"datasourceUid"`
		RelativeTimeRange map[string]int `yaml:"relativeTimeRange"`
		Model             struct {
			RefID         string `yaml:"refId"`
			Type          string `yaml:"type"`
			Expression    string `yaml:"expression"`
			Format        any    `yaml:"format"`
			QueryType     string `yaml:"queryType"`
			EditorType    string `yaml:"editorType"`
			EditorMode    string `yaml:"editorMode"`
			PluginVersion string `yaml:"pluginVersion"`
			RawQuery      bool   `yaml:"rawQuery"`
			RawSQL        string `yaml:"rawSql"`
			Conditions    []struct {
				Evaluator struct {
					Type   string    `yaml:"type"`
					Params []float64 `yaml:"params"`
				} `yaml:"evaluator"`
			} `yaml:"conditions"`
		} `yaml:"model"`
	} `yaml:"data"`
}

// Every alert rule asks a datasource that is there for one number, of a name or
// none, and holds it against a threshold.
func TestAlertRules(t *testing.T) {
	s := playing(t)
	dashboards := make(map[string]bool)
	for _, d := range readDashboards(t) {
		dashboards[d.UID] = true
	}
	var file rules
	readYAML(t, "alerting/kslive.yml", &file)
	label := regexp.MustCompile(`\.Labels\.(\w+)`)
	for _, r := range file.Groups[0].Rules {
		if len(r.Data) != 2 || r.Condition != r.Data[1].RefID || r.Data[1].Model.Expression != r.Data[0].RefID || len(r.Data[1].Model.Conditions) != 1 {
			t.Errorf("%s: not a query and a threshold on it", r.UID)
			continue
		}
		if !dashboards[r.Annotations["__dashboardUid__"]] {
			t.Errorf("%s: no dashboard %q", r.UID, r.Annotations["__dashboardUid__"])
		}
		query := target{Datasource: sourceOf(t, r.Data[0].DatasourceUID), RawSQL: r.Data[0].Model.RawSQL}
		a, asked := s.ask(t, query, timeRange{}, nil)
		if !asked {
			t.Errorf("%s: nobody asks %q", r.UID, r.Data[0].DatasourceUID)
		}
		numbers, names := 0, make(map[string]bool)
		for _, c := range a.Columns {
			switch c.kind() {
			case number:
				numbers++
			case text:
				names[c.Name] = true
			default:
				t.Errorf("%s: the column %s is of type %s", r.UID, c.Name, c.Type)
			}
		}
		if numbers != 1 {
			t.Errorf("%s: %d numbers in %v", r.UID, numbers, a.Columns)
		}
		for _, use := range label.FindAllStringSubmatch(r.Annotations["summary"], -1) {
			if !names[use[1]] {
				t.Errorf("%s: the summary names %s, which is no column of %v", r.UID, use[1], a.Columns)
			}
		}
	}
	raw, err := os.ReadFile("../provisioning/alerting/kslive.yml")
	if err != nil || strings.Contains(string(raw), "$") {
		t.Errorf("Grafana would take a dollar sign for a variable of its environment: %v", err)
	}
}

// sourceOf is the datasource of a uid.
func sourceOf(t *testing.T, uid string) datasource {
	t.Helper()
	var file sources
	readYAML(t, "datasources/kslive.yml", &file)
	for _, source := range file.Datasources {
		if source.UID == uid {
			return datasource{Type: source.Type, UID: uid}
		}
	}
	t.Fatalf("no datasource %q is provisioned", uid)
	return datasource{}
}

// Links lead to dashboards that are there, and the system tables that are read
// are granted to the user that Grafana has.
func TestLinksAndGrants(t *testing.T) {
	granted, err := os.ReadFile("../../clickhouse/users.d/grafana.xml")
	if err != nil {
		t.Fatal(err)
	}
	link, system := regexp.MustCompile(`/d/([\w-]+)`), regexp.MustCompile(`\bsystem\.\w+`)
	known := make(map[string]bool)
	for _, d := range readDashboards(t) {
		known[d.UID] = true
	}
	for _, d := range readDashboards(t) {
		raw, err := os.ReadFile("../dashboards/" + d.file)
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range link.FindAllStringSubmatch(string(raw), -1) {
			if !known[use[1]] {
				t.Errorf("%s: a link to %s, which is not there", d.file, use[1])
			}
		}
		for _, table := range system.FindAllString(string(raw), -1) {
			if !strings.Contains(string(granted), "GRANT SELECT ON "+table+"<") {
				t.Errorf("%s: %s is not granted to the user grafana", d.file, table)
			}
		}
	}
}

// Panels name only datasources that are provisioned, and PromQL only metrics
// that a worker has.
func TestSources(t *testing.T) {
	response, err := http.Get(playing(t).metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	exposed, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	// A metric with labels is exposed once it has counted: those that this worker
	// has had no reason to count are looked for where they are declared.
	declared, err := os.ReadFile("../../../ingest/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	metric := regexp.MustCompile(`\bingest_\w+`)
	for _, d := range readDashboards(t) {
		for _, p := range d.drawn() {
			for _, query := range p.Targets {
				if query.Datasource.Type == "datasource" { // another panel of the dashboard
					continue
				}
				if got := sourceOf(t, query.Datasource.UID); got != query.Datasource {
					t.Errorf("%s: %s asks %v, which is %v", d.file, p.Title, query.Datasource, got)
				}
				for _, name := range metric.FindAllString(query.Expr, -1) {
					name = strings.TrimSuffix(name, "_bucket")
					if !strings.Contains(string(exposed), "# TYPE "+name+" ") && !strings.Contains(string(declared), `"`+name+`"`) {
						t.Errorf("%s: %s asks for %s, which no worker has", d.file, p.Title, name)
					}
				}
			}
		}
	}
}
