//go:build noembed || !(linux || darwin)

package chdb

import (
	"context"
	"errors"
)

var errNoEmbed = errors.New("this build has no embedded ClickHouse: build without the tag noembed on Linux or macOS, or use a ClickHouse server with --clickhouse URL")

// Child returns at once: this build has no engine to run.
func Child() {}

// FindLibrary always fails in this build.
func FindLibrary(string) (string, error) { return "", errNoEmbed }

// Start always fails in this build.
func Start(context.Context, Options) (*Engine, error) { return nil, errNoEmbed }

// Engine cannot be made in this build, since Start fails.
type Engine struct{}

// URL is empty in this build.
func (*Engine) URL() string { return "" }

// DSN is empty in this build.
func (*Engine) DSN() string { return "" }

// Restarts is 0 in this build.
func (*Engine) Restarts() int { return 0 }

// Pid is 0 in this build.
func (*Engine) Pid() int { return 0 }

// Close does nothing in this build.
func (*Engine) Close() error { return nil }
