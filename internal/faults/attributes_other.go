//go:build !linux

package main

import "syscall"

// childAttributes put a child into a process group of its own, so that Ctrl-C
// reaches only the harness, which then stops its children in order.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
