package ingest

import (
	"cmp"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// cluster is where the tables are when ClickHouse is more than one server: in the
// database on the connection those for the whole, and under the same names in
// <database>_local each node's own; see package migrations, which makes them. The
// zero value is one server.
type cluster struct {
	name     string // as in system.clusters
	database string
}

// onCluster is the cluster of that name, one server when it has none, as seen by
// connections on a database.
func onCluster(name, database string) cluster {
	if name == "" {
		return cluster{}
	}
	return cluster{name, cmp.Or(database, "default")}
}

// into is where rows with these columns are inserted: each to the shard of its
// room, or, in tables without rooms, to any node, since all have the same.
func (c cluster) into(table string, columns []string) string {
	if c.name == "" || slices.Contains(columns, "live_id") {
		return table
	}
	return c.local(table)
}

// changed is the table as ALTER and DELETE must name it.
func (c cluster) changed(table string) string {
	if c.name == "" {
		return table
	}
	return c.local(table) + " ON CLUSTER " + quoted(c.name)
}

func (c cluster) local(table string) string { return "`" + c.database + "_local`." + table }

// home is the database of what the server itself says about the tables.
func (c cluster) home() string {
	if c.name == "" {
		return "currentDatabase()"
	}
	return quoted(c.database + "_local")
}

// everywhere is a table of the server, system.mutations say, as all nodes have it.
func (c cluster) everywhere(system string) string {
	if c.name == "" {
		return system
	}
	return "clusterAllReplicas(" + quoted(c.name) + ", " + system + ")"
}

// inserting adds to the settings of an insert what makes the server answer only
// when each shard has its rows. (By default it answers when they are on the disk
// of the node that was asked, and sends them later.)
func (c cluster) inserting(settings clickhouse.Settings) clickhouse.Settings {
	if c.name != "" {
		settings["distributed_foreground_insert"] = 1
	}
	return settings
}
