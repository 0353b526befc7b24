package check

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

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
	DashboardUID string            `yaml:"dashboardUid"`
	PanelID      int               `yaml:"panelId"`
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
	shown := make(map[string]map[int]bool) // panels by dashboard
	for _, d := range readDashboards(t) {
		shown[d.UID] = make(map[int]bool)
		for _, p := range d.drawn() {
			shown[d.UID][p.ID] = true
		}
	}
	var file rules
	readYAML(t, "alerting/kslive.yml", &file)
	label := regexp.MustCompile(`\.Labels\.(\w+)`)
	for _, r := range file.Groups[0].Rules {
		if len(r.Data) != 2 || r.Condition != r.Data[1].RefID || r.Data[1].Model.Expression != r.Data[0].RefID || len(r.Data[1].Model.Conditions) != 1 {
			t.Errorf("%s: not a query and a threshold on it", r.UID)
			continue
		}
		if !shown[r.DashboardUID][r.PanelID] {
			t.Errorf("%s: no panel %d on a dashboard %q", r.UID, r.PanelID, r.DashboardUID)
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

// firing are the names, such as a worker's, for which a rule fires.
func (s *stage) firing(t *testing.T, r rule) string {
	t.Helper()
	query := target{Datasource: sourceOf(t, r.Data[0].DatasourceUID), RawSQL: r.Data[0].Model.RawSQL}
	a, _ := s.ask(t, query, timeRange{}, nil)
	var fires []string
	for _, row := range a.Rows {
		for i, c := range a.Columns {
			value, err := strconv.ParseFloat(fmt.Sprint(row[i]), 64)
			if c.kind() == number && err == nil && value > r.Data[1].Model.Conditions[0].Evaluator.Params[0] {
				fires = append(fires, fmt.Sprint(row...))
			}
		}
	}
	return strings.Join(fires, "\n")
}

// Each rule fires once there is a reason, and not before, and goes on while it lasts.
func TestAlertRulesFire(t *testing.T) {
	s := playing(t)
	var file rules
	readYAML(t, "alerting/kslive.yml", &file)
	clickHouse := func(sql string) error { return s.db.do(t.Context(), sql) }
	inPostgres := func(sql string) error {
		_, err := s.admin.Exec(t.Context(), sql)
		return err
	}
	undecoded := func(kind, ago string, n int) string {
		return fmt.Sprintf(`INSERT INTO undecoded (live_id, event_id, event_time, received_at, payload_type)
			SELECT 'zzz', number, now64(3), now64(3) - %s, %s FROM numbers(%d)`, ago, kind, n)
	}
	heard := func(room, worker string, connected, reported int) string {
		return fmt.Sprintf(`INSERT INTO coverage (live_id, worker, event_id, event_time, connected_at, received_at)
			SELECT '%s', '%s', rand64(), now64(3) - %d AS at, at, now64(3) - %d`, room, worker, connected, reported)
	}
	type reason struct {
		run             func(string) error
		sql, fires, not string // one of the two: for whom it fires then, or does not
	}
	reasons := map[string][]reason{
		"kslive-unheard": {{inPostgres, `INSERT INTO lives (live_id, start_at) VALUES ('zzz', now() + interval '1 hour');
			INSERT INTO broadcasts (live, live_stream_id, last_seen) SELECT id, 'zzz', now() - interval '4 minutes' FROM lives WHERE live_id = 'zzz';
			UPDATE live_state SET owner = 'gone', lease_until = now() - interval '1 minute' WHERE live = (SELECT id FROM lives WHERE live_id = 'zzz')`, "1", ""}},
		"kslive-spool": {
			{clickHouse, heard("zzz", "stuck", 700, 600), "stuck", ""},
			{clickHouse, heard("zzy", "for days", 300_000, 260_000), "for days", ""},
			{clickHouse, heard("zzx", "of two", 700, 500), "of two", ""},
			{clickHouse, heard("zzx", "the other of two", 600, 0), "of two", ""},
			{clickHouse, heard("zzw", "replaced", 700, 600), "replaced", ""},
			{clickHouse, heard("zzw", "its successor", 500, 0), "", "replaced"},
		},
		"kslive-dead-letters": {
			{clickHouse, `INSERT INTO dead_letters (table_name) VALUES ('comments')`, "comments", ""},
			{clickHouse, `INSERT INTO dead_letters (table_name, inserted_at) SELECT 'gifts', now64(3) - INTERVAL 20 HOUR`, "gifts", ""},
		},
		"kslive-unknown-payloads": {
			{clickHouse, undecoded("9999", "if(number = 0, 10 * 86400, 0)", 50), "9999", ""},
			{clickHouse, undecoded("9998", "120 * number", 3*720), "9998", ""},               // 30 an hour for three days
			{clickHouse, undecoded("9997", "86400 * intDiv(number, 100)", 1000), "", "9997"}, // a hundred in an hour of each day
		},
		"kslive-account-out": {{inPostgres, `INSERT INTO accounts (worker, account, exit, state, since, logged_in, calls, refusals, rooms, rate, exit_rate, exit_calls_minute, exit_waiting)
			SELECT name, 'second', 'direct', 'captcha', now(), true, 0, 0, 0, 0, 0, 0, 0 FROM workers`, "second", ""}},
		"kslive-worker": {
			{inPostgres, `INSERT INTO workers (name, instance, capacity, lease_until) VALUES ('killed', 'a', 5, now() - interval '10 minutes')`, "killed", ""},
			{inPostgres, `INSERT INTO workers (name, instance, capacity, lease_until) VALUES ('full', 'b', 0, now() + interval '1 hour')`, "full", ""},
		},
	}
	for _, r := range file.Groups[0].Rules {
		if fires := s.firing(t, r); fires != "" {
			t.Errorf("%s fires without a reason: %s", r.UID, fires)
		}
		for _, reason := range reasons[r.UID] {
			if err := reason.run(reason.sql); err != nil {
				t.Fatalf("%s: %v", r.UID, err)
			}
			switch fires := s.firing(t, r); {
			case !strings.Contains(fires, reason.fires):
				t.Errorf("%s does not fire for %s: %q", r.UID, reason.fires, fires)
			case reason.not != "" && strings.Contains(fires, reason.not):
				t.Errorf("%s fires for %s: %q", r.UID, reason.not, fires)
			}
		}
	}
	if len(reasons) != len(file.Groups[0].Rules) {
		t.Errorf("there are %d rules, and reasons for %d", len(file.Groups[0].Rules), len(reasons))
	}
}
