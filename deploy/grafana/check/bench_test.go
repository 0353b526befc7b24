package check

import (
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"
)

var (
	benchURL  = flag.String("clickhouse", "", "ClickHouse to measure: http://user:password@host:8123/kslive")
	benchLive = flag.String("live", "", "the room to choose; default: the one with most comments")
	benchEnd  = flag.String("until", "", "where the time range of every dashboard ends, in RFC 3339; default: at that room's last comment")
	benchSpan = flag.Duration("span", 0, "how long the time range of every dashboard is; default: the dashboard's own")
)

// BenchmarkPanels measures each panel, and how long a variable's options take,
// on the database that -clickhouse names, and reports the median and the 95th
// percentile over -benchtime runs in ms. It is for large databases: without one
// it measures nothing.
func BenchmarkPanels(b *testing.B) {
	if *benchURL == "" {
		b.Skip("-clickhouse URL names the database to measure")
	}
	db, err := open(*benchURL)
	if err != nil {
		b.Fatal(err)
	}
	live, now := busiest(b, db)
	for _, d := range readDashboards(b) {
		r := d.span(b, now)
		if *benchSpan > 0 {
			r.from = r.to.Add(-*benchSpan)
		}
		values := map[string][]string{}
		for _, v := range d.Templating.List {
			values[v.Name] = []string{""}
			var query target
			if v.Type != "query" || json.Unmarshal(v.Query, &query) != nil {
				continue
			}
			rows := measure(b, db, d.Title+"/variable "+v.Name, query, r, values)
			values[v.Name] = nil
			for _, row := range rows {
				if values[v.Name] = append(values[v.Name], fmt.Sprint(row[0])); !v.All {
					break
				}
			}
			if v.Name == "live" {
				values[v.Name] = []string{live}
			}
		}
		for _, note := range d.Annotations.List {
			if note.Datasource.Type == clickHouse {
				measure(b, db, d.Title+"/annotation "+note.Name, note.Target, r, values)
			}
		}
		for _, p := range d.drawn() {
			for i, query := range p.Targets {
				if query.Datasource.Type == clickHouse {
					measure(b, db, fmt.Sprintf("%s/%s/%d", d.Title, p.Title, i), query, p.over(b, r), values)
				}
			}
		}
	}
}

// busiest is the room to look at, and until when.
func busiest(b *testing.B, db *database) (live string, until time.Time) {
	where := ""
	if *benchLive != "" {
		where = "WHERE live_id = '" + *benchLive + "' "
	}
	a, err := db.query(b.Context(), "SELECT live_id, formatDateTime(max(event_time) + INTERVAL 1 SECOND, '%Y-%m-%dT%TZ', 'UTC') FROM comments "+where+"GROUP BY live_id ORDER BY count() DESC LIMIT 1", nil)
	if err != nil {
		b.Fatal(err)
	}
	if len(a.Rows) == 0 {
		b.Fatal("there are no comments to look at")
	}
	end := fmt.Sprint(a.Rows[0][1])
	if *benchEnd != "" {
		end = *benchEnd
	}
	if until, err = time.Parse(time.RFC3339, end); err != nil {
		b.Fatal(err)
	}
	return fmt.Sprint(a.Rows[0][0]), until
}

// measure runs a query b.N times and answers its rows.
func measure(b *testing.B, db *database, name string, query target, r timeRange, values map[string][]string) (rows [][]any) {
	sql, err := expand(query.RawSQL, r, values)
	if err != nil {
		b.Fatal(err)
	}
	settings := profile(b)
	b.Run(name, func(b *testing.B) {
		var took []time.Duration
		for b.Loop() {
			started := time.Now()
			a, err := db.query(b.Context(), sql, settings)
			if err != nil {
				b.Fatal(err)
			}
			took, rows = append(took, time.Since(started)), a.Rows
		}
		slices.Sort(took)
		milliseconds := func(share float64) float64 {
			return float64(took[int(share*float64(len(took)-1)+0.5)].Microseconds()) / 1000
		}
		b.ReportMetric(milliseconds(0.5), "p50-ms")
		b.ReportMetric(milliseconds(0.95), "p95-ms")
		b.ReportMetric(float64(len(rows)), "rows")
		b.ReportMetric(0, "ns/op")
	})
	return rows
}
