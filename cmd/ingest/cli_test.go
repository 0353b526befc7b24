package main

import (
	"bytes"
	"go/build"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"kslive/internal/simulator"
)

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
	}{
		{"version", exitOK},
		{"--version", exitOK},
		{"--help", exitOK},
		{"run --help", exitOK},
		{"", exitUsage},
		{"frobnicate", exitUsage},
		{"run --no-such-flag", exitUsage},
		{"lives add ???", exitUsage},
		{"lives add --replicas=4 3xabcdefgh23456", exitUsage},
		{"run --max-rooms=0", exitUsage},
		{"run --poll-every=0s", exitUsage},
		{"run --lease=1ms", exitUsage},
		{"run --insert-timeout=1ms", exitUsage},
		{"run --accounts=a.toml --cookie-file=b.txt", exitUsage},
		{"accounts --check", exitUsage},
		{"accounts --check --accounts=/nonexistent.toml", exitFailed},
		{"run --spool-max=1", exitUsage},
		{"run --data-dir /nonexistent", exitFailed},
		{"decode /nonexistent.hex", exitFailed},
	} {
		var stderr bytes.Buffer
		if got := run(t.Context(), strings.Fields(c.args), strings.NewReader(""), io.Discard, &stderr); got != c.code {
			t.Errorf("ingest %s: exit code %d, want %d; it said %s", c.args, got, c.code, &stderr)
		}
	}
}

// What is typed wrongly is said in a person's words.
func TestWrongValuesInPlainWords(t *testing.T) {
	for args, want := range map[string]string{
		"run --postgres":                  "ingest: --postgres: a value is missing behind it\n",
		"run --lease 30":                  `--lease: "30" is no duration: write it like 90s, 5m or 2h`,
		"demo --for abc":                  `--for: "abc" is no duration: write it like`,
		"run --max-rooms many":            `--max-rooms: "many" is no number`,
		"simulate --rate fast":            `--rate: "fast" is no number`,
		"simulate --rooms -1":             `--rooms: "-1" looks like a flag: write --rooms="-1"`,
		"run --log-level loud":            `--log-level: "loud" is none of debug, info, warn and error`,
		"":                                "Usage: ingest",
		"ready --http-listen=127.0.0.1:1": "is it running, and with this --http-listen?",
	} {
		var said bytes.Buffer
		if run(t.Context(), strings.Fields(args), strings.NewReader(""), io.Discard, &said); !strings.Contains(said.String(), want) {
			t.Errorf("ingest %s said %s", args, &said)
		}
	}
}

// Rooms are read from standard input, as redis-cli and people write them.
func TestParseLives(t *testing.T) {
	p := &process{stdin: strings.NewReader("3xabcdefgh23456\n\n  https://live.kuaishou.com/u/KPL704668133 # mine\r\n3xabcdefgh23456\n")}
	got, err := parseLives(p, []string{"xinghe666", "-"})
	if want := []string{"xinghe666", "3xabcdefgh23456", "KPL704668133"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := parseLives(&process{stdin: strings.NewReader("")}, []string{"-"}); err == nil {
		t.Error("nothing was taken for rooms")
	}
}

// A terminal obeys some characters, and names are written by strangers.
func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb\u009b1m\n主播"); got != "a[2Jb1m主播" {
		t.Errorf("%q", got)
	}
}

func TestHistogram(t *testing.T) {
	h := histogram{1: 50, 2: 90, 4: 100}
	for q, want := range map[float64]float64{0.5: 1, 0.7: 1.5, 0.9: 2, 0.95: 3, 1: 4} {
		if got := h.quantile(q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := h.minus(h).quantile(0.99); got != 0 {
		t.Errorf("of nothing: %v", got)
	}
	if got := (histogram{}).plus(h); !maps.Equal(got, h) {
		t.Errorf("nothing plus h is %v", got)
	}
}

// One room to the terminal, without databases, until it ends.
func TestWatch(t *testing.T) {
	s, err := simulator.Start(t.Context(), simulator.Options{Listen: "127.0.0.1:0", Seed: 5, Rate: 50})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id := simulator.LiveID(5, 0)
	if err := s.AddRoom(id, simulator.RoomOptions{Live: true}); err != nil {
		t.Fatal(err)
	}
	watch := exec.Command(os.Args[0], "watch", "--json", "--kuaishou-url", s.URL(), id)
	watch.Env = append(os.Environ(), binaryEnv+"=1")
	var stdout, stderr bytes.Buffer
	watch.Stdout, watch.Stderr = &stdout, &stderr
	watch.SysProcAttr = dieWithParent()
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "some rows are sent", func() bool { return s.Stats().Sent["comments"] > 20 })
	if err := s.EndLive(id); err != nil {
		t.Fatal(err)
	}
	if err := watch.Wait(); err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	if got, want := strings.Count(stdout.String(), `{"table":"comments"`), int(s.Stats().Sent["comments"]); got != want {
		t.Errorf("%d comments were printed, %d sent", got, want)
	}
	if !strings.Contains(stderr.String(), "\nlive:") {
		t.Errorf("states: %s", &stderr)
	}
}

// Imports go one way, and pgx, gorilla/websocket and clickhouse-go have one home
// each. Tests may import what they need.
func TestImports(t *testing.T) {
	const ours = "kslive/"
	allowed := map[string][]string{
		"schema":             {},
		"proto":              {},
		"migrations":         {"pgx", "clickhouse-go", "internal/dsn"},
		"ingest/gunzip":      {},
		"ingest/spool":       {},
		"ingest/sockets":     {},
		"ingest":             {"ingest/gunzip", "ingest/spool", "ingest/sockets", "schema", "proto", "pgx", "clickhouse-go", "websocket", "internal/dsn"},
		"internal/chdb":      {},
		"internal/console":   {"ingest", "schema"},
		"internal/corpus":    {"proto"},
		"internal/dsn":       {"clickhouse-go"},
		"internal/pgembed":   {"pgx"}, // to wait for its server and make the database
		"internal/simulator": {"schema", "proto", "websocket"},
		"internal/faults":    {"ingest", "ingest/spool", "schema", "proto", "pgx", "internal/simulator", "internal/dsn", "internal/process"}, // never shipped
		"cmd/ingest":         {"ingest", "ingest/spool", "schema", "proto", "migrations", "internal/chdb", "internal/pgembed", "internal/simulator", "internal/console", "internal/corpus", "internal/dsn"},

		"internal/conformance": {"proto", "websocket", "internal/simulator"}, // never shipped
	}
	drivers := map[string]string{
		"github.com/jackc/pgx/": "pgx", "github.com/ClickHouse/clickhouse-go/": "clickhouse-go", "github.com/gorilla/websocket": "websocket",
	}
	for folder, imports := range allowed {
		p, err := build.Default.ImportDir("../../"+folder, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range p.Imports {
			name, inside := strings.CutPrefix(path, ours)
			for prefix, driver := range drivers {
				if strings.HasPrefix(path, prefix) {
					name, inside = driver, true
				}
			}
			if inside && !slices.Contains(imports, name) {
				t.Errorf("%s must not import %s", folder, path)
			}
		}
	}
}
