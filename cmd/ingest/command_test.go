package main

import (
	"slices"
	"testing"
)

func TestSplitCommand(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][]string{
		"":                          nil,
		"  resolve\t--quiet \n":     {"resolve", "--quiet"},
		`"/opt/my tools/r" --as ''`: {"/opt/my tools/r", "--as", ""},
		`a'b "c'"d 'e"`:             {`ab "cd 'e`},
		`C:\tools\resolve.exe`:      {`C:\tools\resolve.exe`},
	} {
		if got, err := splitCommand(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`"a b`, `a'`} {
		if got, err := splitCommand(line); err == nil {
			t.Errorf("%q: %q, and no error", line, got)
		}
	}
}
