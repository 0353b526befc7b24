package pgembed

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// pickPort returns a port of loopback that is free at this moment: want, or when it is 0 the one of the last run in
// dir, or any.
func pickPort(dir string, want int) (int, error) {
	if want != 0 {
		_, err := free(want)
		if errors.Is(err, syscall.EADDRINUSE) {
			return 0, fmt.Errorf("port %d of 127.0.0.1 is taken: stop what listens there, or let the embedded Postgres "+
				"choose a port (0): %w", want, err)
		}
		return want, err
	}
	if text, err := os.ReadFile(filepath.Join(dir, "port")); err == nil {
		last, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 16)
		if err == nil && last != 0 {
			if port, err := free(int(last)); err == nil {
				return port, nil
			}
		}
	}
	return free(0)
}

// free returns the port if nobody listens on it; for 0, any such port.
func free(port int) (int, error) {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// keepPort records the port for the next run.
func keepPort(dir string, port int) error {
	if err := writeFile(filepath.Join(dir, "port"), strconv.Itoa(port)+"\n"); err != nil {
		return fmt.Errorf("keeping the port: %w", err)
	}
	return nil
}
