package check

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

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
