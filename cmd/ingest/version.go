package main

import (
	"fmt"
	"runtime"

	"kslive/ingest"
)

type versionCommand struct{}

// Run prints one line.
func (versionCommand) Run(p *process) error {
	fmt.Fprintf(p.stdout, "ingest %s %s/%s %s\n", ingest.Version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return nil
}
