package main

import "syscall"

// processAttributes put a process into a group of its own, so that Ctrl-C reaches
// only the benchmark, which then ends it in order; and have the kernel kill it
// when the benchmark dies.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
