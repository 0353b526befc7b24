package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker.
var version string

type versionCommand struct{}

// Run prints one line.
func (versionCommand) Run(p *process) error {
	name := version
	if build, ok := debug.ReadBuildInfo(); ok && name == "" {
		name = build.Main.Version
	}
	fmt.Fprintf(p.stdout, "ingest %s %s/%s %s\n", name, runtime.GOOS, runtime.GOARCH, runtime.Version())
	return nil
}
