package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// readyPatience is how long a worker has to say whether it is ready.
const readyPatience = 5 * time.Second

type readyCommand struct {
	HTTPListen string `help:"Where the worker's /readyz is: its --http-listen." default:"127.0.0.1:9110" placeholder:"ADDR"`
}

// Run answers an error when no worker claims rooms there: the health check of a
// container that has no other program.
func (c *readyCommand) Run(p *process) error {
	host, port, err := net.SplitHostPort(c.HTTPListen)
	if err != nil {
		return exitError{exitUsage, fmt.Sprintf("--http-listen: %v", err)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens everywhere, so here as well
	}
	ctx, cancel := context.WithTimeout(p.taking, readyPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("asking the worker: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking the worker: %w", err)
	}
	defer response.Body.Close()
	said, err := io.ReadAll(io.LimitReader(response.Body, 1000))
	if err != nil {
		return fmt.Errorf("asking the worker: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return exitError{exitFailed, strings.TrimSpace(string(said))}
	}
	_, err = p.stdout.Write(said)
	return err
}
