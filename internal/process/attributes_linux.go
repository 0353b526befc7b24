package process

import "syscall"

// attributes put a process into a process group of its own, so that Ctrl-C
// reaches only the program that started it, which then stops it in order; and have the
// kernel kill it when that program dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
