package pgembed

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// status reads lines of /proc/<pid>/status: the real user ID and the effective capabilities.
func status(t *testing.T, pid int) (uid int, caps string) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch f[0] {
		case "Uid:":
			uid, _ = strconv.Atoi(f[1])
		case "CapEff:":
			caps = strings.TrimLeft(f[1], "0")
		}
	}
	return uid, caps
}

// The server runs without root's powers: as this user, or, when started by root, as an ordinary one that keeps the
// right to pass closed directories only where it is needed.
func TestServerIsUnprivileged(t *testing.T) {
	t.Parallel()
	root := os.Geteuid() == 0
	for _, test := range []struct {
		name   string
		closed bool
	}{{"open directory", false}, {"closed directory", true}} {
		t.Run(test.name, func(t *testing.T) {
			parent := openDir(t)
			if test.closed {
				if err := os.Chmod(parent, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			dir := filepath.Join(parent, "pg")
			bin := reachableBin(t, anyBin(t))
			c := mustStart(t, Options{DataDir: dir, BinDir: bin})
			uid, caps := status(t, c.Pid())
			if uid == 0 || !root && uid != os.Geteuid() {
				t.Errorf("user %d started the server as user %d", os.Geteuid(), uid)
			}
			want := []string{""}
			if root && test.closed {
				want = []string{"4", "2"} // CAP_DAC_READ_SEARCH, or CAP_DAC_OVERRIDE where root lacks that (containers)
			}
			if root && !slices.Contains(want, caps) {
				t.Errorf("the server has the capabilities %q, want one of %q", caps, want)
			}
			for path, want := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, "cluster"): 0o700, filepath.Join(dir, "lock"): 0o600} {
				if root && path == dir {
					want = 0o711
				}
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
					t.Errorf("%s: %v, %v", path, info, err)
				}
			}
			mustClose(t, c, dir)
		})
	}
}

// reachableBin is bin, or a copy where every user can read it.
func reachableBin(t *testing.T, bin string) string {
	t.Helper()
	if !isPackage(bin) {
		return bin
	}
	return copyPackage(t, bin, filepath.Join(openDir(t), "package"))
}

// An npm package without its links, below a directory that is closed to others.
func TestPackageWithoutLinks(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, bin string) {
		if !isPackage(bin) {
			return
		}
		copied := copyPackage(t, bin, t.TempDir())
		dir := filepath.Join(t.TempDir(), "pg")
		for range 2 {
			c := mustStart(t, Options{DataDir: dir, BinDir: copied})
			query(t, c.URL(), "SELECT 'linked'")
			mustClose(t, c, dir)
		}
	})
}

// Everything as an ordinary user, also when the tests run as root.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	eachInstallation(t, func(t *testing.T, bin string) {
		home, exe := t.TempDir(), "/proc/self/exe"
		var cred *syscall.Credential
		if os.Geteuid() == 0 {
			u, err := user.Lookup("nobody")
			if err != nil {
				t.Fatal(err)
			}
			uid, _ := strconv.Atoi(u.Uid)
			gid, _ := strconv.Atoi(u.Gid)
			cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
			bin, home = reachableBin(t, bin), openDir(t)
			exe = filepath.Join(openDir(t), "test")
			if err := copyFile("/proc/self/exe", exe); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(home, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		dir := filepath.Join(home, "pg")
		for range 2 {
			_, report, end := startChild(t, exe, cred, childOrder{DataDir: dir, BinDir: bin})
			if report.Err == "" {
				uid, caps := status(t, report.Pid)
				if cred != nil && uid != int(cred.Uid) || caps != "" && cred != nil {
					t.Errorf("the server runs as user %d with capabilities %q", uid, caps)
				}
				query(t, report.URL, "SELECT 'here'")
			}
			if err := end(); err != nil || report.Err != "" {
				t.Fatalf("the ordinary user's cluster: %v %s", err, report.Err)
			}
		}
		// Root carries on with the cluster as the user it belongs to.
		c := mustStart(t, Options{DataDir: dir, BinDir: bin})
		if uid, _ := status(t, c.Pid()); cred != nil && uid != int(cred.Uid) {
			t.Errorf("root runs the cluster of user %d as user %d", cred.Uid, uid)
		}
		mustClose(t, c, dir)
	})
}

// root copied the directory, and so owns it.
func TestCopiedCluster(t *testing.T) {
	t.Parallel()
	dir, copied := filepath.Join(t.TempDir(), "pg"), filepath.Join(t.TempDir(), "copy")
	c := mustStart(t, Options{DataDir: dir, BinDir: anyBin(t)})
	query(t, c.URL(), "CREATE TABLE t AS SELECT 'kept'::text AS v")
	mustClose(t, c, dir)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		switch {
		case e.IsDir():
			return os.MkdirAll(filepath.Join(copied, rel), 0o700)
		case e.Type().IsRegular():
			return copyFile(path, filepath.Join(copied, rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c = mustStart(t, Options{DataDir: copied, BinDir: anyBin(t)})
	if got := query(t, c.URL(), "SELECT v FROM t"); got != "kept" {
		t.Errorf("the row reads %q", got)
	}
	mustClose(t, c, copied)
}
