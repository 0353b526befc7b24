//go:build !noembed

package chdb

import (
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	readAccess = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	// fileAccess is what a rule for something that is no folder may name.
	fileAccess = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// confine takes from the calling thread, and from every process that it will start, what an engine has no need of: files
// outside of its folder, programs, and connections over TCP. SQL is refused all of that as well, but the engine has many
// ways to a file, and some ask for no right. It cannot be undone, so the thread must end with its goroutine. An error
// that is errors.ErrUnsupported says that the kernel has no Landlock (Linux 5.13), and that nothing was done.
func confine(config childConfig, executable string) error {
	abi, err := landlock()
	if err != nil {
		return err
	}
	// A right that the kernel is too old for must not be named.
	handled := unix.LandlockRulesetAttr{Handled_access_fs: unix.LANDLOCK_ACCESS_FS_REFER - 1} // those of the first version
	if abi >= 2 {
		handled.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		handled.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	if abi >= 4 {
		handled.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if abi >= 6 {
		handled.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET
	}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&handled)), unsafe.Sizeof(handled), 0)
	if errno != 0 {
		return fmt.Errorf("landlock: making a ruleset: %w", errno)
	}
	defer unix.Close(int(ruleset))
	rules, err := needed(config, executable)
	if err != nil {
		return err
	}
	for path, access := range rules {
		if err := allow(int(ruleset), path, access&handled.Handled_access_fs); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return fmt.Errorf("landlock: %w", errno)
	}
	return nil
}

// landlock is the version of the kernel's Landlock.
func landlock() (int, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("landlock: %w: %w", errors.ErrUnsupported, errno)
	}
	return int(version), nil
}

// needed is what an engine's process may reach, with what it may do there. Landlock hides the environment and the memory
// of processes outside, so that /proc tells of them no more than ps does.
func needed(config childConfig, executable string) (map[string]uint64, error) {
	rules := map[string]uint64{
		config.DataDir: ^uint64(unix.LANDLOCK_ACCESS_FS_EXECUTE),
		config.Library: readAccess,
		executable:     readAccess | unix.LANDLOCK_ACCESS_FS_EXECUTE,
		"/dev/null":    readAccess | unix.LANDLOCK_ACCESS_FS_WRITE_FILE,
	}
	for _, path := range []string{"/proc", "/sys", "/dev/urandom", "/etc/ld.so.cache", "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"} {
		rules[path] = readAccess
	}
	for path := range strings.SplitSeq(os.Getenv("LD_LIBRARY_PATH"), ":") {
		if filepath.IsAbs(path) {
			rules[path] = readAccess
		}
	}
	file, err := elf.Open(executable)
	if err != nil {
		return nil, fmt.Errorf("landlock: reading the program's own file: %w", err)
	}
	defer file.Close()
	if section := file.Section(".interp"); section != nil { // what loads the program, and its folder, where the C library is
		name, err := section.Data()
		if err != nil {
			return nil, fmt.Errorf("landlock: reading the program's own file: %w", err)
		}
		loader := strings.TrimRight(string(name), "\x00")
		rules[filepath.Dir(loader)] |= readAccess
		rules[loader] |= readAccess | unix.LANDLOCK_ACCESS_FS_EXECUTE
	}
	return rules, nil
}

// allow adds a rule. A path that is not there needs none.
func allow(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("landlock: opening %s: %w", path, err)
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return fmt.Errorf("landlock: opening %s: %w", path, err)
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		access &= fileAccess
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return fmt.Errorf("landlock: allowing %s: %w", path, errno)
	}
	return nil
}
