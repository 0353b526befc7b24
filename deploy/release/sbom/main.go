// Command sbom prints what a Go binary was built from, as CycloneDX 1.6 in JSON: what the linker wrote into it, no more.
//
//	go run ./deploy/release/sbom VERSION BINARY
package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
)

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Purl    string `json:"purl,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type document struct {
	Format      string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Version     int    `json:"version"`
	Metadata    struct {
		Component  component  `json:"component"`
		Properties []property `json:"properties"`
	} `json:"metadata"`
	Components []component `json:"components"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom VERSION BINARY")
		os.Exit(2)
	}
	info, err := buildinfo.ReadFile(os.Args[2])
	if err == nil {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(describe(os.Args[1], info))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// describe lists the modules and the Go release that a binary is made of.
func describe(version string, info *debug.BuildInfo) document {
	d := document{Format: "CycloneDX", SpecVersion: "1.6", Version: 1}
	d.Metadata.Component = component{Type: "application", Name: "ingest", Version: version}
	for _, setting := range info.Settings {
		d.Metadata.Properties = append(d.Metadata.Properties, property{"go:build:" + setting.Key, setting.Value})
	}
	d.Components = []component{{Type: "library", Name: "std", Version: info.GoVersion, Purl: "pkg:golang/std@" + info.GoVersion}}
	for _, module := range info.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		d.Components = append(d.Components, component{
			Type: "library", Name: module.Path, Version: module.Version, Purl: "pkg:golang/" + module.Path + "@" + module.Version,
		})
	}
	slices.SortFunc(d.Components[1:], func(a, b component) int { return cmp.Compare(a.Name, b.Name) })
	return d
}
