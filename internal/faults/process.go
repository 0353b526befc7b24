package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// descendants are the processes below pid whose command line contains text.
func descendants(ctx context.Context, pid int, text string) ([]int, error) {
	output, err := exec.CommandContext(ctx, "ps", "-A", "-o", "pid=,ppid=,args=").Output()
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	children, commands := make(map[int][]int), make(map[int]string)
	for line := range strings.Lines(string(output)) {
		fields := strings.Fields(line)
		if len(fields) < 3 {
			continue
		}
		child, err := strconv.Atoi(fields[0])
		parent, parentErr := strconv.Atoi(fields[1])
		if err == nil && parentErr == nil {
			children[parent] = append(children[parent], child)
			commands[child] = strings.Join(fields[2:], " ")
		}
	}
	var found []int
	for below := children[pid]; len(below) > 0; below = below[1:] {
		if strings.Contains(commands[below[0]], text) {
			found = append(found, below[0])
		}
		below = append(below, children[below[0]]...)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no process below %d is called %q", pid, text)
	}
	return found, nil
}

// signalAll sends a signal to processes; one that has ended meanwhile is passed over.
func signalAll(pids []int, signal syscall.Signal) error {
	for _, pid := range pids {
		if pid <= 0 { // this whole group, or all there are
			return fmt.Errorf("%d is no process", pid)
		}
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("sending %v to process %d: %w", signal, pid, err)
		}
	}
	return nil
}
