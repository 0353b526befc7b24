// Command schemadoc writes docs/schema.md: it makes all tables in databases of its own, and reads their comments back, so
// that what a later migration changed is told too.
//
//	go run ./internal/schemadoc docs/schema.md
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"

	"kslive/internal/chdb"
	"kslive/internal/pgembed"
	"kslive/migrations"
)

func main() {
	chdb.Child()
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemadoc FILE")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "schemadoc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) (err error) {
	dir, err := os.MkdirTemp("", "schemadoc")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // Postgres is not root, and must get through
		return err
	}
	logger := slog.New(slog.DiscardHandler)
	postgres, err := pgembed.Start(ctx, pgembed.Options{DataDir: filepath.Join(dir, "postgres"), Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Close()) }()
	clickHouse, err := chdb.Start(ctx, chdb.Options{DataDir: filepath.Join(dir, "clickhouse"), Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clickHouse.Close()) }()
	if err := migrations.Run(ctx, postgres.URL(), clickHouse.DSN(), logger); err != nil {
		return err
	}
	inClickHouse, err := readClickHouse(ctx, clickHouse.DSN())
	if err != nil {
		return err
	}
	inPostgres, err := readPostgres(ctx, postgres.URL())
	if err != nil {
		return err
	}
	return os.WriteFile(file, render(inClickHouse, inPostgres), 0o644)
}

// table is a table or view with what its comments say.
type table struct {
	name, comment, key string
	view               bool
	columns            []column
}

type column struct{ name, kind, comment string }

func readClickHouse(ctx context.Context, dsn string) ([]table, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	rows, err := conn.Query(ctx, `
		SELECT t.name, t.comment, t.sorting_key, t.engine LIKE '%View',
			arrayMap(c -> c.2, columns), arrayMap(c -> c.3, columns), arrayMap(c -> c.4, columns)
		FROM system.tables AS t LEFT JOIN (
			SELECT table, arraySort(groupArray((position, name, type, comment))) AS columns
			FROM system.columns WHERE database = currentDatabase() GROUP BY table
		) AS c ON c.table = t.name
		WHERE t.database = currentDatabase() AND NOT startsWith(t.name, '.') ORDER BY t.name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []table
	for rows.Next() {
		var (
			t                      table
			names, kinds, comments []string
		)
		if err := rows.Scan(&t.name, &t.comment, &t.key, &t.view, &names, &kinds, &comments); err != nil {
			return nil, err
		}
		t.columns = zip(names, kinds, comments)
		found = append(found, t)
	}
	return found, rows.Err()
}

func readPostgres(ctx context.Context, url string) ([]table, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `
		SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''), c.relkind = 'v',
			array_agg(a.attname::text ORDER BY a.attnum), array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum),
			array_agg(coalesce(col_description(c.oid, a.attnum), '') ORDER BY a.attnum)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v')
		GROUP BY c.oid, c.relname, c.relkind ORDER BY c.relname`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) {
		var names, kinds, comments []string
		err = row.Scan(&t.name, &t.comment, &t.view, &names, &kinds, &comments)
		t.columns = zip(names, kinds, comments)
		return t, err
	})
}

func zip(names, kinds, comments []string) []column {
	columns := make([]column, 0, len(names))
	for i := range names {
		columns = append(columns, column{names[i], kinds[i], comments[i]})
	}
	return columns
}

func render(inClickHouse, inPostgres []table) []byte {
	var b bytes.Buffer
	b.WriteString(`# Tables

Written by ` + "`make generate`" + ` from the comments of the migrations. Do not edit it: change them by a migration. Queries to begin with
are in [cookbook.md](cookbook.md).

`)
	for _, part := range []struct {
		title  string
		view   bool
		tables []table
	}{
		{"ClickHouse: views", true, inClickHouse},
		{"ClickHouse: tables", false, inClickHouse},
		{"Postgres: views", true, inPostgres},
		{"Postgres: tables", false, inPostgres},
	} {
		fmt.Fprintf(&b, "## %s\n\n", part.title)
		for _, t := range part.tables {
			if t.view == part.view {
				t.render(&b)
			}
		}
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

// render writes a table as a heading, what it is, an example if its comment ends with one, and its columns.
func (t table) render(b *bytes.Buffer) {
	about, example, _ := strings.Cut(t.comment, " Example: ")
	fmt.Fprintf(b, "### %s\n%s", t.name, strings.NewReplacer("<", "&lt;", "*", `\*`).Replace(about))
	if t.key != "" {
		fmt.Fprintf(b, " Sorted by `%s`.", t.key)
	}
	b.WriteString("\n")
	if example != "" {
		fmt.Fprintf(b, "```sql\n%s\n```\n", example)
	}
	b.WriteString("\n| column | type | |\n|---|---|---|\n")
	for _, c := range t.columns {
		fmt.Fprintf(b, "| `%s` | `%s` | %s |\n", c.name, strings.ReplaceAll(c.kind, "|", `\|`), strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(c.comment))
	}
	b.WriteString("\n")
}
