package ingest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// retentionPoll is how often a worker asks whether the daily deletion is due.
const retentionPoll = 10 * time.Minute

// Keeper sees to it that rows are kept no longer than they are to be.
type Keeper struct {
	Lives     *Lives
	Warehouse *ClickHouse
	// Retention is nil when the tables are not to be altered.
	Retention Retention
	Logger    *slog.Logger
}

// Run works until ctx is done. Trouble is logged and tried again.
func (k Keeper) Run(ctx context.Context) {
	applied := k.Retention == nil
	for {
		if !applied {
			err := k.Warehouse.ApplyRetention(ctx, k.Retention, k.Logger)
			if applied = err == nil; !applied && ctx.Err() == nil {
				k.Logger.Error("--retain is not in force; it is tried again", "err", err)
			}
		}
		if err := k.Daily(ctx); err != nil && ctx.Err() == nil {
			k.Logger.Error("old rows of lives with retain_days were not deleted; it is tried again", "err", err)
		}
		wait := retentionPoll
		if !applied {
			wait = time.Minute
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

// Daily deletes what lives.retain_days says, when no worker has for a day.
func (k Keeper) Daily(ctx context.Context) error {
	due, err := k.Lives.beginChore(ctx, "retention")
	if err != nil || !due {
		return err
	}
	lives, err := k.Lives.retained(ctx)
	if err == nil {
		var tables int
		if tables, err = k.Warehouse.DeleteOlder(ctx, lives); err == nil && tables > 0 {
			k.Logger.Info("old rows of lives with retain_days were deleted", "lives", len(lives), "tables", tables)
		}
	}
	if err != nil {
		return errors.Join(err, k.Lives.giveBackChore(context.WithoutCancel(ctx), "retention"))
	}
	return nil
}

// beginChore answers whether what one of all workers does once a day is this
// one's to do now.
func (l *Lives) beginChore(ctx context.Context, name string) (due bool, err error) {
	err = l.call(ctx, "looking for what is to be done once a day", func(ctx context.Context) error {
		tag, err := l.pool.Exec(ctx, `INSERT INTO chores AS c (name) VALUES ($1)
			ON CONFLICT (name) DO UPDATE SET started_at = now() WHERE c.started_at < now() - interval '1 day'`, name)
		due = err == nil && tag.RowsAffected() > 0
		return err
	})
	return due, err
}

// giveBackChore leaves to any worker what this one has begun and could not do.
func (l *Lives) giveBackChore(ctx context.Context, name string) error {
	return l.call(ctx, "giving back what is to be done once a day", func(ctx context.Context) error {
		_, err := l.pool.Exec(ctx, "UPDATE chores SET started_at = '-infinity' WHERE name = $1", name)
		return err
	})
}

// retained answers for how many days the rows of rooms are kept that say so. Of
// two rows of one room the shorter time counts.
func (l *Lives) retained(ctx context.Context) (days map[string]int, err error) {
	err = l.call(ctx, "looking how long rows are kept", func(ctx context.Context) error {
		rows, err := l.pool.Query(ctx, "SELECT live_id, retain_days FROM lives WHERE retain_days IS NOT NULL")
		if err != nil {
			return err
		}
		days = make(map[string]int)
		var text string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&text, &n}, func() error {
			live, err := ParseLiveID(text)
			if err != nil {
				l.logger.Warn("retain_days has no effect: the row names no room", "live", text, "err", err)
				return nil
			}
			if known, twice := days[live]; !twice || n < known {
				days[live] = n
			}
			return nil
		})
		return err
	})
	return days, err
}
