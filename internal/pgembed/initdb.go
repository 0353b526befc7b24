package pgembed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// superuser is the one role of a new cluster.
const superuser = "postgres"

// create makes the cluster. initdb works in a directory beside it, which takes the name cluster once it is whole, so
// a crash leaves either no cluster or a good one.
func (p *programs) create(ctx context.Context, cluster, passfile string) (err error) {
	password, err := makePassfile(passfile)
	if err != nil {
		return err
	}
	if err := removeUnfinished(p.dir); err != nil {
		return fmt.Errorf("removing what an interrupted initdb left: %w", err)
	}
	work, err := os.MkdirTemp(p.dir, "initdb-")
	if err != nil {
		return fmt.Errorf("making a directory for initdb: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(work))
		}
	}()
	if err := p.user.own(work); err != nil {
		return fmt.Errorf("giving the cluster to user %s: %w", p.user.name, err)
	}
	if err := p.reach(ctx, work); err != nil {
		return err
	}
	if err := p.initdb(ctx, work, password); err != nil {
		return err
	}
	if err := os.Rename(work, cluster); err != nil {
		return fmt.Errorf("naming the new cluster: %w", err)
	}
	return syncDir(p.dir)
}

// removeUnfinished removes the working directories of earlier initdbs and the passwords beside them.
func removeUnfinished(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "initdb-") {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// initdb fills work, an empty directory. It reads the password from a file of its user's, which is gone afterwards.
func (p *programs) initdb(ctx context.Context, work, password string) (err error) {
	pwfile := work + ".password"
	if err := os.WriteFile(pwfile, []byte(password+"\n"), 0o600); err != nil {
		return fmt.Errorf("handing initdb the password: %w", err)
	}
	defer func() { err = errors.Join(err, os.Remove(pwfile)) }()
	if err := p.user.own(pwfile); err != nil {
		return fmt.Errorf("handing initdb the password: %w", err)
	}
	return p.run(ctx, syscall.SIGTERM, work, "initdb",
		"--pgdata="+work, "--username="+superuser, "--pwfile="+pwfile, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--data-checksums", "--no-instructions")
}

// adopt prepares a cluster that an earlier run has made.
func (p *programs) adopt(ctx context.Context, cluster, passfile string) error {
	if _, err := os.Stat(passfile); err != nil {
		return fmt.Errorf("the password of the cluster is gone, put the file back or move the directory away: %w", err)
	}
	// Only a copy made by root is not the user's yet.
	if err := p.user.own(cluster); err != nil {
		return fmt.Errorf("giving the cluster to user %s: %w", p.user.name, err)
	}
	return p.reach(ctx, cluster)
}

// makePassfile returns the password in the passfile, and makes both when there is none. The file is durable before
// a cluster exists that asks for the password.
func makePassfile(path string) (password string, err error) {
	const prefix = "127.0.0.1:*:*:" + superuser + ":"
	text, err := os.ReadFile(path)
	if err == nil {
		if password, ok := strings.CutPrefix(strings.TrimSpace(string(text)), prefix); ok && password != "" {
			return password, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the password of the cluster: %w", err)
	}
	password = rand.Text()
	if err := writeFile(path, prefix+password+"\n"); err != nil {
		return "", fmt.Errorf("keeping the password of the cluster: %w", err)
	}
	return password, nil
}

// writeFile replaces the file at path, readable by its owner only, so that it is never seen half written.
func writeFile(path, text string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
