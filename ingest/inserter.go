package ingest

import (
	"context"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"

	"kslive/schema"
)

// warehouse is where rows go. The inserts store all of their rows under the
// token or answer an error; after an error the rows may be stored all the
// same, and to call again with the same rows and token stores them once, or,
// rarely, says so: hence the two that look.
type warehouse interface {
	Insert(ctx context.Context, token string, rows schema.Rows) error
	Holds(ctx context.Context, rows schema.Rows) (bool, error)
	InsertDeadLetters(ctx context.Context, token string, letters []deadLetter) error
	HoldsLetters(ctx context.Context, letters []deadLetter) (bool, error)
}

// inserter brings rows into the warehouse, whatever that takes.
type inserter struct {
	warehouse warehouse
	metrics   *Metrics
	logger    *slog.Logger
	tables    tableRecord
}

// source is what an inserter must know of where rows are from, should they be
// refused.
type source struct {
	// complete puts their frames into the letters, and answers those that
	// dead_letters must have.
	complete func([]deadLetter) []deadLetter
	// proven says that the table is known to take such rows: the fault is in the
	// rows even when all of them are refused.
	proven bool
	// repeated says that they may have been sent before under the same token.
	repeated bool
}

// insert tries until the server has taken the rows, or those that it cannot
// take are in dead_letters. It gives up only when ctx is done.
func (i *inserter) insert(ctx context.Context, token string, rows schema.Rows, from source) error {
	return i.persist(ctx, rows.Name, func(ctx context.Context) error {
		err := i.timedInsert(ctx, token, rows, from.repeated)
		if class, _ := classOf(err); err != nil && class == classRows {
			err = i.quarantine(ctx, token, rows, from, err)
		}
		from.repeated = true
		return err
	})
}

func (i *inserter) timedInsert(ctx context.Context, token string, rows schema.Rows, repeated bool) error {
	started := time.Now()
	insert := func(token string) error { return i.warehouse.Insert(ctx, token, rows) }
	err := insert(token)
	if err == nil && repeated {
		err = i.confirm(rows.Name, token, func() (bool, error) { return i.warehouse.Holds(ctx, rows) }, insert)
	}
	if err == nil {
		i.metrics.inserted(rows, started)
		i.tables.took(rows.Name)
	}
	return err
}

// persist calls store until it answers nil or ctx is done, waiting longer
// after each failure. It logs the first failure, then one a minute.
func (i *inserter) persist(ctx context.Context, table string, store func(context.Context) error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 200 * time.Millisecond
	wait.MaxInterval = 15 * time.Second
	var logged time.Time
	for attempt := 1; ; attempt++ {
		err := store(ctx)
		if err == nil {
			if attempt > 1 {
				i.logger.Info("ClickHouse takes rows again", "table", table, "attempts", attempt)
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		class, code := classOf(err)
		i.metrics.insertErrors.WithLabelValues(string(class)).Inc()
		if time.Since(logged) > time.Minute {
			logged = time.Now()
			i.logger.Error(adviceFor(class), "table", table, "attempt", attempt, "code", code, "err", err)
		}
		if !sleep(ctx, wait.NextBackOff()) {
			return ctx.Err()
		}
	}
}

// adviceFor says in the log what an error of the class means.
func adviceFor(class insertErrorClass) string {
	switch class {
	case classOperator:
		return "ClickHouse refuses rows until somebody acts; they wait in the spool"
	case classRows:
		return "ClickHouse refuses all rows of a table, so the fault is in the table, or in a constraint or view of yours on it: see err, mend it, or run `ingest migrate`; the rows wait in the spool"
	default:
		return "ClickHouse did not take rows; they wait in the spool and are sent again"
	}
}
