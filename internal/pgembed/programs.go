package pgembed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// programs runs the programs of one installation for one data directory.
type programs struct {
	bin  string
	dir  string // Options.DataDir, resolved
	env  []string
	user account
}

func newPrograms(inst installation, dir string) (*programs, error) {
	user, err := runAs(filepath.Join(dir, "cluster"))
	if err != nil {
		return nil, err
	}
	p := &programs{bin: inst.bin, dir: dir, user: user}
	libraries, err := p.libraries()
	if err != nil {
		return nil, err
	}
	// Nothing else is inherited: PG* and LC_* would change the server, and the environment of this process may hold
	// secrets that the server's user could read.
	p.env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	if path := joinLists(libraries, os.Getenv("LD_LIBRARY_PATH")); path != "" {
		p.env = append(p.env, "LD_LIBRARY_PATH="+path)
	}
	if user.drops() {
		// Search permission on the way to the cluster; its own directory and the files beside it stay closed.
		if err := os.Chmod(dir, 0o711); err != nil {
			return nil, fmt.Errorf("opening the data directory to user %s: %w", user.name, err)
		}
	}
	return p, nil
}

func joinLists(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + string(filepath.ListSeparator) + b
}

// command prepares a program, run in the directory cwd as p.user, outside the process group of the terminal. It gets
// the signal stop when ctx is done, and from the kernel when the thread that started it ends.
func (p *programs) command(ctx context.Context, stop syscall.Signal, cwd, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, name), args...)
	cmd.Dir = cwd
	cmd.Env = p.env
	cmd.SysProcAttr = p.user.sysProcAttr(stop)
	cmd.Cancel = func() error { return cmd.Process.Signal(stop) }
	cmd.WaitDelay = 3 * time.Second
	return cmd
}

// start starts cmd on a thread of its own and sends on ended how it ended.
//
// The kernel signals a program when the thread that started it ends. The thread here is locked to a goroutine that
// waits for the program, so it ends with the program or with this process, and not before. It is not given back to
// the Go runtime, so what was changed for the program's sake ends with it.
func (p *programs) start(cmd *exec.Cmd) (ended <-chan error, err error) {
	started, done := make(chan error), make(chan error, 1)
	go func() { // ends with the program, or when it does not start
		runtime.LockOSThread()
		err := p.user.prepareThread()
		if err == nil {
			err = cmd.Start()
		}
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("running %s: %w", cmd.Path, err)
	}
	return done, nil
}

// run runs a program of the installation to its end. Its error ends with what the program said last.
func (p *programs) run(ctx context.Context, stop syscall.Signal, cwd, name string, args ...string) error {
	var out tail
	cmd := p.command(ctx, stop, cwd, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	ended, err := p.start(cmd)
	if err != nil {
		return err
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("running %s: %w%s", cmd.Path, err, out.suffix())
	}
	return nil
}

// libraries makes the links to shared libraries that an npm package of Postgres lacks, and returns the search path
// that finds them, or "" when none is lacking. npm packages hold no links: the package brings a list, native/pg-symlinks.json,
// for an install script, which npm no longer runs unasked. The links are made in the data directory, as
// the package may belong to someone else.
func (p *programs) libraries() (string, error) {
	native := filepath.Dir(p.bin)
	text, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the list of library links: %w", err)
	}
	var links []struct{ Source, Target string } // relative to the package, e.g. native/lib/libpq.so.5
	if err := json.Unmarshal(text, &links); err != nil {
		return "", fmt.Errorf("reading the list of library links in %s: %w", native, err)
	}
	lib, made := filepath.Join(p.dir, "lib"), false
	for _, l := range links {
		if _, err := os.Stat(filepath.Join(native, "..", l.Target)); err == nil {
			continue
		}
		if err := link(filepath.Join(native, "..", l.Source), filepath.Join(lib, filepath.Base(l.Target))); err != nil {
			return "", fmt.Errorf("linking the libraries of Postgres: %w", err)
		}
		made = true
	}
	if !made {
		return "", nil
	}
	if strings.ContainsAny(lib+native, ":;") {
		return "", fmt.Errorf("the npm package of Postgres in %s works only where neither its path nor the data directory's, "+
			"%s, holds a colon or semicolon: choose others", native, p.dir)
	}
	// A library that is loaded through a link looks beside the link for those it needs itself.
	return joinLists(lib, filepath.Join(native, "lib")), nil
}

// link makes path a symbolic link to target, whatever it was before, and makes the directory that holds it.
func link(target, path string) error {
	if have, err := os.Readlink(path); err == nil && have == target {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}
