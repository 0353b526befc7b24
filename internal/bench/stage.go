package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"kslive/internal/chdb"
	"kslive/internal/pgembed"
	"kslive/internal/process"
	"kslive/internal/simulator"
)

// stage is what ingest works with, each part in a process of its own: the two
// engines, and one simulated Kuaishou and one worker after the other, each on
// databases of their own. It belongs to the benchmark's goroutine.
type stage struct {
	b          *bench
	program    process.Program
	postgres   *pgembed.Cluster
	clickhouse *chdb.Engine

	kuaishou  simulator.Client // of the present play
	simulated *process.Process
	rooms     []string // live IDs
	worker    *process.Process
	metrics   string // URL
	database  string // in both engines
	played    int
}

// patience is how long things may take on a machine that is slow or busy.
const patience = 10 * time.Minute

// openStage starts the engines. The caller must close the stage.
func (b *bench) openStage(ctx context.Context) (_ *stage, err error) {
	s := &stage{b: b}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.program, err = process.Build(ctx, b.dir); err != nil {
		return nil, err
	}
	var starting errgroup.Group
	starting.Go(func() (err error) {
		s.postgres, err = pgembed.Start(ctx, pgembed.Options{DataDir: filepath.Join(b.dir, "postgres"), Logger: b.log})
		return err
	})
	starting.Go(func() (err error) {
		s.clickhouse, err = chdb.Start(ctx, chdb.Options{DataDir: filepath.Join(b.dir, "clickhouse"), Logger: b.log})
		return err
	})
	if err := starting.Wait(); err != nil {
		return nil, err
	}
	b.engine, err = s.ask(ctx, "SELECT version()")
	return s, err
}

// close ends everything; the benchmark's folder goes with it.
func (s *stage) close() error {
	for _, p := range []*process.Process{s.worker, s.simulated} {
		if p != nil {
			p.Kill()
		}
	}
	var errs []error
	if s.clickhouse != nil {
		errs = append(errs, s.clickhouse.Close())
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.Close())
	}
	return errors.Join(errs...)
}

