// Package pgembed keeps a private Postgres cluster in a directory of its own and runs it as a child process.
//
// The directory given as [Options].DataDir belongs to the package:
//
//	lock      held (flock) by the process that runs the cluster
//	pgpass    the superuser's random password in libpq's passfile format, mode 0600
//	port      the loopback port of the last run
//	lib/      links to shared libraries, for the npm packages of Postgres
//	cluster/  what initdb made: Postgres's own data directory
//
// The server listens on loopback TCP only and asks everyone for the password (SCRAM). A Unix socket is not used:
// its path is limited to 107 bytes, and a data directory may be deeper than that.
//
// Postgres refuses to run as root. A process that is root gives the cluster to the user postgres, or nobody where
// there is no such user, and runs the programs as that user. When the user cannot reach the programs or the cluster,
// because a directory above is closed to it, the programs get the one capability that opens the way.
package pgembed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// minMajor is the oldest major version of Postgres that is accepted.
const minMajor = 14

// startTimeout bounds how long a server may take until it answers, crash recovery included.
const startTimeout = 2 * time.Minute

// Options say where a cluster lives and how it is reached. Only DataDir is required.
type Options struct {
	// DataDir is the directory that holds the cluster and nothing else. It is created with mode 0700; when the
	// programs run as another user than this process, its mode becomes 0711.
	DataDir string
	// BinDir is the directory of the programs postgres and initdb; "" looks for one as Find does.
	BinDir string
	// Port is the TCP port on 127.0.0.1; 0 takes the port of the last run, or any free one when that is taken.
	Port int
	// Database is the database that URL names, created when absent; "" is "kslive".
	Database string
	// Logger gets the server's own log at debug level; nil discards it.
	Logger *slog.Logger
}

// Start runs the cluster in o.DataDir, making it first when there is none, and returns when the server answers and
// o.Database exists. ctx bounds the start only. It fails when another process runs the cluster, when the cluster is of
// a major version of which no programs are found, and when the server cannot start; then the error ends with what
// the server said last. The caller must Close the cluster.
//
// A server that a killed process left behind on the directory is stopped first, so there are never two.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Database == "" {
		o.Database = "kslive"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("port %d of the embedded Postgres is not between 0 and 65535", o.Port)
	}
	dir, err := makeDir(o.DataDir)
	if err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	c, err := start(ctx, dir, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting the embedded Postgres in %s: %w", dir, err), lock.Close())
	}
	c.lock = lock
	return c, nil
}

// start runs the cluster in dir, whose lock the caller holds.
func start(ctx context.Context, dir string, o Options) (*Cluster, error) {
	if err := stopOrphans(ctx, dir, o.Logger); err != nil {
		return nil, err
	}
	cluster := filepath.Join(dir, "cluster")
	major, err := clusterMajor(cluster)
	if err != nil {
		return nil, err
	}
	inst, err := choose(ctx, o.BinDir, major, cluster)
	if err != nil {
		return nil, err
	}
	p, err := newPrograms(inst, dir)
	if err != nil {
		return nil, err
	}
	passfile := filepath.Join(dir, "pgpass")
	if major == 0 {
		o.Logger.Info("making a Postgres cluster", "dir", cluster, "version", inst.major, "user", p.user.name)
		err = p.create(ctx, cluster, passfile)
	} else {
		err = p.adopt(ctx, cluster, passfile)
	}
	if err != nil {
		return nil, err
	}
	return p.serve(ctx, cluster, passfile, o)
}

// makeDir creates dir when absent and returns its real, absolute path, which is what the kernel shows as the
// working directory of a server.
func makeDir(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("the embedded Postgres needs a data directory")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the data directory of the embedded Postgres: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("resolving the data directory of the embedded Postgres: %w", err)
	}
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return "", fmt.Errorf("resolving the data directory of the embedded Postgres: %w", err)
	}
	return abs, nil
}

// clusterMajor reads the major version that made the cluster; 0 when there is no cluster yet.
func clusterMajor(cluster string) (int, error) {
	if _, err := os.Lstat(cluster); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	text, err := os.ReadFile(filepath.Join(cluster, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s is not a Postgres cluster, move it away: it has no PG_VERSION", cluster)
	}
	if err != nil {
		return 0, fmt.Errorf("reading the version of the cluster: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s is not a Postgres cluster, move it away: its PG_VERSION is %.20q", cluster, text)
	}
	return major, nil
}
