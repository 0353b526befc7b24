//go:build (linux || darwin) && !noembed

package chdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	childEnv = "KSLIVE_CHDB_CHILD"

	// File descriptors that the parent hands over after stdin, stdout and stderr.
	listenerFD = 3
	reportFD   = 4

	// drainTime is how long running requests have at a stop, and killTime how long they have after they were killed.
	drainTime = 5 * time.Second
	killTime  = 2 * time.Second
	// lockWait bridges the moment in which the kernel still takes an earlier engine down.
	lockWait = 2 * time.Second
)

// childConfig is what the parent writes to the child's stdin, as one JSON object. The pipe stays open after it: its end
// tells the child to stop.
type childConfig struct {
	DataDir, Library, Database, User, Password string
	Grants                                     []string
	MaxMemory                                  int64
}

// childReport is the child's one answer: it serves, or says why not.
type childReport struct {
	Version string
	Error   string
}

var (
	errInUse         = errors.New("data directory in use by another process")
	errEngineRefused = errors.New("the engine does not start")
)

// Child runs the engine and exits the process if Start made this process; otherwise it returns at once. It must be the
// first call of main, and of TestMain in packages whose tests use Start.
func Child() {
	if os.Getenv(childEnv) == "" {
		return
	}
	report := os.NewFile(reportFD, "report")
	err := runChild(report)
	if err != nil {
		_ = json.NewEncoder(report).Encode(childReport{Error: err.Error()}) // the parent may be gone
		os.Exit(1)
	}
	os.Exit(0)
}

func runChild(report io.WriteCloser) error {
	signal.Ignore(syscall.SIGPIPE) // one that hits a thread of the engine would end the process
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)

	stdin := json.NewDecoder(os.Stdin)
	var config childConfig
	if err := stdin.Decode(&config); err != nil {
		return fmt.Errorf("reading the engine's options: %w", err)
	}
	inherited := os.NewFile(listenerFD, "listener")
	listener, err := net.FileListener(inherited)
	if err != nil {
		return fmt.Errorf("taking over the listener: %w", err)
	}
	inherited.Close()

	lock, err := lockDir(config.DataDir)
	if err != nil {
		return err
	}
	defer lock.Close()
	s, anchor, err := openServer(config)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	web := s.httpServer(ctx)
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	if err := json.NewEncoder(report).Encode(childReport{Version: s.version}); err != nil {
		return fmt.Errorf("reporting to the parent: %w", err)
	}
	report.Close()

	orphaned := make(chan struct{})
	go func() { // ends with the process: nothing but the parent's end can end a read of stdin
		io.Copy(io.Discard, os.Stdin)
		close(orphaned)
	}()
	select {
	case <-orphaned:
	case <-signals:
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	}
	if drain(web, cancel) {
		anchor.close() // waits for statements, so only when there are none
	}
	return nil
}

// drain stops web: it lets requests end, then kills what runs. It reports whether all have ended.
func drain(web *http.Server, kill func()) bool {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	if web.Shutdown(ctx) == nil {
		return true
	}
	kill()
	ctx, cancel = context.WithTimeout(context.Background(), killTime)
	defer cancel()
	return web.Shutdown(ctx) == nil
}

// lockDir takes the directory for this process, until the file is closed or the process ends.
func lockDir(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data directory: %w", err)
	}
	for deadline := time.Now().Add(lockWait); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return lock, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			lock.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, errInUse
			}
			return nil, fmt.Errorf("locking the data directory: %w", err)
		}
	}
}

// openServer starts the engine. It runs until the last connection is closed, of which anchor is the first.
func openServer(config childConfig) (s *server, anchor *connection, err error) {
	lib, err := loadLibrary(config.Library)
	if err != nil {
		return nil, nil, err
	}
	file, err := writeConfig(config)
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(config.DataDir, "data")
	anchor, err = lib.open("--config-file="+file, "--path="+path)
	if err != nil {
		return nil, nil, err
	}
	// The engine's own default database falls back to files for unknown tables.
	if len(config.Grants) > 0 {
		err = anchor.exec("USE " + quote(config.Database, '`'))
	} else {
		err = anchor.exec("CREATE DATABASE IF NOT EXISTS " + quote(config.Database, '`') + " ENGINE = Atomic")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("creating the database: %w", err)
	}
	facts, err := anchor.text("SELECT version(), timezone(), arrayStringConcat(groupArray(name), ' ') FROM system.formats")
	if err != nil {
		return nil, nil, fmt.Errorf("asking the engine for its version: %w", err)
	}
	fields := strings.Split(strings.TrimSpace(facts), "\t")
	if len(fields) != 3 {
		return nil, nil, fmt.Errorf("asking the engine for its version: got %q", facts)
	}
	s = &server{
		lib: lib, path: path,
		database: config.Database, user: config.User, password: config.Password,
		version: fields[0], timezone: fields[1],
		formats: make(map[string]string),
		slots:   make(chan struct{}, maxQueries),
		idle:    idleTimeout,
	}
	for name := range strings.FieldsSeq(fields[2]) {
		s.formats[strings.ToLower(name)] = name
	}
	return s, anchor, nil
}
