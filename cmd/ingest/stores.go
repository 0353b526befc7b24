package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"kslive/ingest"
	"kslive/internal/chdb"
	"kslive/internal/dsn"
	"kslive/internal/pgembed"
)

// engineFlags say how the embedded engines are run.
type engineFlags struct {
	DataDir          string `help:"Folder that holds everything this machine keeps: the spool and the embedded engines." default:"data" type:"path" placeholder:"DIR"`
	ChdbLibrary      string `name:"chdb-library" help:"Path of libchdb.so; default: looked for in deploy/engines and the system's library folders." type:"path" placeholder:"FILE"`
	PostgresBin      string `help:"Folder of Postgres's programs; default: looked for in PATH, /usr/lib/postgresql and deploy/engines." type:"path" placeholder:"DIR"`
	ClickhouseListen string `help:"Address of the embedded ClickHouse's HTTP interface, on this machine. Name a port when others, such as Grafana, are to find it again." default:"127.0.0.1:0" placeholder:"ADDR"`
	ClickhouseMemory int64  `help:"Memory in bytes that the embedded ClickHouse may use; 0: a share of the machine's." default:"0" placeholder:"BYTES"`
}

// storeFlags say where Postgres and ClickHouse are.
type storeFlags struct {
	Postgres          string `help:"URL of your Postgres: postgres://user:password@host/database. Put it into the environment or the config file when it holds a password." placeholder:"URL" secret:""`
	Clickhouse        string `name:"clickhouse" help:"URL of your ClickHouse: http://user:password@host:8123/database or https, or clickhouse://…:9000/database, the native protocol, over which inserting costs more CPU and memory here." placeholder:"URL" secret:""`
	ClickhouseCluster string `help:"Name of your ClickHouse cluster, as in system.clusters: the tables are then replicated and spread over its shards, by room." placeholder:"NAME"`
}

// pseudonymFlags say which pseudonyms people have in the tables.
type pseudonymFlags struct {
	PseudonymizeKeyFile string `help:"File with a secret key: people are stored under pseudonyms that are made with it. All workers need the same, from the first row on. chmod 600." type:"path" placeholder:"FILE"`
}

// key reads the key; nil when there is to be none.
func (f pseudonymFlags) key(logger *slog.Logger) (*ingest.PseudonymKey, error) {
	if f.PseudonymizeKeyFile == "" {
		return nil, nil
	}
	return ingest.ReadPseudonymKey(f.PseudonymizeKeyFile, logger)
}

// stores are the URLs of both databases. Those that the user gives are secrets;
// those of embedded engines name the files with the passwords.
type stores struct {
	Postgres   string `json:"postgres"`
	ClickHouse string `json:"clickhouse"`
}

// engines are the embedded Postgres and ClickHouse.
type engines struct {
	stores
	postgres   *pgembed.Cluster
	clickhouse *chdb.Engine
	file       string // where they are noted; empty before that
}

