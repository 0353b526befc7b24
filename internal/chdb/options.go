// Package chdb runs ClickHouse inside the application: libchdb, which is ClickHouse as a shared library, behind
// ClickHouse's own HTTP interface on loopback, so that clickhouse-go, curl and Grafana connect to it as to a server.
//
// The library is loaded with purego, without cgo, in a child process of the same binary. A crash of the engine thus takes
// neither the sockets nor the files of the application with it, and its memory, time zone (UTC) and stderr are its own.
// The parent owns the listening socket and hands it to each child, so the address survives a restart: requests that
// arrive while the engine is down wait in the socket's queue.
//
// The parent's half is [Start] and [Engine]; the child's half begins in [Child], which main calls before anything else.
// Every request gets a connection of its own to the engine, so that settings, current database and temporary tables
// cannot leak from one request to the next.
//
// What differs from a ClickHouse server: no native protocol, no sessions, no external tables, no system.*_log tables, and
// no way for SQL to reach files, programs, URLs or other servers: what the engine cannot be told to refuse the front refuses,
// and on Linux the child is confined to its folder, whatever SQL finds. Results in formats whose header or footer the engine repeats for
// each piece (JSON, Parquet, CSVWithNames...) are held in memory before they are sent, up to 256 MiB of rows.
//
// The build tag noembed leaves the engine out, since purego ties a binary to glibc.
package chdb

import "log/slog"

// LibraryEnv names the environment variable that [FindLibrary] reads.
const LibraryEnv = "INGEST_CHDB_LIBRARY"

// Options say where the engine keeps its data and who may reach it.
type Options struct {
	// DataDir holds everything the engine stores; it is created with mode 0700. One process per directory.
	DataDir string
	// Library is the path of libchdb; empty means what FindLibrary finds.
	Library string
	// Listen is the address to listen on, "127.0.0.1:0" when empty.
	Listen string
	// AllowRemote permits a Listen address outside loopback. It needs a Password.
	AllowRemote bool
	// Database is created at start if absent and is the default database of requests; "kslive" when empty.
	Database string
	// User and Password are checked on each request. User is "default" when empty.
	User, Password string
	// Grants are what User may do, as GRANT statements, instead of everything that stays within the engine. Without CREATE
	// DATABASE among them, the Database must be there.
	Grants []string
	// MaxMemory bounds the engine's memory in bytes; 0 means a quarter of the machine's (or the container's) memory.
	MaxMemory int64
	// Logger gets the engine's starts, restarts and complaints; nil discards them.
	Logger *slog.Logger
}
