// Package migrations makes and updates the tables of both databases: in
// Postgres what people and workers write about rooms, in ClickHouse one table
// for each kind of event.
//
// A migration is a file NNNNN_name.sql in postgres/ or clickhouse/, applied
// once, in the order of the numbers, and never edited after a release. A file
// in postgres/ is applied in one transaction. ClickHouse has none: there each
// statement must do no harm when it is run again (IF NOT EXISTS), stands between
// StatementBegin and StatementEnd, and the file says NO TRANSACTION. What depends
// on the server is done in Go; see searchMigration. It is written for one server;
// on a cluster it is rendered when it is run.
//
// A ClickHouse URL with the parameter cluster=NAME means all nodes of that cluster.
//
// Which were applied is kept in a table ingest_migrations in each database. A
// database that is ahead of this build is left as it is: migrations only add,
// so that workers of two versions can run side by side during an update.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:generate go run kslive/internal/schemadoc ../docs/schema.md

//go:embed postgres/*.sql clickhouse/*.sql
var files embed.FS

const (
	versionTable   = "ingest_migrations"
	connectTimeout = 5 * time.Second
)

// ErrNotApplied is in the errors of Check when the database is there and a
// migration is missing.
var ErrNotApplied = errors.New("a migration is not applied")

// Run applies what is missing in Postgres and then in ClickHouse. Many daemons
// may call it at once: one migrates, under a lock in Postgres, and the others
// wait for it, five minutes at most. With nothing missing it takes no lock.
//
// Errors are one line, say what to do and hold no password. A server that does
// not answer is given up after five seconds.
func Run(ctx context.Context, postgresURL, clickHouseDSN string, logger *slog.Logger) error {
	postgres, err := openPostgres(postgresURL)
	if err != nil {
		return err
	}
	defer postgres.Close()
	clickHouse, err := openClickHouse(clickHouseDSN)
	if err != nil {
		return err
	}
	defer clickHouse.Close()
	return upLocked(ctx, postgres, logger, postgres, clickHouse)
}

// Postgres applies what is missing in Postgres, as Run does.
func Postgres(ctx context.Context, url string, logger *slog.Logger) error {
	postgres, err := openPostgres(url)
	if err != nil {
		return err
	}
	defer postgres.Close()
	return upLocked(ctx, postgres, logger, postgres)
}

// ClickHouse applies what is missing in ClickHouse. It takes no lock: two at
// once do no harm, but do the work twice.
func ClickHouse(ctx context.Context, dsn string, logger *slog.Logger) error {
	clickHouse, err := openClickHouse(dsn)
	if err != nil {
		return err
	}
	defer clickHouse.Close()
	if _, err := clickHouse.pending(ctx); err != nil {
		return err
	}
	return clickHouse.up(ctx, logger)
}

// Check changes nothing. Its error names the first migration that is missing
// in either database and says to run `ingest migrate`.
func Check(ctx context.Context, postgresURL, clickHouseDSN string) error {
	if err := CheckPostgres(ctx, postgresURL); err != nil {
		return err
	}
	return CheckClickHouse(ctx, clickHouseDSN)
}

// CheckClickHouse is Check for ClickHouse alone.
func CheckClickHouse(ctx context.Context, dsn string) error {
	clickHouse, err := openClickHouse(dsn)
	if err != nil {
		return err
	}
	defer clickHouse.Close()
	return clickHouse.check(ctx)
}

// CheckPostgres is Check for Postgres alone.
func CheckPostgres(ctx context.Context, url string) error {
	postgres, err := openPostgres(url)
	if err != nil {
		return err
	}
	defer postgres.Close()
	return postgres.check(ctx)
}

