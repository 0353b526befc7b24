//go:build !noembed

package chdb

import "syscall"

// selfExecutable stays valid when the file on disk is replaced by an upgrade.
func selfExecutable() (string, error) { return "/proc/self/exe", nil }

// childAttributes give the child its own process group, so that Ctrl-C in a terminal reaches the parent alone, which stops
// it in its turn; and let it die with the parent even when that is killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
