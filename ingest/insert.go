package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"kslive/internal/dsn"
	"kslive/schema"
)

// defaultInsertTimeout is long enough for the largest batch on a busy server.
const defaultInsertTimeout = 4 * time.Minute

// ClickHouse inserts rows. It is safe for concurrent use.
type ClickHouse struct {
	conn driver.Conn
	// insertTimeout bounds one insert: a server that hangs must not hold the
	// loader for ever. What became of the insert is then unknown, and the token
	// makes it safe to ask again.
	insertTimeout time.Duration
	cluster       cluster

	overHTTP    bool
	compression *clickhouse.Compression // nil: none
	blocks      sync.Pool               // of *nativeBlock
	scratch     sync.Pool               // of *schema.Scratch

	key     *PseudonymKey // nil: none
	checked atomic.Bool   // that rows with this key may be inserted
}

// OpenClickHouse prepares connections to the server that url names, in
// clickhouse-go's form: http://user:password@host:8123/database, or
// clickhouse://host:9000/database, over which inserting costs more; with the
// parameter cluster=NAME, all nodes of that cluster (see migrations);
// password_file=PATH may stand for the password. One insert may take insertTimeout,
// 4 minutes when that is 0. It does not connect yet.
func OpenClickHouse(url string, insertTimeout time.Duration) (*ClickHouse, error) {
	options, cluster, err := dsn.ClickHouse(url)
	if err != nil {
		return nil, err
	}
	if options.Compression == nil && !onLoopback(options.Addr) {
		options.Compression = &clickhouse.Compression{Method: clickhouse.CompressionLZ4}
	}
	options.ClientInfo.Products = append(options.ClientInfo.Products, struct{ Name, Version string }{"ingest", "1"})
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("opening ClickHouse: %w", err)
	}
	return &ClickHouse{
		conn: conn, insertTimeout: cmp.Or(insertTimeout, defaultInsertTimeout), cluster: onCluster(cluster, options.Auth.Database),
		overHTTP: options.Protocol == clickhouse.HTTP, compression: options.Compression,
	}, nil
}

// onLoopback says whether all addresses are this machine's: compression then
// costs more than it saves.
func onLoopback(addresses []string) bool {
	return !slices.ContainsFunc(addresses, func(address string) bool {
		host, _, err := net.SplitHostPort(address)
		return err != nil || host != "localhost" && !net.ParseIP(host).IsLoopback()
	})
}

// Ping asks the server whether it is there.
func (c *ClickHouse) Ping(ctx context.Context) error { return c.conn.Ping(ctx) }

// Close closes the connections.
func (c *ClickHouse) Close() error { return c.conn.Close() }

// errFilling is why rows were not sent: the table has columns that do not take
// what is put into them, whatever the row.
var errFilling = errors.New("filling")

// Insert stores the rows as one block under the token. When it answers an
// error they may be stored all the same; to call it again with the same rows
// and token stores them once, for as long as the table's
// non_replicated_deduplication_window reaches back. On a cluster they are a block
// for each shard, and replicated_deduplication_window is what counts.
func (c *ClickHouse) Insert(ctx context.Context, token string, rows schema.Rows) error {
	ctx, cancel := context.WithTimeout(ctx, c.insertTimeout)
	defer cancel()
	if err := c.checkOnce(ctx); err != nil {
		return err
	}
	if c.overHTTP {
		return c.insertNative(ctx, token, rows)
	}
	return c.insertBatch(ctx, token, rows.Name, rows.Columns, func(batch driver.Batch) error {
		scratch, _ := c.scratch.Get().(*schema.Scratch)
		scratch = cmp.Or(scratch, new(schema.Scratch))
		defer c.scratch.Put(scratch)
		for i := range rows.Columns {
			if err := batch.Column(i).Append(rows.Column(i, scratch)); err != nil { // copies it
				return err
			}
		}
		return nil
	})
}

// deadLetter is a row that ClickHouse refused.
type deadLetter struct {
	table  string
	token  string // of the insert that was refused
	offset int64  // of its frame in the segment
	code   int32
	err    string
	row    string // JSON
	frame  []byte // the spool's record
}

// InsertDeadLetters stores refused rows, with the promise of Insert.
func (c *ClickHouse) InsertDeadLetters(ctx context.Context, token string, letters []deadLetter) error {
	ctx, cancel := context.WithTimeout(ctx, c.insertTimeout)
	defer cancel()
	columns := []string{"table_name", "token", "frame_offset", "error_code", "error", "row", "frame"}
	return c.insertBatch(ctx, token, "dead_letters", columns, func(batch driver.Batch) error {
		for _, l := range letters {
			if err := batch.Append(l.table, l.token, l.offset, l.code, l.err, l.row, l.frame); err != nil {
				return err
			}
		}
		return nil
	})
}

// insertBatch sends what fill fills a batch with.
func (c *ClickHouse) insertBatch(ctx context.Context, token, table string, columns []string, fill func(driver.Batch) error) error {
	batch, err := c.conn.PrepareBatch(clickhouse.Context(ctx, clickhouse.WithSettings(c.inserting(token))), c.statement(table, columns))
	if err != nil {
		return fmt.Errorf("preparing the insert into %s: %w", table, err)
	}
	defer batch.Close()
	if err := fill(batch); err != nil {
		return fmt.Errorf("%w %s: %w", errFilling, table, err)
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("inserting into %s: %w", table, err)
	}
	return nil
}

// statement is the INSERT, without what is inserted.
func (c *ClickHouse) statement(table string, columns []string) string {
	return "INSERT INTO " + c.cluster.into(table, columns) + " (" + strings.Join(columns, ", ") + ")"
}

// inserting are the settings of an insert under a token.
func (c *ClickHouse) inserting(token string) clickhouse.Settings {
	return c.cluster.inserting(clickhouse.Settings{
		"insert_deduplication_token": token,
		"insert_deduplicate":         1,
		// On by default since 26.3; we batch ourselves.
		"async_insert": 0,
	})
}
