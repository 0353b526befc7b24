//go:build !unix

package main

import (
	"os"
	"syscall"
)

func groupOfItsOwn() *syscall.SysProcAttr { return nil }

func terminate(process *os.Process) error { return process.Signal(os.Interrupt) }

func kill(process *os.Process) error { return process.Kill() }
