package ingest

import (
	"bytes"
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/clickhouse-go/v2"

	"kslive/schema"
)

// nativeBlock is the body of an insert over HTTP, and the memory for the next one's.
type nativeBlock struct {
	plain      []byte
	compressor *compress.Writer // nil: the driver compresses, or nobody
}

func newNativeBlock(compression *clickhouse.Compression) *nativeBlock {
	b := new(nativeBlock)
	if compression == nil {
		return b
	}
	switch compression.Method {
	case clickhouse.CompressionLZ4:
		b.compressor = compress.NewWriter(compress.LevelZero, compress.LZ4)
	case clickhouse.CompressionLZ4HC:
		b.compressor = compress.NewWriter(compress.Level(compression.Level), compress.LZ4HC)
	case clickhouse.CompressionZSTD:
		b.compressor = compress.NewWriter(compress.LevelZero, compress.ZSTD)
	}
	return b
}

// encode answers the rows as they are sent, valid until the next encode.
func (b *nativeBlock) encode(rows schema.Rows) ([]byte, error) {
	b.plain = rows.AppendNative(b.plain[:0])
	if b.compressor == nil {
		return b.plain, nil
	}
	err := b.compressor.Compress(b.plain)
	return b.compressor.Data, err
}

// insertNative sends the rows as one block that we encode ourselves. The driver's
// columns are made anew for each insert and grow as they are filled: with 10,000
// rooms that was 85 % of this process's garbage, and it is two thirds of what an
// insert costs it.
func (c *ClickHouse) insertNative(ctx context.Context, token string, rows schema.Rows) error {
	block, _ := c.blocks.Get().(*nativeBlock)
	if block == nil {
		block = newNativeBlock(c.compression)
	}
	body, err := block.encode(rows)
	if err != nil {
		return fmt.Errorf("compressing what is inserted into %s: %w", rows.Name, err)
	}
	settings := c.inserting(token)
	if block.compressor != nil {
		settings["decompress"] = 1 // the body is in ClickHouse's own frames
	}
	statement := c.statement(rows.Name, rows.Columns)
	if err := c.conn.InsertFormat(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), "Native", statement, bytes.NewReader(body)); err != nil {
		return fmt.Errorf("inserting into %s: %w", rows.Name, err) // the body may still be read
	}
	c.blocks.Put(block)
	return nil
}
