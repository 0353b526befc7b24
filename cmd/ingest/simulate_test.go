package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"kslive/internal/simulator"
)

// A simulator in a process of its own says where it is and which rooms it has,
// and can be steered from outside.
func TestSimulate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "simulate", "--listen=127.0.0.1:0", "--rooms=200", "--seed=9", "--push-every=50ms", "--confirm")
	cmd.Env = append(os.Environ(), binaryEnv+"=1")
	cmd.SysProcAttr = dieWithParent()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Scan()
	address, _ := strings.CutPrefix(lines.Text(), "INGEST_KUAISHOU_URL=")
	for i := range 200 {
		if lines.Scan(); lines.Text() != simulator.LiveID(9, i) {
			t.Fatalf("room %d is %q", i, lines.Text())
		}
	}
	remote := simulator.Client{URL: address}
	if err := remote.End(ctx, ""); err != nil {
		t.Fatal(err)
	}
	stats, err := remote.Stats(ctx)
	if err != nil || stats.Rooms["offline"] != 200 {
		t.Errorf("after the end of all: %+v, %v", stats, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(stdout); err != nil || len(rest) > 0 {
		t.Errorf("it also printed %q, %v", rest, err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped with %v", err)
	}
}