// play starts a simulator that pushes the corpus, with so many rooms, and a
// worker that knows of none of them yet. strike must be called.
func (s *stage) play(ctx context.Context, rooms int, secure bool, simulate, run []string) error {
	s.played++
	s.database = fmt.Sprintf("bench_%d", s.played)
	if err := s.makeDatabases(ctx); err != nil {
		return err
	}
	if err := s.simulate(ctx, rooms, secure, simulate); err != nil {
		return err
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	s.metrics = "http://" + address + "/metrics"
	s.worker, err = s.program.Start("run", append([]string{
		"run", "--data-dir", filepath.Join(s.b.dir, s.database), "--worker=bench", "--kuaishou-url", s.kuaishou.URL,
		"--postgres", onDatabase(s.postgres.URL(), s.database), "--clickhouse", onDatabase(s.clickhouse.DSN(), s.database),
		"--http-listen", address, "--page-interval=-1s", "--resolvers=livedetail", "--max-rooms", strconv.Itoa(rooms + 100), "--handover-timeout=0",
		"--log-level=warn",
	}, run...)...)
	if err != nil {
		return err
	}
	return process.Until(ctx, patience, 100*time.Millisecond, "the worker claims rooms", func() (bool, error) {
		response, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return false, s.worker.Alive()
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	})
}

// simulate starts the simulator.
func (s *stage) simulate(ctx context.Context, rooms int, secure bool, args []string) (err error) {
	const seed = 1
	all := append([]string{"simulate", "--listen=127.0.0.1:0", "--corpus", "--seed", strconv.Itoa(seed), "--rooms", strconv.Itoa(rooms)}, args...)
	certificate := filepath.Join(s.b.dir, "kuaishou.pem")
	if secure {
		all = append(all, "--tls-certificate", certificate)
	}
	if s.simulated, err = s.program.Start("simulate", all...); err != nil {
		return err
	}
	s.kuaishou, s.program.Environment, s.rooms = simulator.Client{}, nil, nil
	if s.kuaishou.URL, err = s.simulated.Setting(ctx, "INGEST_KUAISHOU_URL"); err != nil {
		return err
	}
	for i := range rooms {
		s.rooms = append(s.rooms, simulator.LiveID(seed, i))
	}
	if secure {
		trusted, err := os.ReadFile(certificate)
		if err != nil {
			return fmt.Errorf("reading the simulator's certificate: %w", err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(trusted)
		s.kuaishou.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
		s.program.Environment = []string{"SSL_CERT_FILE=" + certificate}
	}
	return nil
}

// strike ends the worker in order and the simulator at once, and drops what the
// worker has stored.
func (s *stage) strike(ctx context.Context) error {
	errs := []error{s.worker.End(ctx)}
	s.simulated.Kill()
	s.worker, s.simulated = nil, nil
	_, err := s.ask(ctx, "DROP DATABASE "+s.database+" SYNC")
	return errors.Join(append(errs, err, s.execute(ctx, "kslive", "DROP DATABASE "+s.database+" WITH (FORCE)"), os.RemoveAll(filepath.Join(s.b.dir, s.database)))...)
}

// watch has the worker watch all rooms, and waits until it hears them.
func (s *stage) watch(ctx context.Context) (took time.Duration, err error) {
	began := time.Now()
	if err := s.execute(ctx, s.database, "INSERT INTO lives (live_id) SELECT unnest($1::text[])", s.rooms); err != nil {
		return 0, err
	}
	err = process.Until(ctx, patience, 100*time.Millisecond, "every room is heard", func() (bool, error) {
		stats, err := s.kuaishou.Stats(ctx)
		return stats.Connections >= len(s.rooms), errors.Join(err, s.worker.Alive())
	})
	return time.Since(began), err
}

func (s *stage) makeDatabases(ctx context.Context) error {
	if _, err := s.ask(ctx, "CREATE DATABASE "+s.database); err != nil {
		return err
	}
	return s.execute(ctx, "kslive", "CREATE DATABASE "+s.database)
}

// execute runs a statement on a database of Postgres.
func (s *stage) execute(ctx context.Context, database, sql string, args ...any) error {
	return s.connected(ctx, database, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, sql, args...)
		return err
	})
}

// lookUp scans the one row that a query on a database of Postgres answers.
func (s *stage) lookUp(ctx context.Context, database, sql string, into ...any) error {
	return s.connected(ctx, database, func(conn *pgx.Conn) error { return conn.QueryRow(ctx, sql).Scan(into...) })
}

func (s *stage) connected(ctx context.Context, database string, use func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, onDatabase(s.postgres.URL(), database))
	if err != nil {
		return fmt.Errorf("connecting to Postgres: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := use(conn); err != nil {
		return fmt.Errorf("asking Postgres: %w", err)
	}
	return nil
}

// ask runs a statement on ClickHouse and answers what it says.
func (s *stage) ask(ctx context.Context, sql string) (string, error) {
	answer, err := ask(ctx, s.clickhouse, sql, nil, nil)
	return string(bytes.TrimSpace(answer)), err
}

// number is the one number that a query on ClickHouse answers.
func (s *stage) number(ctx context.Context, sql string) (float64, error) {
	return number(ctx, s.clickhouse, sql)
}

func number(ctx context.Context, engine *chdb.Engine, sql string) (float64, error) {
	answer, err := ask(ctx, engine, sql, nil, nil)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(string(bytes.TrimSpace(answer)), 64)
}

// onDatabase is an engine's URL with another database.
func onDatabase(engine, name string) string {
	u, err := url.Parse(engine)
	if err != nil {
		panic(err) // the packages of the engines made it
	}
	u.Path = "/" + name
	return u.String()
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// atMost and atLeast are targets, with whether they are reached.
func atMost(limit, value float64) string  { return target("at most", limit, value <= limit) }
func atLeast(limit, value float64) string { return target("at least", limit, value >= limit) }

func target(words string, limit float64, reached bool) string {
	verdict := "missed"
	if reached {
		verdict = "reached"
	}
	return fmt.Sprintf("%s %s: %s", words, figure(limit), verdict)
}
