//go:build (linux || darwin) && !noembed

package chdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	minBackoff = 100 * time.Millisecond
	maxBackoff = 10 * time.Second
	// settled is how long a child must have lived for the next crash to count as the first.
	settled = time.Minute
)

// Engine is a running ClickHouse. Its methods may be called from any goroutine.
type Engine struct {
	options  Options
	config   childConfig
	logger   *slog.Logger
	listener *net.TCPListener // never accepts: it keeps the address while a child is down

	stop    context.CancelFunc
	done    chan struct{} // closed when supervise has returned
	closing error         // of the last child; read after done

	mu       sync.Mutex // covers what follows
	pid      int
	restarts int
}

// Start runs an engine in a child process and returns when it answers. It fails at once, in one line, when the data
// directory is in use, the library is missing or too old, or the engine does not start; later crashes are logged and
// repaired by a restart. ctx bounds the start only: Close ends the engine. The program's main must call Child first.
func Start(ctx context.Context, o Options) (*Engine, error) {
	o, config, err := resolve(o)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded ClickHouse: %w", err)
	}
	running, stop := context.WithCancel(context.Background())
	e := &Engine{
		options: o, config: config, logger: o.Logger, listener: listener.(*net.TCPListener),
		stop: stop, done: make(chan struct{}),
	}
	started := make(chan error, 1)
	go e.supervise(running, started) // Close waits for it
	select {
	case err = <-started:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("starting the embedded ClickHouse in %s: %w", o.DataDir, err)
	}
	return e, nil
}

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// resolve fills in defaults and makes paths absolute, since the child runs in another directory.
func resolve(o Options) (Options, childConfig, error) {
	fail := func(format string, args ...any) (Options, childConfig, error) {
		return Options{}, childConfig{}, fmt.Errorf("starting the embedded ClickHouse: "+format, args...)
	}
	if o.DataDir == "" {
		return fail("no data directory given")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Database == "" {
		o.Database = "kslive"
	}
	if o.User == "" {
		o.User = "default"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if !databaseName.MatchString(o.Database) || o.Database == "default" || o.Database == "system" {
		return fail("%q cannot be the database: choose a name of letters, digits and underscores other than default and system", o.Database)
	}
	if o.MaxMemory < 0 {
		return fail("a memory limit of %d bytes makes no sense", o.MaxMemory)
	}
	if err := checkListen(o); err != nil {
		return fail("%w", err)
	}
	library, err := FindLibrary(o.Library)
	if err != nil {
		return fail("%w", err)
	}
	if o.DataDir, err = filepath.Abs(o.DataDir); err != nil {
		return fail("%w", err)
	}
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return fail("creating the data directory: %w", err)
	}
	return o, childConfig{
		DataDir: o.DataDir, Library: library, Database: o.Database,
		User: o.User, Password: o.Password, Grants: o.Grants, MaxMemory: o.MaxMemory,
	}, nil
}

func checkListen(o Options) error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("listen address %q is not host:port", o.Listen)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	if !o.AllowRemote {
		return fmt.Errorf("listen address %q can be reached from other machines: use 127.0.0.1, or allow it explicitly", o.Listen)
	}
	if o.Password == "" {
		return fmt.Errorf("listen address %q can be reached from other machines: set a password", o.Listen)
	}
	return nil
}

// supervise keeps a child running until ctx ends. What became of the first one goes to started; it is not restarted if it
// did not come up.
func (e *Engine) supervise(ctx context.Context, started chan<- error) {
	defer close(e.done)
	// On Linux a child dies with the thread that made it, so this goroutine keeps its thread, and ends with it: what was
	// taken from the thread is not given back.
	runtime.LockOSThread()
	if err := e.confine(); err != nil {
		started <- err
		return
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = minBackoff, maxBackoff
	for first := true; ; first = false {
		p, err := startProcess(ctx, e.config, e.listener, e.logger)
		if err == nil {
			e.setPid(p.pid(), !first)
		}
		if first {
			started <- err
			if err != nil {
				return
			}
		}
		begun := time.Now()
		if err == nil {
			select {
			case <-ctx.Done():
				e.setPid(0, false)
				e.closing = p.stop()
				return
			case <-p.exited:
			}
			e.setPid(0, false)
			err = p.failure()
		}
		if ctx.Err() != nil {
			return
		}
		if time.Since(begun) > settled {
			wait.Reset()
		}
		pause := wait.NextBackOff()
		e.logger.Error("embedded ClickHouse is down, restarting it", "error", err, "after", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// confine takes from this thread what no child may do. Where the system cannot, the engine's own refusals must do.
func (e *Engine) confine() error {
	executable, err := selfExecutable()
	if err != nil {
		return err
	}
	if err = confine(e.config, executable); errors.Is(err, errors.ErrUnsupported) {
		e.logger.Info("the embedded ClickHouse is not confined by this system; see docs/security.md", "reason", err)
		return nil
	}
	return err
}

func (e *Engine) setPid(pid int, restarted bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pid = pid
	if restarted {
		e.restarts++
	}
}

// address is host:port, the same for the life of the Engine.
func (e *Engine) address() string { return e.listener.Addr().String() }

// URL is the engine's HTTP address without user and password. It stays the same when the engine is restarted.
func (e *Engine) URL() string { return "http://" + e.address() }

// DSN is the address for clickhouse-go, with user, password and database. It is a secret if the password is.
func (e *Engine) DSN() string {
	u := url.URL{Scheme: "http", Host: e.address(), Path: e.options.Database, User: url.User(e.options.User)}
	if e.options.Password != "" {
		u.User = url.UserPassword(e.options.User, e.options.Password)
	}
	return u.String()
}

// Restarts counts how often a new child has come up in place of one that had died.
func (e *Engine) Restarts() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.restarts
}

// Pid is the process ID of the running child, or 0 between two children.
func (e *Engine) Pid() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pid
}

// Close lets running requests end for a few seconds, stops the engine and waits for it. Closing again is harmless.
func (e *Engine) Close() error {
	e.stop()
	<-e.done
	if err := e.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return errors.Join(e.closing, fmt.Errorf("closing the embedded ClickHouse: %w", err))
	}
	return e.closing
}
