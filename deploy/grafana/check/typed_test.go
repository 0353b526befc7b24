package check

import (
	"fmt"
	"strings"
	"testing"
)

// What a person types into a box is looked for as it is, whatever it would mean in
// SQL, and is found once, with the newest that there is said of it.
func TestTypedText(t *testing.T) {
	s := playing(t)
	texts := []string{`it's`, `100%`, `back\`, `a_b`, `'); DROP TABLE comments --`, `$__interval_s`, `${live}`, `C:\火箭`, `3.5 折`, `"x" + y&z`, `\'`}
	insert := "INSERT INTO comments (live_id, live_stream_id, event_time, event_id, content, show_type, inserted_at) SETTINGS optimize_on_insert = 0, insert_deduplicate = 0 VALUES "
	var rows []string
	for i, text := range texts {
		row := func(text, inserted string) string {
			return fmt.Sprintf("('typed', 'stream', fromUnixTimestamp64Milli(%d), %d, '%s', 'normal', now64(3) - %s)", s.now.UnixMilli()-int64(i), i, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text), inserted)
		}
		rows = append(rows, row("said before "+texts[(i+1)%len(texts)], "20"), row("<"+text+">", "10"))
	}
	for range 2 {
		if err := s.db.do(t.Context(), insert+strings.Join(rows, ", ")); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range readDashboards(t) {
		for _, p := range d.drawn() {
			for _, query := range p.Targets {
				if !strings.Contains(query.RawSQL, "${search:") {
					continue
				}
				for _, text := range append(texts, "") {
					a, _ := s.ask(t, query, d.span(t, s.now), map[string][]string{"live": {"typed"}, "search": {text}})
					want := 1
					if text == "" {
						want = len(texts)
					}
					if len(a.Rows) != want {
						t.Errorf("%s: %q finds %d, want %d: %v", p.Title, text, len(a.Rows), want, a.Rows)
					}
					for _, row := range a.Rows {
						if said := fmt.Sprint(row[2]); !strings.HasPrefix(said, "<") || !strings.Contains(said, text) {
							t.Errorf("%s: %q finds %q", p.Title, text, said)
						}
					}
				}
			}
		}
	}
}
