package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is how finely Linux tells CPU time: USER_HZ is 100 on every platform of
// Linux that Go runs on.
const tick = 10 * time.Millisecond

// Memory is the resident memory of a process in bytes. Linux only.
func Memory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of process %d (Linux only): %w", pid, err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("process %d has no memory", pid)
}

// CPU is the CPU time so far of a process's threads, to 10 ms. Linux only.
func CPU(pid int) (time.Duration, error) {
	s, err := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	return s.own, err
}

// FamilyCPU is the CPU time so far of a process, of its children, and of those
// children that have ended: Postgres has one for each connection. Linux only.
func FamilyCPU(pid int) (time.Duration, error) {
	parent, err := readStat(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, fmt.Errorf("listing processes: %w", err)
	}
	sum := parent.own + parent.ended
	for _, file := range files {
		if child, err := readStat(file); err == nil && child.parent == pid { // one that cannot be read has ended
			sum += child.own
		}
	}
	return sum, nil
}

// stat is what Linux tells of a process: its parent, its own CPU time, and that
// of its children that have ended.
type stat struct {
	parent     int
	own, ended time.Duration
}

func readStat(file string) (s stat, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return stat{}, fmt.Errorf("reading the CPU time (Linux only): %w", err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything else
	fields := strings.Fields(rest)
	const parent, utime, stime, cutime, cstime = 1, 11, 12, 13, 14 // counted from the state
	if len(fields) <= cstime {
		return stat{}, fmt.Errorf("%s cannot be read: %s", file, text)
	}
	var numbers [cstime + 1]int64
	for _, i := range []int{parent, utime, stime, cutime, cstime} {
		if numbers[i], err = strconv.ParseInt(fields[i], 10, 64); err != nil {
			return stat{}, fmt.Errorf("%s cannot be read: %w", file, err)
		}
	}
	return stat{
		parent: int(numbers[parent]),
		own:    time.Duration(numbers[utime]+numbers[stime]) * tick,
		ended:  time.Duration(numbers[cutime]+numbers[cstime]) * tick,
	}, nil
}
