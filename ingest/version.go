package ingest

import (
	"cmp"
	"runtime/debug"
)

// version is set by the linker.
var version string

// Version names this build: as the linker was told, else by the module's version,
// which Go makes from the commit.
func Version() string {
	name := version
	if build, ok := debug.ReadBuildInfo(); ok {
		name = cmp.Or(name, build.Main.Version)
	}
	return cmp.Or(name, "unknown")
}
