package migrations

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// On a cluster the statements of the migrations are run in a database of their
// own, <database>_local, on every node: there each shard has the tables and views
// of one server, with its own rooms. Over them, in the database that people and
// workers use, stands something of the same name for the whole:
//
//   - a table or view whose rows are of one room (it has live_id): a Distributed
//     table, sharded by the room. A view is thus computed where its rows are.
//   - any other view: the same view again, over the whole.
//   - any other table is on every node in full, and read there.
//
// So no name in any statement needs to be changed; what changes is in render.
type clickHouseCluster struct {
	name     string // as in system.clusters
	database string
	whole    *sql.DB // of database
}

const localSuffix = "_local"

// openCluster opens both databases through connect; the first renders what is
// executed.
func openCluster(options *clickhouse.Options, name, database string, connect func(*clickhouse.Options) driver.Connector) (*sql.DB, *clickHouseCluster) {
	c := &clickHouseCluster{name: name, database: database, whole: sql.OpenDB(connect(options))}
	local := *options
	local.Auth.Database = c.local()
	return sql.OpenDB(clusterConnector{connect(&local), c}), c
}

func (c *clickHouseCluster) local() string { return c.database + localSuffix }

// on is the clause that makes a statement one of all nodes.
func (c *clickHouseCluster) on() string { return " ON CLUSTER " + literal(c.name) }

// exists says whether the nodes' own database is there.
func (c *clickHouseCluster) exists(ctx context.Context) (exists bool, err error) {
	err = c.whole.QueryRowContext(ctx, "SELECT count() > 0 FROM system.databases WHERE name = "+literal(c.local())).Scan(&exists)
	return exists, err
}

// create makes both databases on all nodes.
func (c *clickHouseCluster) create(ctx context.Context) error {
	for _, database := range []string{c.database, c.local()} {
		if _, err := c.whole.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+identifier(database)+c.on()); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a statement on the nodes' own database, by way of conn, and then
// makes what stands over it.
func (c *clickHouseCluster) exec(ctx context.Context, conn driver.ExecerContext, query string, args []driver.NamedValue) (driver.Result, error) {
	if strings.HasPrefix(query, "INSERT INTO "+versionTable+" ") {
		return conn.ExecContext(ctx, query, args)
	}
	rendered, name, err := c.render(query)
	if err != nil {
		return nil, err
	}
	result, err := conn.ExecContext(ctx, rendered, args)
	if err != nil {
		return nil, err
	}
	shape, err := c.shape(ctx, name)
	if err != nil {
		return nil, err
	}
	if over := c.over(name, shape, rendered); over != "" {
		_, err = c.whole.ExecContext(ctx, over)
	}
	return result, err
}

// shape is what must be known of a table or view of the nodes' own database.
type shape struct {
	engine  string // empty: there is none
	byRoom  bool   // it has live_id
	comment string
}

func (c *clickHouseCluster) shape(ctx context.Context, name string) (s shape, err error) {
	query := fmt.Sprintf(`SELECT engine, name IN (SELECT table FROM system.columns WHERE database = %s AND name = 'live_id'), comment
		FROM system.tables WHERE database = %[1]s AND name = %s`, literal(c.local()), literal(name))
	err = c.whole.QueryRowContext(ctx, query).Scan(&s.engine, &s.byRoom, &s.comment)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return s, err
}

// guard refuses tables that were made in the other way: they would be replaced,
// or written to as if they were of one server.
func (t *target) guard(ctx context.Context, whole *sql.DB, database string) error {
	var engine string
	err := whole.QueryRowContext(ctx, fmt.Sprintf("SELECT engine FROM system.tables WHERE database = %s AND name = %s", literal(database), literal(versionTable))).Scan(&engine)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return t.explain(err)
	case t.cluster == nil && engine == "Merge":
		return fmt.Errorf("%s: its tables are those of a cluster: name it with --clickhouse-cluster (INGEST_CLICKHOUSE_CLUSTER)", t.name)
	case t.cluster != nil && strings.HasSuffix(engine, "MergeTree"):
		return fmt.Errorf("%s: its tables are those of one server, and stay as they are: name another database in the ClickHouse URL for those of the cluster, and bring the rows over as docs/cluster.md says", t.name)
	}
	return nil
}

// clusterConnector makes connections that render what is executed, whoever
// executes it: goose, or a migration in Go.
type clusterConnector struct {
	driver.Connector
	cluster *clickHouseCluster
}

func (c clusterConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	able, ok := conn.(clickHouseConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("the ClickHouse driver's connection, %T, lacks a method", conn), conn.Close())
	}
	return clusterConn{able, c.cluster}, nil
}

// clickHouseConn is what the driver's connections can do.
type clickHouseConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
}

type clusterConn struct {
	clickHouseConn
	cluster *clickHouseCluster
}

func (c clusterConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return c.cluster.exec(ctx, c.clickHouseConn, query, args)
}
