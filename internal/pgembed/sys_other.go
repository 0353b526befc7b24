//go:build !linux

package pgembed

import "syscall"

// passRights has no right to try: only Linux splits root's powers.
var passRights = [][]uintptr{nil}

// sysProcAttr describes a program run as a, in a process group of its own. There is no signal at the parent's death
// here: a server that outlives its parent has to be stopped by hand, and its postmaster.pid keeps a second one off.
func (a account) sysProcAttr(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: a.credential}
}

func (a account) prepareThread() error { return nil }

// postgresIn finds nothing, as there is no portable way to see another process's working directory.
func postgresIn(string) []int { return nil }

// worksElsewhere is never certain here.
func worksElsewhere(int, string) bool { return false }
