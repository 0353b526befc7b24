package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// ingest is the client of this repository, built by TestMain.
var ingest string

func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == plantedClient {
		behave(os.Args[2], os.Args[3], os.Args[4])
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		panic(err)
	}
	ingest = filepath.Join(dir, "ingest")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", ingest, "../../cmd/ingest")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			os.Stderr.WriteString(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}
