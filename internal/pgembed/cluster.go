package pgembed

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// How long Close waits after each step: an orderly stop writes a checkpoint, an immediate one only ends processes.
const (
	fastStop      = 20 * time.Second
	immediateStop = 5 * time.Second
)

// A Cluster is a running Postgres. Its methods may be called from several goroutines.
type Cluster struct {
	cmd  *exec.Cmd
	port int
	url  string
	said *tail
	lock *os.File // held until Close

	gone chan struct{} // closed once the server has ended
	exit error         // how it ended; to be read after gone

	stop    sync.Once
	stopErr error
}

// URL returns the connection string for the database, for psql, pgx and whatever else reads passfile=. It holds no
// secret: it names the file that does, which only the user of this process can read.
func (c *Cluster) URL() string { return c.url }

// Pid returns the process ID of the server.
func (c *Cluster) Pid() int { return c.cmd.Process.Pid }

// Done is closed when the server has ended, by Close or by itself.
func (c *Cluster) Done() <-chan struct{} { return c.gone }

// Close stops the server and gives up the directory. Clients are cut off and their transactions rolled back. It
// returns when the server is gone, within half a minute; a server that does not stop in order is killed, and recovers
// at the next Start. It fails when the server had ended before. Further calls return the same.
func (c *Cluster) Close() error {
	c.stop.Do(func() {
		c.stopErr = errors.Join(c.terminate(), c.lock.Close())
	})
	return c.stopErr
}

func (c *Cluster) terminate() error {
	select {
	case <-c.gone:
		return fmt.Errorf("the embedded Postgres had ended before it was stopped: %w%s", c.ended(), c.said.suffix())
	default:
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastStop}, {syscall.SIGQUIT, immediateStop}} {
		if err := c.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stopping the embedded Postgres: %w", err)
		}
		select {
		case <-c.gone:
			if c.exit != nil && step.signal == syscall.SIGINT {
				return fmt.Errorf("stopping the embedded Postgres: %w%s", c.exit, c.said.suffix())
			}
			return nil
		case <-time.After(step.wait):
		}
		if c.said.logger != nil {
			c.said.logger.Warn("the embedded Postgres does not stop in order, as when it is just recovering; it is ended, and recovers at the next start", "waited", step.wait)
		}
	}
	err := c.cmd.Process.Kill()
	<-c.gone
	return err
}

// ended is how the server ended, never nil.
func (c *Cluster) ended() error {
	if c.exit == nil {
		return errors.New("exit status 0")
	}
	return c.exit
}

// serve starts the server and waits until it answers. Another process may take the free port between the look and
// the start, and the last backends of a killed server may need a moment to go: both are tried again.
func (p *programs) serve(ctx context.Context, cluster, passfile string, o Options) (*Cluster, error) {
	for attempt := 1; ; attempt++ {
		port, err := pickPort(p.dir, o.Port)
		if err != nil {
			return nil, err
		}
		c, err := p.launch(cluster, port, o)
		if err != nil {
			return nil, err
		}
		c.url = connString(port, passfile, o.Database)
		err = c.ready(ctx, connString(port, passfile, "postgres"), o.Database)
		if err == nil {
			err = keepPort(p.dir, port)
		}
		if err == nil {
			return c, nil
		}
		c.kill()
		again := o.Port == 0 && c.said.contains("Address already in use") || c.said.contains("is still in use")
		if !again || attempt == 10 {
			return nil, fmt.Errorf("%w%s", err, c.said.suffix())
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Duration(attempt) * 100 * time.Millisecond):
		}
	}
}

// launch starts the server process.
func (p *programs) launch(cluster string, port int, o Options) (*Cluster, error) {
	// The process outlives the context of Start: Close stops it.
	cmd := p.command(context.Background(), syscall.SIGINT, cluster, "postgres", append([]string{"-D", cluster}, settings(port)...)...)
	c := &Cluster{cmd: cmd, port: port, said: &tail{logger: o.Logger}, gone: make(chan struct{})}
	cmd.Stderr = c.said
	ended, err := p.start(cmd)
	if err != nil {
		return nil, err
	}
	go func() { // ends with the server, which kill and Close wait for
		c.exit = <-ended
		close(c.gone)
	}()
	return c, nil
}

// settings are the server's, given on the command line so that a new version of this program can change them for
// old clusters: a small server of few connections that loses nothing it has committed.
func settings(port int) []string {
	var args []string
	for _, s := range []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=",
		"max_connections=100",
		"shared_buffers=32MB",
		"max_wal_size=256MB",
		"fsync=on",
		"full_page_writes=on",
		"synchronous_commit=on",
		"jit=off",
		"logging_collector=off",
		"log_destination=stderr",
		"log_timezone=UTC",
		"timezone=UTC",
	} {
		args = append(args, "-c", s)
	}
	return args
}

// connString is the URL of a database. The password stays in the passfile.
func connString(port int, passfile, database string) string {
	u := url.URL{
		Scheme: "postgres",
		User:   url.User(superuser),
		Host:   "127.0.0.1:" + strconv.Itoa(port),
		Path:   "/" + database,
		// libpq does not read + as a blank, as forms do.
		RawQuery: "sslmode=disable&passfile=" + strings.ReplaceAll(url.QueryEscape(passfile), "+", "%20"),
	}
	return u.String()
}

// ready waits until the server answers at url, and makes the database when it is absent.
func (c *Cluster) ready(ctx context.Context, url, database string) error {
	for {
		// Whatever listens there when the server could not, it must not hold us up.
		attempt, cancel := context.WithTimeout(ctx, 5*time.Second)
		conn, err := pgx.Connect(attempt, url)
		cancel()
		if err == nil {
			return errors.Join(createDatabase(ctx, conn, database), conn.Close(ctx))
		}
		if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code != "57P03" { // cannot_connect_now
			return fmt.Errorf("connecting to the server: %w", err)
		}
		select {
		case <-c.gone:
			return fmt.Errorf("the server ended: %w", c.ended())
		case <-ctx.Done():
			return fmt.Errorf("waiting for the server to answer: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func createDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	var exists bool
	err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists)
	if err == nil && !exists {
		_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	}
	if err != nil {
		return fmt.Errorf("creating database %q: %w", name, err)
	}
	return nil
}

// kill ends a server that could not be used.
func (c *Cluster) kill() {
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		_ = c.cmd.Process.Signal(signal) // it may have ended by itself
		select {
		case <-c.gone:
			return
		case <-time.After(immediateStop):
		}
	}
	<-c.gone
}
