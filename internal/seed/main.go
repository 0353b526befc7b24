// Seed fills a ClickHouse with invented broadcasts: `make seed`.
//
// It is for looking at panels and for measuring queries on as many rows as you
// mean to have. The rows are as the daemon writes them: comments with their hidden
// twins of likes, gift ticks, counters, the sessions that heard them, with some
// gaps, and what the gifts cost; then it lets the rollups catch up. ClickHouse
// makes them by itself (sql/*.sql), a day at a time, so its memory does not grow
// with their number: on two cores some 10 million comments a minute.
//
// The same flags make the same rows. It refuses a database that holds comments.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"kslive/internal/chdb"
	"kslive/migrations"
)

// options are the command line.
type options struct {
	Clickhouse string `help:"The ClickHouse to fill; without it, an embedded one in --data-dir." env:"INGEST_CLICKHOUSE" placeholder:"URL"`
	DataDir    string `help:"Folder of the embedded ClickHouse, as for ingest engines." default:"data/seed" placeholder:"DIR"`

	Comments uint64 `help:"How many comments." default:"1000000"`
	Ticks    uint64 `help:"How many gift ticks." default:"50000"`
	Lives    uint32 `help:"How many rooms." default:"100"`
	Days     uint32 `help:"How many days." default:"30"`
	Users    uint64 `help:"How many people write; 0: one for 40 comments."`
	Until    string `help:"The day after the last one; default today." placeholder:"2026-11-25"`
	Seed     uint64 `help:"What all that is random follows from." default:"1"`
	Optimize bool   `help:"Merge the parts of each month, for measuring." negatable:""`
	Rollups  bool   `help:"Wait for the rollups." default:"true" negatable:""`
}

func main() {
	chdb.Child()
	var o options
	kong.Parse(&o, kong.Name("seed"), kong.Description("Fills a ClickHouse with invented broadcasts."))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, &o, slog.New(slog.NewTextHandler(os.Stderr, nil))); err != nil {
		fmt.Fprintln(os.Stderr, "seed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options, logger *slog.Logger) (err error) {
	first, err := o.complete()
	if err != nil {
		return err
	}
	dsn := o.Clickhouse
	if dsn == "" {
		engine, err := chdb.Start(ctx, chdb.Options{DataDir: filepath.Join(o.DataDir, "clickhouse"), Logger: logger})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, engine.Close()) }()
		dsn = engine.DSN()
	}
	if err := migrations.ClickHouse(ctx, dsn, logger); err != nil {
		return err
	}
	f, err := open(dsn, o, first, logger)
	if err != nil {
		return err
	}
	defer f.conn.Close()
	return f.fill(ctx)
}

// complete checks the options, fills in what is left open and answers the first day.
func (o *options) complete() (first time.Time, err error) {
	if o.Comments == 0 || o.Lives == 0 || o.Days == 0 {
		return first, errors.New("--comments, --lives and --days must be above 0")
	}
	until := time.Now().UTC().Truncate(24 * time.Hour)
	if o.Until != "" {
		if until, err = time.Parse(time.DateOnly, o.Until); err != nil {
			return first, fmt.Errorf("--until %q is no day like 2026-11-25", o.Until)
		}
	}
	if o.Users == 0 {
		o.Users = max(o.Comments/40, 100)
	}
	return until.AddDate(0, 0, -int(o.Days)), nil
}
