package migrations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// lockID is the key of the advisory lock under which a database is migrated.
// Any number that no other program uses will do; this is "ingest" in ASCII.
const lockID = 0x696e67657374

// openPostgres does not connect yet.
func openPostgres(url string) (*target, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// The error quotes the URL, with its password if that is oddly written.
		return nil, &told{"the Postgres URL cannot be read: it should look like postgres://user:password@host:5432/database", err}
	}
	config.ConnectTimeout = connectTimeout
	name := fmt.Sprintf("postgres at %s, database %s", hostPort(config), config.Database)
	return &target{
		name: name, dialect: goose.DialectPostgres, dir: "postgres", db: stdlib.OpenDB(*config),
		explain: func(err error) error { return explainPostgres(name, config, err) },
	}, nil
}

func hostPort(config *pgx.ConnConfig) string {
	if strings.HasPrefix(config.Host, "/") {
		return config.Host
	}
	return net.JoinHostPort(config.Host, fmt.Sprint(config.Port))
}

// upLocked brings targets up to date, one daemon at a time: the lock is the
// session's, so it ends with the daemon, however that ends.
func upLocked(ctx context.Context, postgres *target, logger *slog.Logger, targets ...*target) (err error) {
	missing := 0
	for _, target := range targets {
		sources, err := target.pending(ctx)
		if err != nil {
			return err
		}
		missing += len(sources)
	}
	if missing == 0 {
		return nil
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID), lock.WithLockTimeout(1, 300))
	if err != nil {
		return err
	}
	conn, err := postgres.db.Conn(ctx)
	if err != nil {
		return postgres.explain(err)
	}
	defer conn.Close()
	if err := locker.SessionLock(ctx, conn); err != nil {
		return fmt.Errorf("waiting for another process to migrate: %w", postgres.explain(err))
	}
	defer func() {
		unlocked := locker.SessionUnlock(context.WithoutCancel(ctx), conn)
		if err == nil && unlocked != nil {
			err = fmt.Errorf("ending the lock for migrations: %w", postgres.explain(unlocked))
		}
	}()
	for _, target := range targets {
		if err := target.up(ctx, logger); err != nil {
			return err
		}
	}
	return nil
}

// isNoTable says whether the server answered that there is no such table.
func isNoTable(err error) bool {
	var pgError *pgconn.PgError
	return errors.As(err, &pgError) && pgError.Code == "42P01" || clickHouseCode(err) == unknownTable
}

func explainPostgres(name string, config *pgx.ConnConfig, err error) error {
	var (
		pgError  *pgconn.PgError
		netError *net.OpError
		noName   *net.DNSError
	)
	switch {
	case errors.As(err, &noName) && noName.IsNotFound:
		return &told{name + ": there is no such host: check the address", err}
	case errors.As(err, &pgError):
		return &told{fmt.Sprintf("%s: %s%s", name, pgError.Message, advicePostgres(pgError.Code, config)), err}
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return &told{name + ": no answer in time: check the address and that the server is up", err}
	case errors.As(err, &netError):
		return &told{fmt.Sprintf("%s: %v: check the address and that the server is up", name, netError.Err), err}
	}
	return &told{fmt.Sprintf("%s: %s", name, strings.Join(strings.Fields(err.Error()), " ")), err}
}

func advicePostgres(code string, config *pgx.ConnConfig) string {
	switch code {
	case "28P01", "28000":
		return ": check user and password in the Postgres URL"
	case "3D000":
		return fmt.Sprintf(": create it with CREATE DATABASE %s", pgx.Identifier{config.Database}.Sanitize())
	case "42501":
		return fmt.Sprintf(": user %s needs CREATE on the schema, or let the owner run `ingest migrate`", config.User)
	}
	return ""
}
