package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"kslive/internal/dsn"
	"kslive/internal/process"
	"kslive/schema"
)

// engines are the two real databases that all scenarios of a run share. Each
// scenario has a database of its own in both.
type engines struct {
	child      *process.Process
	user       *url.Userinfo // of ClickHouse; secret
	postgres   *url.URL      // secret
	clickhouse *url.URL
}

func startEngines(ctx context.Context, p process.Program, dataDir string) (*engines, error) {
	c, err := p.Start("engines", "engines", "--no-migrate", "--data-dir", dataDir)
	if err != nil {
		return nil, err
	}
	e := &engines{child: c}
	for _, engine := range []struct {
		key string
		at  **url.URL
	}{{"INGEST_POSTGRES", &e.postgres}, {"INGEST_CLICKHOUSE", &e.clickhouse}} {
		value, err := c.Setting(ctx, engine.key)
		if err == nil {
			if *engine.at, err = url.Parse(value); err != nil {
				err = errors.New("the engines said a URL that cannot be read")
			}
		}
		if err != nil {
			c.Kill()
			return nil, err
		}
	}
	options, _, err := dsn.ClickHouse(e.clickhouse.String())
	if err != nil {
		c.Kill()
		return nil, err
	}
	e.user = url.UserPassword(options.Auth.Username, options.Auth.Password)
	return e, nil
}

// make makes the database called name in both engines.
func (e *engines) make(ctx context.Context, name string) (*databases, error) {
	d := &databases{engines: e, name: name}
	if err := d.exec(ctx, e.postgres.Path[1:], "CREATE DATABASE "+name); err != nil {
		return nil, err
	}
	_, err := d.ask(ctx, "", "CREATE DATABASE "+name)
	return d, err
}

// databases are those of one scenario, asked directly and not through the
// proxies that the workers go through.
type databases struct {
	engines *engines
	name    string
}

// postgres is the URL of the scenario's database at an address; it is a secret.
func (d *databases) postgres(address string) string { return at(d.engines.postgres, address, d.name) }

// clickhouse is the same for ClickHouse.
func (d *databases) clickhouse(address string) string {
	return at(d.engines.clickhouse, address, d.name)
}

func at(engine *url.URL, address, name string) string {
	u := *engine
	u.Host, u.Path = address, "/"+name
	return u.String()
}

// retire drops what a scenario that is over has stored, but for its coverage where
// that is still to be judged. It must not take the engine's time from those that
// follow: each minute for its rollups, and for the merges of all its parts when
// the engine has been started again.
func (d *databases) retire(ctx context.Context, judged bool) error {
	if judged {
		_, err := d.ask(ctx, "", "DROP DATABASE "+d.name+" SYNC")
		return err
	}
	views, err := d.ask(ctx, d.name, "SELECT view FROM system.view_refreshes WHERE database = currentDatabase()")
	if err != nil {
		return err
	}
	for _, view := range strings.Fields(string(views)) {
		if err := d.do(ctx, "DROP TABLE "+view); err != nil {
			return err
		}
	}
	for _, table := range schema.Tables {
		if table.Name == "coverage" {
			continue
		}
		if err := d.do(ctx, "TRUNCATE TABLE "+table.Name); err != nil {
			return err
		}
	}
	return nil
}

// execute runs a statement in the scenario's Postgres database.
func (d *databases) execute(ctx context.Context, sql string, args ...any) error {
	return d.exec(ctx, d.name, sql, args...)
}

// exec runs a statement in a database.
func (d *databases) exec(ctx context.Context, database, sql string, args ...any) error {
	return d.connect(ctx, database, func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			return fmt.Errorf("asking Postgres %.60s: %w", sql, err)
		}
		return nil
	})
}

// lookUp answers the one value that a query on Postgres has, as text.
func (d *databases) lookUp(ctx context.Context, sql string, args ...any) (value string, err error) {
	err = d.connect(ctx, d.name, func(ctx context.Context, conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, sql, args...).Scan(&value); err != nil {
			return fmt.Errorf("asking Postgres %.60s: %w", sql, err)
		}
		return nil
	})
	return value, err
}

// connect connects to a database, which may just be recovering.
func (d *databases) connect(ctx context.Context, database string, use func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var conn *pgx.Conn
	err := process.Until(ctx, askTime, time.Second, "Postgres takes connections", func() (ok bool, err error) {
		conn, err = pgx.Connect(ctx, at(d.engines.postgres, d.engines.postgres.Host, database))
		return err == nil, err
	})
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return use(ctx, conn)
}

// do runs statements in the scenario's ClickHouse database.
func (d *databases) do(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if _, err := d.ask(ctx, d.name, sql); err != nil {
			return err
		}
	}
	return nil
}

// number answers the one number that a query on ClickHouse has.
func (d *databases) number(ctx context.Context, sql string) (int, error) {
	answer, err := d.ask(ctx, d.name, sql)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(answer)))
}

// pairs answers a query on ClickHouse of two UInt64 columns.
func (d *databases) pairs(ctx context.Context, sql string) (map[uint64]uint64, error) {
	answer, err := d.ask(ctx, d.name, sql+" FORMAT RowBinary")
	if err != nil {
		return nil, err
	}
	found := make(map[uint64]uint64, len(answer)/16)
	var pair [16]byte
	for body := bufio.NewReader(bytes.NewReader(answer)); ; {
		switch _, err := io.ReadFull(body, pair[:]); {
		case errors.Is(err, io.EOF):
			return found, nil
		case err != nil:
			return nil, fmt.Errorf("reading ClickHouse's answer: %w", err)
		}
		found[binary.LittleEndian.Uint64(pair[:8])] += binary.LittleEndian.Uint64(pair[8:])
	}
}

// askTime is how long an engine may take to answer the harness.
const askTime = 3 * time.Minute

func (d *databases) ask(ctx context.Context, database, sql string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	u := url.URL{Scheme: "http", User: d.engines.user, Host: d.engines.clickhouse.Host, Path: "/", RawQuery: url.Values{"database": {database}}.Encode()}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(sql))
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse: %w", err)
	}
	request.Close = true // the engine may be stopped and killed between two questions
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("asking ClickHouse: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking ClickHouse %.60s: %.300s", sql, answer)
	}
	return answer, nil
}
