package pgembed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// An account is who the programs run as: the user of this process when credential is nil.
type account struct {
	name       string
	credential *syscall.Credential
	caps       []uintptr // capabilities the programs keep
}

func (a account) drops() bool { return a.credential != nil }

// runAs decides who runs the programs. Only root changes to another user: to the owner of the cluster when there is
// one, else to postgres or nobody.
func runAs(cluster string) (account, error) {
	if os.Geteuid() != 0 {
		return account{name: "uid " + strconv.Itoa(os.Geteuid())}, nil
	}
	if info, err := os.Stat(cluster); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
			return account{
				name:       "uid " + strconv.FormatUint(uint64(st.Uid), 10),
				credential: &syscall.Credential{Uid: st.Uid, Gid: st.Gid},
			}, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil && uid != 0 {
			return account{name: name, credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return account{}, errors.New("postgres refuses to run as root, and there is no user postgres or nobody to run it as: " +
		"start this program as an ordinary user, or add a user named postgres")
}

// own gives root and all below it to the account.
func (a account) own(root string) error {
	if !a.drops() {
		return nil
	}
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(a.credential.Uid), int(a.credential.Gid))
	})
}

// reach makes sure that the account can run the programs in cwd, a directory of its own. Directories above the
// programs or cwd may be closed to it, a home directory of root's for one. It then keeps the right to pass through
// closed directories, which lets it read any file as well, or, where root itself has no such right (containers), the
// right to pass all file permissions. Neither is kept when it is not needed.
func (p *programs) reach(ctx context.Context, cwd string) error {
	if !p.user.drops() {
		return nil
	}
	var first error
	for _, caps := range passRights {
		p.user.caps = caps
		err := p.probe(ctx, cwd)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return fmt.Errorf("user %s can not run Postgres from %s in %s: %w: open the directories above them to that user "+
		"(chmod o+x), choose others, or start this program as an ordinary user", p.user.name, p.bin, cwd, first)
}

// probe runs postgres --version, as what it takes to run it at all is what it takes later.
func (p *programs) probe(ctx context.Context, cwd string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return p.run(ctx, syscall.SIGKILL, cwd, "postgres", "--version")
}
