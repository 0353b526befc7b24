package pgembed

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockDir takes the lock that keeps a second process off dir. Closing the file, or the death of the process, gives
// it back.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the embedded Postgres: %w", err)
	}
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		defer f.Close()
		holder, _ := io.ReadAll(io.LimitReader(f, 20)) // only a hint for the message
		return nil, fmt.Errorf("the embedded Postgres in %s is in use by another process (pid %s): "+
			"stop that one or choose another data directory", dir, strings.TrimSpace(string(holder)))
	case err != nil:
		return nil, errors.Join(fmt.Errorf("locking the embedded Postgres in %s: %w", dir, err), f.Close())
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("writing the lock of the embedded Postgres: %w", err), f.Close())
	}
	return f, nil
}