// ParseURLs says whether URLs can be read, those of ClickHouse after that of
// Postgres. It connects to nothing; one that is empty is not looked at.
func ParseURLs(postgresURL string, clickHouseDSNs ...string) error {
	var wrong []error
	if postgresURL != "" {
		postgres, err := openPostgres(postgresURL)
		if err == nil {
			err = postgres.Close()
		}
		wrong = append(wrong, err)
	}
	for _, dsn := range clickHouseDSNs {
		if dsn == "" {
			continue
		}
		clickHouse, err := openClickHouse(dsn)
		if err == nil {
			err = clickHouse.Close()
		}
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// target is one of the two databases.
type target struct {
	name    string // with its address, for messages
	dialect goose.Dialect
	dir     string             // in files
	inGo    []*goose.Migration // those that are no file
	db      *sql.DB
	cluster *clickHouseCluster // of ClickHouse, if it is one
	// ready says whether the database has been made, and refuses one that is not as
	// it should be; nil: it has.
	ready func(context.Context) (bool, error)
	// explain turns an error of the driver into one line that says what to do.
	explain func(error) error
}

// Close ends the connections.
func (t *target) Close() error {
	err := t.db.Close()
	if t.cluster != nil {
		err = errors.Join(err, t.cluster.whole.Close())
	}
	return err
}

// provider's migrations are the files of the target, and those in Go.
func (t *target) provider() (*goose.Provider, error) {
	sub, err := fs.Sub(files, t.dir)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(t.dialect, t.db, sub, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(t.inGo...))
}

// pending are the migrations that are not applied. It only reads, unlike
// goose's own answer, which makes the version table: a daemon with --no-migrate
// need not be allowed to.
func (t *target) pending(ctx context.Context) ([]*goose.Source, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	provider, err := t.provider()
	if err != nil {
		return nil, err
	}
	if t.ready != nil {
		if made, err := t.ready(ctx); err != nil || !made {
			return provider.ListSources(), err
		}
	}
	if err := t.db.PingContext(ctx); err != nil {
		return nil, t.explain(err)
	}
	store, err := database.NewStore(t.dialect, versionTable)
	if err != nil {
		return nil, err
	}
	versions, err := store.ListMigrations(ctx, t.db)
	if err != nil && !isNoTable(err) {
		return nil, fmt.Errorf("reading table %s: %w", versionTable, t.explain(err))
	}
	applied := make(map[int64]bool, len(versions))
	for _, version := range versions {
		applied[version.Version] = version.IsApplied
	}
	var missing []*goose.Source
	for _, source := range provider.ListSources() {
		if !applied[source.Version] {
			missing = append(missing, source)
		}
	}
	return missing, nil
}

// check answers an error when a migration is missing.
func (t *target) check(ctx context.Context) error {
	missing, err := t.pending(ctx)
	if err == nil && len(missing) > 0 {
		text := fmt.Sprintf("%s: migration %d (%s) is not applied: run `ingest migrate`", t.name, missing[0].Version, path.Base(missing[0].Path))
		err = &told{text, ErrNotApplied}
	}
	return err
}

// up applies what is missing.
func (t *target) up(ctx context.Context, logger *slog.Logger) error {
	provider, err := t.provider()
	if err != nil {
		return err
	}
	if t.cluster != nil {
		if err := t.cluster.create(ctx); err != nil {
			return t.explain(err)
		}
	}
	for {
		result, err := provider.UpByOne(ctx) // one by one, since it may take long
		var partial *goose.PartialError
		switch {
		case errors.Is(err, goose.ErrNoNextVersion):
			return nil
		case errors.As(err, &partial):
			return fmt.Errorf("applying migration %s: %w", path.Base(partial.Failed.Source.Path), t.explain(partial.Err))
		case err != nil:
			return fmt.Errorf("migrating: %w", t.explain(err))
		}
		logger.Info("migration applied", "database", t.name, "migration", path.Base(result.Source.Path), "took", result.Duration)
	}
}

// told is an error in words for a person; what the driver said is behind it.
type told struct {
	text  string
	cause error
}

func (e *told) Error() string { return e.text }
func (e *told) Unwrap() error { return e.cause }
