package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// PostgresFacts are what there is to know of a Postgres before it is worked with.
type PostgresFacts struct {
	Version  string
	Major    int
	ReadOnly bool
	// Ahead is by how much its clock is ahead of this machine's.
	Ahead time.Duration
	// Rooms are those to be watched, Workers those that run; -1 when the tables are
	// not there.
	Rooms, Workers int
}

// ExaminePostgres asks for the facts.
func ExaminePostgres(ctx context.Context, url string) (f PostgresFacts, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		// Its own words can hold the password, if the URL is oddly written.
		return f, errors.New("no connection to Postgres")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	f.Rooms, f.Workers = -1, -1
	asked := time.Now()
	var now time.Time
	var number int
	var tables bool
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num')::int,
		pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on', clock_timestamp(),
		to_regclass('lives') IS NOT NULL AND to_regclass('workers') IS NOT NULL`).
		Scan(&f.Version, &number, &f.ReadOnly, &now, &tables)
	if err != nil {
		return f, fmt.Errorf("examining Postgres: %w", err)
	}
	f.Major, f.Ahead = number/10_000, aheadBy(now, asked)
	if tables {
		err = conn.QueryRow(ctx, `SELECT (SELECT count(*) FROM lives WHERE enabled), (SELECT count(*) FROM workers WHERE lease_until > now())`).
			Scan(&f.Rooms, &f.Workers)
	}
	if err != nil {
		return f, fmt.Errorf("examining Postgres: %w", err)
	}
	return f, nil
}

// aheadBy is by how much another clock, read now, is ahead of ours. It was asked
// for at the time asked.
func aheadBy(theirs, asked time.Time) time.Duration {
	return theirs.Sub(asked.Add(time.Since(asked) / 2))
}

// ClickHouseFacts are what there is to know of a ClickHouse before it is worked
// with.
type ClickHouseFacts struct {
	Version      string
	Major, Minor int
	// ReadOnly is the setting of that name: above 0, nothing can be inserted.
	ReadOnly uint64
	// MaxExecutionTime bounds an insert; 0: nothing does.
	MaxExecutionTime time.Duration
	// Ahead is by how much its clock is ahead of this machine's.
	Ahead time.Duration
	// FreeBytes are those of its fullest disk, -1 where the user may not know.
	FreeBytes int64
}

// ExamineClickHouse asks for the facts.
func ExamineClickHouse(ctx context.Context, dsn string) (f ClickHouseFacts, err error) {
	c, err := OpenClickHouse(dsn, 0)
	if err != nil {
		return f, err
	}
	defer c.Close()
	// The driver makes of a deadline the very setting that is asked for.
	endless, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	ctx = endless
	asked := time.Now()
	var now time.Time
	var seconds float64
	err = c.conn.QueryRow(ctx, "SELECT version(), toUInt64(getSetting('readonly')), toFloat64(getSetting('max_execution_time')), now64(3, 'UTC')").
		Scan(&f.Version, &f.ReadOnly, &seconds, &now)
	if err != nil {
		return f, fmt.Errorf("examining ClickHouse: %w", err)
	}
	if _, err := fmt.Sscanf(f.Version, "%d.%d", &f.Major, &f.Minor); err != nil {
		return f, fmt.Errorf("examining ClickHouse: its version %q is not of the form 26.7", f.Version)
	}
	f.MaxExecutionTime, f.Ahead, f.FreeBytes = time.Duration(seconds*float64(time.Second)), aheadBy(now, asked), -1
	var free uint64
	if err := c.conn.QueryRow(ctx, "SELECT min(unreserved_space) FROM system.disks").Scan(&free); err == nil {
		f.FreeBytes = int64(min(free, 1<<62))
	}
	return f, nil
}

// Reach is how Kuaishou answered to a call by one exit.
type Reach struct {
	Exit   string
	Status int
	Took   time.Duration
	// Ahead is by how much its clock is ahead of this machine's, to about a second;
	// 0 when it does not say.
	Ahead time.Duration
	Err   error
}

// Reach calls Kuaishou's first page once by each exit, without cookies. It is
// meant for a client that does nothing else: the calls are not budgeted.
func (c *Client) Reach(ctx context.Context) (list []Reach) {
	c.accounts.mu.Lock()
	accounts := append([]*account(nil), c.accounts.list...)
	c.accounts.mu.Unlock()
	seen := make(map[string]bool)
	for _, a := range accounts {
		if !seen[a.exit.name] {
			seen[a.exit.name] = true
			list = append(list, c.reachBy(ctx, a))
		}
	}
	return list
}

func (c *Client) reachBy(ctx context.Context, a *account) Reach {
	r := Reach{Exit: a.exit.name}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.origin()+"/", nil)
	if err != nil {
		r.Err = withoutURL(err)
		return r
	}
	request.Header.Set("User-Agent", c.userAgent)
	request.Header.Set("Accept", acceptPage)
	asked := time.Now()
	response, err := a.transport.RoundTrip(request)
	if err != nil {
		r.Err = withoutURL(err)
		return r
	}
	response.Body.Close()
	r.Status, r.Took = response.StatusCode, time.Since(asked)
	if at, err := http.ParseTime(response.Header.Get("Date")); err == nil {
		r.Ahead = aheadBy(at.Add(500*time.Millisecond), asked) // it is cut to a second
	}
	return r
}
