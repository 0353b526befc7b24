//go:build unix

package main

import (
	"os"
	"syscall"
)

// groupOfItsOwn puts a client into a process group, so that what it starts,
// such as `go run` does, is told to stop too.
func groupOfItsOwn() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func terminate(process *os.Process) error { return syscall.Kill(-process.Pid, syscall.SIGTERM) }

func kill(process *os.Process) error { return syscall.Kill(-process.Pid, syscall.SIGKILL) }
