package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The example is what the defaults are: with every line of it in force nothing
// changes.
func TestExampleConfig(t *testing.T) {
	t.Chdir(t.TempDir())
	example := runCommandLine(t, "config", "example")
	set := regexp.MustCompile(`(?m)^#(\w+ = )`).ReplaceAllString(example, "$1")
	if err := os.WriteFile("ingest.toml", []byte(set), 0o600); err != nil {
		t.Fatal(err)
	}
	sources := regexp.MustCompile(`(?m) +# (default|file: ingest\.toml:\d+|environment: \w+)$`)
	bare := sources.ReplaceAllString(runCommandLine(t, "config", "print"), "")
	filled := runCommandLine(t, "config", "print", "--config", "ingest.toml")
	if got := sources.ReplaceAllString(filled, ""); got != bare {
		t.Errorf("with the example as config file the settings are\n%s\nand without it\n%s", got, bare)
	}
	if strings.Count(filled, "# file: ingest.toml:") < 30 {
		t.Errorf("few of the settings are from the file:\n%s", filled)
	}
}

// The pages are what `make generate` writes.
func TestConfigPages(t *testing.T) {
	for page, args := range map[string][]string{
		"../../docs/configuration.md": {"config", "reference"},
		"../../deploy/ingest.toml":    {"config", "example"},
	} {
		written, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if string(written) != runCommandLine(t, args...) {
			t.Errorf("%s is not as the command line is: run make generate", page)
		}
	}
}

func TestMasked(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"postgres://u:p%40ss@h:5432/d":        "postgres://u:****@h:5432/d",
		"postgres://u@h/d?sslmode=require":    "postgres://u@h/d?sslmode=require",
		"postgres:///d?host=/run&password=x":  mask,
		"postgres://h/d?sslpassword=x":        "postgres://h/d?sslpassword=****",
		"host=h password=secret":              mask,
		"http://u:secret@h:port/d":            mask,
		"clickhouse://u:p@a:9000,b:9000/d?x=": "clickhouse://u:****@a:9000,b:9000/d?x=",
	} {
		if got := masked(text, true); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := masked("data", false); got != "data" {
		t.Errorf("what is no secret is %q", got)
	}
}
