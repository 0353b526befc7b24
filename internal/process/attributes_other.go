//go:build !linux

package process

import "syscall"

// attributes put a process into a process group of its own, so that Ctrl-C
// reaches only the program that started it, which then stops it in order.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
