package migrations

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"

	"kslive/internal/dsn"
)

// ClickHouse's error codes that are told apart here.
const (
	unknownTable         = 60
	unknownDatabase      = 81
	noElementsInConfig   = 139
	timeoutExceeded      = 159
	requiredPassword     = 194
	accessDenied         = 497
	authenticationFailed = 516
	unknownCluster       = 701
)

// ErrClickHouseAway is in errors of Run, ClickHouse and Check when ClickHouse did
// not answer, and so may do so later.
var ErrClickHouseAway = errors.New("ClickHouse does not answer")

// openClickHouse does not connect yet.
func openClickHouse(clickHouseURL string) (*target, error) {
	return openClickHouseBy(clickHouseURL, clickhouse.Connector)
}

// openClickHouseBy is openClickHouse with connections of another kind.
func openClickHouseBy(clickHouseURL string, connect func(*clickhouse.Options) driver.Connector) (*target, error) {
	options, onCluster, err := dsn.ClickHouse(clickHouseURL)
	if err != nil {
		return nil, err
	}
	options.DialTimeout = connectTimeout
	// The version table must hold a migration when the next one begins.
	options.Settings["async_insert"] = 0
	database := options.Auth.Database
	if database == "" {
		database = "default"
	}
	name := fmt.Sprintf("clickhouse at %s, database %s", strings.Join(options.Addr, ","), database)
	t := &target{
		name: name, dialect: goose.DialectClickHouse, dir: "clickhouse",
		inGo:    []*goose.Migration{searchMigration()},
		explain: func(err error) error { return explainClickHouse(name, options.Auth.Username, database, err) },
	}
	if onCluster == "" {
		t.db = sql.OpenDB(connect(options))
	} else {
		t.db, t.cluster = openCluster(options, onCluster, database, connect)
	}
	t.ready = func(ctx context.Context) (bool, error) { return t.readyClickHouse(ctx, database) }
	return t, nil
}

// readyClickHouse says whether there are tables to look at, and refuses those of
// a cluster where none was named, and the other way round.
func (t *target) readyClickHouse(ctx context.Context, database string) (bool, error) {
	if t.cluster == nil {
		return true, t.guard(ctx, t.db, database)
	}
	if err := t.guard(ctx, t.cluster.whole, database); err != nil {
		return false, err
	}
	exists, err := t.cluster.exists(ctx)
	if err != nil {
		return false, t.explain(err)
	}
	return exists, nil
}

// clickHouseCode is the server's error code, 0 when it is not the server's error.
func clickHouseCode(err error) int32 {
	var exception *clickhouse.Exception
	if errors.As(err, &exception) {
		return exception.Code
	}
	return 0
}

func explainClickHouse(name, user, database string, err error) error {
	var (
		exception *clickhouse.Exception
		netError  *net.OpError
		urlError  *url.Error
	)
	away := fmt.Errorf("%w: %w", ErrClickHouseAway, err)
	switch {
	case errors.As(err, &exception):
		message := strings.Join(strings.Fields(exception.Message), " ")
		return &told{fmt.Sprintf("%s: code %d: %s%s", name, exception.Code, message, adviceClickHouse(exception.Code, user, database)), err}
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return &told{name + ": no answer in time: check the address and that the server is up", away}
	case errors.As(err, &netError):
		return &told{fmt.Sprintf("%s: %v: check the address and that the server is up", name, netError.Err), away}
	case errors.As(err, &urlError):
		return &told{fmt.Sprintf("%s: %v", name, urlError.Err), away}
	}
	return &told{fmt.Sprintf("%s: %s", name, strings.Join(strings.Fields(err.Error()), " ")), err}
}

func adviceClickHouse(code int32, user, database string) string {
	switch code {
	case authenticationFailed, requiredPassword:
		return ": check user and password in the ClickHouse URL"
	case unknownDatabase:
		return fmt.Sprintf(": create it with CREATE DATABASE `%s`", database)
	case noElementsInConfig:
		return ": a cluster needs ZooKeeper or ClickHouse Keeper, and distributed_ddl, in the servers' configuration; see docs/cluster.md"
	case timeoutExceeded:
		return ": when a node of the cluster is away, start it, and run `ingest migrate` again"
	case unknownCluster:
		return ": --clickhouse-cluster must be one of SELECT cluster FROM system.clusters"
	case accessDenied:
		return fmt.Sprintf(": user %s needs CREATE TABLE, ALTER, INSERT and SELECT on %s.*, or let its owner run `ingest migrate`", user, database)
	}
	return ""
}
