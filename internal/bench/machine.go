package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// measuredOn says when, on what and how something was measured.
func (b *bench) measuredOn(command string) string {
	with := runtime.Version()
	if b.engine != "" {
		with += ", ClickHouse " + b.engine
	}
	return fmt.Sprintf("Measured %s with `%s` on %d cores of %s, %s of memory; %s.",
		time.Now().UTC().Format(time.DateOnly), command, runtime.NumCPU(), processor(), memory(), with)
}

// inProc is what the first group of a pattern is in a file of /proc; a question
// mark where there is none, as on macOS.
func inProc(file, pattern string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "?"
	}
	found := regexp.MustCompile(pattern).FindSubmatch(text)
	if found == nil {
		return "?"
	}
	return strings.TrimSpace(string(found[1]))
}

func processor() string { return inProc("/proc/cpuinfo", `(?m)^model name\s*: (.*)$`) }

func memory() string {
	var kib float64
	if _, err := fmt.Sscan(inProc("/proc/meminfo", `(?m)^MemTotal:\s*(\d+) kB$`), &kib); err != nil {
		return "?"
	}
	return fmt.Sprintf("%.0f GiB", kib/(1<<20))
}
