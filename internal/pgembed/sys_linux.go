package pgembed

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// passRights are the sets of capabilities that reach tries, the weakest first.
var passRights = [][]uintptr{nil, {unix.CAP_DAC_READ_SEARCH}, {unix.CAP_DAC_OVERRIDE}}

// sysProcAttr describes a program run as a, in a process group of its own so that Ctrl-C in the terminal does not
// reach it before this process has drained.
func (a account) sysProcAttr(death syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: a.credential, AmbientCaps: a.caps, Pdeathsig: death}
}

// prepareThread changes the calling thread so that the capabilities of a program it starts count in every call:
// access(2), with which initdb looks for its companions, leaves them out for a user that is not root, unless this bit
// is set. It also lets the new process reach the program and its directory before it becomes the program.
func (a account) prepareThread() error {
	if len(a.caps) == 0 {
		return nil
	}
	bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_SECUREBITS, uintptr(bits|secbitNoSetuidFixup), 0, 0, 0)
	}
	return os.NewSyscallError("prctl", err)
}

// secbitNoSetuidFixup is SECBIT_NO_SETUID_FIXUP of capabilities(7).
const secbitNoSetuidFixup = 1 << 2

// postgresIn lists the processes of Postgres whose working directory is dir or below it. Every process of a server,
// and none of its clients, works in the data directory.
func postgresIn(dir string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil // without /proc there is still the server's own check of postmaster.pid
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && worksIn(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func worksIn(pid int, dir string) bool {
	if name := processName(pid); name != "postgres" && name != "initdb" {
		return false
	}
	below := func(path string) bool {
		return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	cwd, err := os.Readlink(filepath.Join(proc, "cwd"))
	if errors.Is(err, fs.ErrPermission) {
		// Root in a container may not look into another user's process. The server itself, though not its children,
		// names the directory on its command line.
		args, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		return slices.ContainsFunc(strings.Split(string(args), "\x00"), below)
	}
	return err == nil && below(cwd)
}

// worksElsewhere says for certain that there is a process pid and that it is no server of the cluster in dir.
func worksElsewhere(pid int, dir string) bool { return processName(pid) != "" && !worksIn(pid, dir) }

// processName is the program's name; "" when there is no such process, or none that can be seen.
func processName(pid int) string {
	name, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	return strings.TrimSpace(string(name))
}
