package ingest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	defaultLease   = 30 * time.Second
	connectTimeout = 5 * time.Second
	// callTimeout bounds every call. A call that waits for a lock that a person
	// holds in a transaction left open ends with it.
	callTimeout = 10 * time.Second
)

// LivesOptions say where the lives are and who asks for them.
type LivesOptions struct {
	// URL is Postgres's, as pgx and psql take it.
	URL string
	// Worker is the name under which rooms are held. Of two workers that run at
	// the same time and have the same, Register refuses the second.
	Worker string
	// Lease is how long claims last when they are not renewed; 0 means 30 s.
	Lease  time.Duration
	Logger *slog.Logger
}

// Lives are the rows of the tables lives and live_state in Postgres: which rooms
// to watch, who holds them, and how they are. It is safe for use by many
// goroutines.
//
// A row of live_state is a slot: a live that is to be heard by several workers
// has one for each. A slot is claimed for as long as the lease of its worker lasts,
// and every claim raises its epoch. What a worker writes counts only while the slot
// has its name and epoch, so one that was taken for dead can change nothing. The
// lease is in the worker's row of workers: to renew it costs the same however many
// slots there are. All times are the database's; a worker's own clock only bounds
// how long it trusts its lease.
// A worker holds one slot of a live at most, so that a live's ID and an epoch
// name what it holds.
//
// Workers that claim must Register. From the table workers each of them computes
// by itself how many slots are its fair share; nobody decides for the others.
//
// People edit lives by hand, in transactions that may stay open. Hence nothing
// here but Release waits for another's lock on a row, and rows are always locked
// in this order: workers, lives, live_state, and there by key.
//
// Errors are one line, say what to do and hold no password.
type Lives struct {
	pool     *pgxpool.Pool
	worker   string
	instance string // made at random, tells this process from another of the same name
	lease    time.Duration
	logger   *slog.Logger
	session  atomic.Pointer[pgx.Conn] // from Register, which opens it, to Listen, which serves it
	told     atomic.Bool              // notifications come in
	releases releases
}

// Live is a claimed slot of a row of lives.
type Live struct {
	// ID is the row's number.
	ID int64
	// Text is the room as a person wrote it: a live ID or an address.
	Text string
	// Endpoint is nil when the room must be looked up. One that a person wrote
	// wrongly is there, but is not valid.
	Endpoint *Endpoint
	// Epoch is the claim's. A successor's is the one that the slot will have.
	Epoch int64
	// Habits is what is known of the room's broadcasts.
	Habits Habits
}

// OpenLives connects and checks that the tables are there. The caller must
// Close it.
func OpenLives(ctx context.Context, o LivesOptions) (*Lives, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// The error quotes the URL, with its password if that is oddly written.
		return nil, errors.New("the Postgres URL cannot be read: it should look like postgres://user:password@host:5432/database")
	}
	config.ConnConfig.ConnectTimeout = connectTimeout
	config.ConnConfig.RuntimeParams["application_name"] = "ingest " + o.Worker
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening lives: %w", err)
	}
	l := &Lives{pool: pool, worker: o.Worker, instance: rand.Text(), lease: o.Lease, logger: o.Logger}
	if l.lease <= 0 {
		l.lease = defaultLease
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	err = l.call(ctx, "opening lives", func(ctx context.Context) error {
		_, err := pool.Exec(ctx, "SELECT replicas FROM live_status, accounts, broadcasts, gift_refresh, erasures LIMIT 0")
		return err
	})
	if err != nil {
		pool.Close()
		return nil, err
	}
	return l, nil
}

// Close ends all connections. It releases no claims.
func (l *Lives) Close() {
	if conn := l.session.Swap(nil); conn != nil {
		l.hangUp(context.Background(), conn)
	}
	l.pool.Close()
}

// Lease is how long claims last when the lease is not renewed. Renew it after a third.
func (l *Lives) Lease() time.Duration { return l.lease }

// trustedUntil is until when to trust a lease that was asked for at asked: less
// than it lasts, since the database's clock may run a little faster than ours.
func (l *Lives) trustedUntil(asked time.Time) time.Time { return asked.Add(l.lease - l.lease/10) }

// call bounds a call in time and explains its error.
func (l *Lives) call(ctx context.Context, doing string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := do(ctx); err != nil {
		return fmt.Errorf("%s: %w", doing, explainPostgres(l.pool.Config().ConnConfig, err))
	}
	return nil
}

// postgresError is a driver's error in words for a person.
type postgresError struct {
	text  string
	cause error
}

func (e *postgresError) Error() string { return e.text }
func (e *postgresError) Unwrap() error { return e.cause }

// explainPostgres turns an error into one line that says what to do.
func explainPostgres(config *pgx.ConnConfig, err error) error {
	address := config.Host
	if !strings.HasPrefix(address, "/") {
		address = net.JoinHostPort(address, fmt.Sprint(config.Port))
	}
	var (
		pgError  *pgconn.PgError
		netError *net.OpError
		text     string
	)
	switch {
	case errors.As(err, &pgError):
		text = pgError.Message + advicePostgres(pgError.Code, config)
	case errors.Is(err, context.Canceled), errors.Is(err, ErrNameTaken):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		text = "no answer in time: check the address, and that no transaction was left open on lives"
	case errors.As(err, &netError):
		text = fmt.Sprintf("%v: check the address and that the server is up", netError.Err)
	default:
		text = strings.Join(strings.Fields(err.Error()), " ")
	}
	return &postgresError{fmt.Sprintf("postgres at %s, database %s: %s", address, config.Database, text), err}
}

func advicePostgres(code string, config *pgx.ConnConfig) string {
	switch code {
	case "28P01", "28000":
		return ": check user and password in the Postgres URL"
	case "3D000":
		return fmt.Sprintf(": create it with CREATE DATABASE %s, then run `ingest migrate`", pgx.Identifier{config.Database}.Sanitize())
	case "42P01", "42703", "42883":
		return ": the tables are missing or old: run `ingest migrate`"
	case "42501":
		return fmt.Sprintf(": user %s needs SELECT and UPDATE on lives, all on live_state, workers, accounts, broadcasts, gift_refresh, chores, spools, erasures and erasure_reports, and SELECT on live_status", config.User)
	}
	return ""
}
