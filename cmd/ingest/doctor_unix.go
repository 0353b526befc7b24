//go:build linux || darwin

package main

import "golang.org/x/sys/unix"

// freeBytes are those that this user can still write on the disk of a folder.
func freeBytes(folder string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(folder, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * int64(stat.Bsize), nil
}

// openFiles is how many this process may have open; ok is false when that is not
// known. (Go has raised it as far as it may be.)
func openFiles() (limit int64, ok bool) {
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return 0, false
	}
	return int64(min(files.Cur, 1<<62)), true
}
