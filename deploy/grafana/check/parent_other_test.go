//go:build !linux

package check

import "syscall"

// dieWithParent does nothing here: only Linux can kill a child with its parent.
func dieWithParent() *syscall.SysProcAttr { return nil }
