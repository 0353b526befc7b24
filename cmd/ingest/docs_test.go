package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

const root = "../.."

// pages are the texts that people read, by their path below the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			found[name] = text(t, name)
		}
	}
	if len(found) < 10 {
		t.Fatalf("only %d pages were found", len(found))
	}
	return found
}

func text(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// all answers the first group of each match.
func all(pattern, in string) (found []string) {
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(in, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Links between pages, and to files, lead somewhere.
func TestDocsLinks(t *testing.T) {
	texts := pages(t)
	for name, page := range texts {
		for _, link := range all(`\]\(([^)\s]+)\)`, page) {
			if strings.Contains(link, "://") {
				continue
			}
			file, anchor, _ := strings.Cut(link, "#")
			target := name
			if file != "" {
				target = filepath.Join(filepath.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", name, link)
			}
			if anchor != "" && !slices.Contains(anchors(texts[target]), anchor) {
				t.Errorf("%s: there is no heading for the link %s", name, link)
			}
		}
	}
}

// anchors are those that headings have.
func anchors(page string) (found []string) {
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, heading := range all(`(?m)^#+ (.*)$`, page) {
		found = append(found, strings.ReplaceAll(strings.ToLower(dropped.ReplaceAllString(heading, "")), " ", "-"))
	}
	return found
}

// Commands and flags that pages name exist, and so do the targets of make.
func TestDocsCommands(t *testing.T) {
	parser, err := kong.New(&cli{}, kong.Name("ingest"), kong.NamedMapper("path", kong.MapperFunc(decodePath)))
	if err != nil {
		t.Fatal(err)
	}
	targets := all(`(?m)^([a-z-]+):.*##`, text(t, "Makefile"))
	for name, page := range pages(t) {
		if name == "CHANGELOG.md" {
			continue // it also tells what was
		}
		checked := 0
		for _, line := range all("(?m)(?:^|`|&& )(?:bin/|/)?(ingest [a-z][^`\n]*)", page) {
			checkCommand(t, name, parser.Model.Node, line)
			checked++
		}
		for _, target := range all("(?m)(?:^|`)make ([a-z-]+)", page) {
			if !slices.Contains(targets, target) {
				t.Errorf("%s: there is no make %s", name, target)
			}
		}
		if name == "README.md" && checked < 10 {
			t.Errorf("README.md: only %d commands were found", checked)
		}
	}
}

// checkCommand follows a command line down to where its arguments begin.
func checkCommand(t *testing.T, page string, node *kong.Node, line string) {
	t.Helper()
	words := strings.Fields(regexp.MustCompile(`\s[|>#;&].*`).ReplaceAllString(line, ""))[1:]
	for i, word := range words {
		if flag, _, _ := strings.Cut(word, "="); strings.HasPrefix(flag, "--") {
			if !hasFlag(node, strings.TrimPrefix(flag, "--")) {
				t.Errorf("%s: %s: there is no flag %s", page, line, flag)
			}
			continue
		}
		at := slices.IndexFunc(node.Children, func(child *kong.Node) bool { return child.Name == strings.Trim(word, ",.;:") })
		if at >= 0 {
			node = node.Children[at]
		} else if i == 0 {
			t.Errorf("%s: %s: there is no such command", page, line)
		}
	}
}

func hasFlag(node *kong.Node, name string) bool {
	for _, flags := range node.AllFlags(false) {
		for _, flag := range flags {
			if flag.Name == name || name == "help" || flag.Tag.Negatable != "" && "no-"+flag.Name == name {
				return true
			}
		}
	}
	return false
}

// What is exported, and what alerts, is explained.
func TestOperationsIsComplete(t *testing.T) {
	page := text(t, "docs/operations.md")
	sources, err := filepath.Glob(filepath.Join(root, "ingest/*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, source := range sources {
		if !strings.HasSuffix(source, "_test.go") {
			code.WriteString(text(t, strings.TrimPrefix(source, root+"/")))
		}
	}
	exported := all(`"(ingest_[a-z_]+)"`, code.String())
	if len(exported) < 20 {
		t.Fatalf("only %d metrics were found", len(exported))
	}
	_, table, _ := strings.Cut(page, "## Metrics")
	table, _, _ = strings.Cut(table, "\n## ")
	if diff := cmp.Diff(exported, all("`(ingest_[a-z_]+)`", table)); diff != "" {
		t.Errorf("metrics that are exported (-) and explained (+):\n%s", diff)
	}
	_, headings, _ := strings.Cut(page, "## Alerts")
	headings, _, _ = strings.Cut(headings, "\n## ")
	rules := all(`(?m)^ +title: (.*)$`, text(t, "deploy/grafana/provisioning/alerting/kslive.yml"))
	if diff := cmp.Diff(rules, all(`(?m)^### (.*)$`, headings)); diff != "" {
		t.Errorf("alerts that are provisioned (-) and explained (+):\n%s", diff)
	}
}

// docs/dependencies.md lists what go.mod requires.
func TestDependenciesAreExplained(t *testing.T) {
	module := exec.Command("go", "mod", "edit", "-json")
	module.Dir = root
	out, err := module.Output()
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &parsed); err != nil {
		t.Fatal(err)
	}
	var required []string
	for _, r := range parsed.Require {
		if !r.Indirect {
			required = append(required, r.Path)
		}
	}
	slices.Sort(required)
	page, _, _ := strings.Cut(text(t, "docs/dependencies.md"), "## The embedded engines")
	if diff := cmp.Diff(required, all("(?m)^\\| `([^`]+)` \\|", page)); diff != "" {
		t.Errorf("modules that go.mod requires (-) and docs/dependencies.md explains (+):\n%s", diff)
	}
}

// `make clean` removes what can be made again, and nothing of what `ingest run
// --embedded` has recorded.
func TestMakeCleanKeepsWhatWasRecorded(t *testing.T) {
	makefile, err := filepath.Abs(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	recorded := []string{"data/postgres/PG_VERSION", "data/clickhouse/store/x", "data/clickhouse.password", "data/spool/1.done.zst", "deploy/engines/node_modules/x", "cookie.txt"}
	made := []string{"bin/ingest", "dist/SHA256SUMS", "data/demo-123/spool/id"}
	for _, name := range append(recorded, made...) {
		path := filepath.Join(folder, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if said, err := exec.CommandContext(t.Context(), "make", "-C", folder, "-f", makefile, "clean").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for _, name := range recorded {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Errorf("make clean removed it: %v", err)
		}
	}
	for _, name := range made {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			t.Errorf("make clean left %s", name)
		}
	}
}
