//go:build !noembed

package chdb

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

func selfExecutable() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the program's own file: %w", err)
	}
	return path, nil
}

// childAttributes give the child its own process group, so that Ctrl-C in a terminal reaches the parent alone, which stops
// it in its turn. That it dies with the parent is left to its stdin here.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// confine does nothing here: macOS has no Landlock.
func confine(childConfig, string) error { return errors.ErrUnsupported }