// startEngines starts both and notes where they are, for other commands on
// the same data folder. The caller must close them.
func startEngines(ctx context.Context, f engineFlags, logger *slog.Logger) (_ *engines, err error) {
	if err := os.MkdirAll(f.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	e := new(engines)
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	password, err := clickHousePassword(f.DataDir)
	if err != nil {
		return nil, err
	}
	// Not errgroup.WithContext: its context ends with Wait, and the engines'
	// processes must not.
	var starting errgroup.Group
	starting.Go(func() (err error) {
		e.postgres, err = pgembed.Start(ctx, pgembed.Options{DataDir: filepath.Join(f.DataDir, "postgres"), BinDir: f.PostgresBin, Logger: logger})
		return err
	})
	starting.Go(func() (err error) {
		e.clickhouse, err = chdb.Start(ctx, chdb.Options{DataDir: filepath.Join(f.DataDir, "clickhouse"), Listen: f.ClickhouseListen, Library: f.ChdbLibrary, Password: password, MaxMemory: f.ClickhouseMemory, Logger: logger})
		return err
	})
	if err := starting.Wait(); err != nil {
		return nil, err
	}
	return e, e.note(f.DataDir, password)
}

// clickHousePassword is the one that was noted at an earlier start, or a new one.
func clickHousePassword(dataDir string) (string, error) {
	noted, err := os.ReadFile(passwordFile(dataDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the embedded ClickHouse's password: %w", err)
	}
	return cmp.Or(strings.TrimSpace(string(noted)), rand.Text()), nil
}

func passwordFile(dataDir string) string { return filepath.Join(dataDir, "clickhouse.password") }

// note writes down where the engines are, and the password of ClickHouse. Nobody
// else does in this folder now, since the engines have locked it.
func (e *engines) note(dataDir, password string) error {
	passwords, err := filepath.Abs(passwordFile(dataDir))
	if err != nil {
		return fmt.Errorf("noting where the engines are: %w", err)
	}
	u, err := url.Parse(e.clickhouse.DSN())
	if err != nil {
		return dsn.ErrUnreadable // the error quotes it
	}
	u.User, u.RawQuery = url.User(u.User.Username()), url.Values{dsn.PasswordFile: {passwords}}.Encode()
	e.stores = stores{Postgres: e.postgres.URL(), ClickHouse: u.String()}
	noted, err := json.Marshal(e.stores)
	if err != nil {
		return fmt.Errorf("noting where the engines are: %w", err)
	}
	e.file = storesFile(dataDir)
	if err := errors.Join(os.WriteFile(passwords, []byte(password), 0o600), os.WriteFile(e.file, noted, 0o600)); err != nil {
		return fmt.Errorf("noting where the engines are: %w", err)
	}
	return nil
}

// failed is closed when Postgres has ended by itself. (ClickHouse is started
// again by its own supervisor.)
func (e *engines) failed() <-chan struct{} { return e.postgres.Done() }

// Close stops both.
func (e *engines) Close() error {
	var stopping errgroup.Group
	if e.clickhouse != nil {
		stopping.Go(e.clickhouse.Close)
	}
	if e.postgres != nil {
		stopping.Go(e.postgres.Close)
	}
	err := stopping.Wait()
	if e.file != "" {
		err = errors.Join(err, os.Remove(e.file))
	}
	return err
}

func storesFile(dataDir string) string { return filepath.Join(dataDir, "engines.json") }

// locate answers the databases that the flags name or, where they name none,
// the embedded ones that run on the data folder.
func (f storeFlags) locate(dataDir string) (found stores, err error) {
	found = stores{Postgres: f.Postgres, ClickHouse: f.Clickhouse}
	if f.ClickhouseCluster != "" {
		if found.ClickHouse, err = onCluster(f.Clickhouse, f.ClickhouseCluster); err != nil {
			return stores{}, err
		}
	}
	if found.Postgres != "" && found.ClickHouse != "" {
		return found, nil
	}
	noted, err := os.ReadFile(storesFile(dataDir))
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, fmt.Errorf("finding the embedded engines: %w", err)
	}
	var embedded stores
	if err := json.Unmarshal(noted, &embedded); err != nil {
		return found, fmt.Errorf("reading %s: %w", storesFile(dataDir), err)
	}
	if found.Postgres == "" {
		found.Postgres = embedded.Postgres
	}
	if found.ClickHouse == "" {
		found.ClickHouse = embedded.ClickHouse
	}
	return found, nil
}

// onCluster adds the cluster to a ClickHouse URL.
func onCluster(clickHouse, name string) (string, error) {
	if clickHouse == "" {
		return "", errors.New("--clickhouse-cluster needs --clickhouse URL (or INGEST_CLICKHOUSE), of any node of the cluster")
	}
	u, err := url.Parse(clickHouse)
	if err != nil {
		return "", dsn.ErrUnreadable
	}
	query := u.Query()
	query.Set(dsn.Cluster, name)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// requirePostgres is locate for commands that need Postgres.
func (f storeFlags) requirePostgres(dataDir string) (stores, error) {
	found, err := f.locate(dataDir)
	if err == nil && found.Postgres == "" {
		err = fmt.Errorf("no Postgres: give --postgres URL (or INGEST_POSTGRES), or start `ingest run --embedded` on the data folder %s first", dataDir)
	}
	return found, err
}

// requireClickHouse is locate for commands that need ClickHouse.
func (f storeFlags) requireClickHouse(dataDir string) (stores, error) {
	found, err := f.locate(dataDir)
	if err == nil && found.ClickHouse == "" {
		err = fmt.Errorf("no ClickHouse: give --clickhouse URL (or INGEST_CLICKHOUSE), or start `ingest engines` on the data folder %s first", dataDir)
	}
	return found, err
}

// requireBoth is locate for commands that need both databases.
func (f storeFlags) requireBoth(dataDir string) (stores, error) {
	found, err := f.requirePostgres(dataDir)
	if err == nil && found.ClickHouse == "" {
		err = fmt.Errorf("no ClickHouse: give --clickhouse URL (or INGEST_CLICKHOUSE), or --embedded for both on this machine")
	}
	return found, err
}
