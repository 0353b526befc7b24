package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"

	"kslive/ingest"
)

// maxSQL bounds a query in bytes.
const maxSQL = 1 << 20

type queryCommand struct {
	engineFlags
	storeFlags
	httpFlags
	Format string `help:"table; csv, with a line of names; json, a line a row. A FORMAT clause in the query is stronger." enum:"table,csv,json" default:"table" env:"-"`
	Write  bool   `help:"Allow the query to change something." env:"-"`
	SQL    string `arg:"" optional:"" name:"sql" help:"The query. Left out, or -: read from standard input."`
}

// Help is what `ingest query --help` adds.
func (c *queryCommand) Help() string {
	return `The views ending in _unique count each event once; README.md and SHOW TABLES name the others.

    ingest query "SELECT user_name, content FROM comments_unique ORDER BY event_time DESC LIMIT 5"
    ingest query --format csv < report.sql > report.csv

Ctrl-C cancels the query on the server as well.`
}

// Run asks, and prints the answer as it comes.
func (c *queryCommand) Run(p *process) error {
	sql, err := c.read(p)
	if err != nil {
		return err
	}
	found, err := c.requireClickHouse(c.DataDir)
	if err != nil {
		return err
	}
	dsn := found.ClickHouse
	if c.HTTP != "" {
		dsn = c.HTTP
	}
	querier, err := ingest.OpenQuerier(dsn)
	if err != nil {
		return err
	}
	defer querier.Close()
	var out io.WriteCloser = unclosed{p.stdout}
	if isTerminal(p.stdout) {
		out = transform.NewWriter(p.stdout, runes.Remove(runes.Predicate(obeyed)))
	}
	format := map[string]string{"table": "PrettyCompact", "csv": "CSVWithNames", "json": "JSONEachRow"}[c.Format]
	err = querier.Query(p.taking, ingest.Question{SQL: sql, Format: format, Write: c.Write}, out)
	switch {
	case p.taking.Err() != nil:
		return exitError{exitFailed, "stopped"}
	case errors.Is(err, ingest.ErrReadOnly):
		return fmt.Errorf("%w: --write allows it", err)
	case err != nil:
		return err
	}
	return out.Close()
}

// read reads the query.
func (c *queryCommand) read(p *process) (string, error) {
	sql := c.SQL
	if sql == "" && isTerminal(p.stdin) {
		return "", exitError{exitUsage, `no query: give it in quotes, such as ingest query "SELECT count() FROM comments"`}
	}
	if sql == "" || sql == "-" {
		text, err := io.ReadAll(io.LimitReader(p.stdin, maxSQL+1))
		if err != nil {
			return "", fmt.Errorf("reading the query: %w", err)
		}
		sql = string(text)
	}
	if len(sql) > maxSQL {
		return "", exitError{exitUsage, fmt.Sprintf("the query is larger than %d bytes", maxSQL)}
	}
	if strings.TrimSpace(sql) == "" {
		return "", exitError{exitUsage, "the query is empty"}
	}
	return sql, nil
}

// obeyed says of a character whether a terminal would do something at it, other
// than to begin a line or go to the next column.
func obeyed(r rune) bool {
	return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0
}

// unclosed is a writer that stays open.
type unclosed struct{ io.Writer }

func (unclosed) Close() error { return nil }
