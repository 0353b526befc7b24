package main

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"kslive/internal/dsn"
)

//go:embed sql/*.sql
var statements embed.FS

// ofEachDay are the statements that insert a day's rows. That of likes reads the
// comments.
var ofEachDay = []string{"comments", "likes", "gifts", "room_stats"}

// filled are the tables that hold rows afterwards.
var filled = append([]string{"coverage", "gift_catalogue"}, ofEachDay...)

// rollups by the view that keeps each.
var rollups = []string{"comments_rollup", "gifts_rollup", "watching_rollup", "comments_rollup_hour", "gifts_rollup_hour", "watching_rollup_hour"}

// filler fills one database.
type filler struct {
	conn       driver.Conn
	options    *options
	parameters clickhouse.Parameters // of the statements
	logger     *slog.Logger
}

func open(clickHouseURL string, o *options, first time.Time, logger *slog.Logger) (*filler, error) {
	settings, _, err := dsn.ClickHouse(clickHouseURL)
	if err != nil {
		return nil, err
	}
	settings.ReadTimeout = time.Hour // a day's rows, or a merge
	conn, err := clickhouse.Open(settings)
	if err != nil {
		return nil, fmt.Errorf("opening ClickHouse: %w", err)
	}
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	parameters := clickhouse.Parameters{
		"seed": number(o.Seed), "comments": number(o.Comments), "ticks": number(o.Ticks), "users": number(o.Users),
		"lives": number(uint64(o.Lives)), "days": number(uint64(o.Days)), "first": first.Format(time.DateOnly),
	}
	for name, list := range words {
		parameters[name] = "['" + strings.Join(list, "','") + "']"
	}
	var ids, prices []string
	for _, gift := range catalogue {
		ids, prices = append(ids, number(uint64(gift.id))), append(prices, number(uint64(gift.price)))
	}
	parameters["gift_ids"], parameters["gift_prices"] = "["+strings.Join(ids, ",")+"]", "["+strings.Join(prices, ",")+"]"
	return &filler{conn, o, parameters, logger}, nil
}

// fill inserts everything. When it is cut short, the database is to be made anew.
func (f *filler) fill(ctx context.Context) error {
	var there uint64
	if err := f.conn.QueryRow(ctx, "SELECT count() FROM comments").Scan(&there); err != nil {
		return fmt.Errorf("looking at comments: %w", err)
	}
	if there > 0 {
		return fmt.Errorf("there are %d comments already: give it an empty database, or another --data-dir", there)
	}
	// The rows say that they were inserted when they were received, which rollups
	// that have looked already would not see.
	if err := f.views(ctx, "STOP"); err != nil {
		return err
	}
	if err := f.insert(ctx); err != nil {
		return err
	}
	if f.options.Optimize {
		for _, table := range filled {
			if err := f.exec(ctx, "OPTIMIZE TABLE "+table+" FINAL"); err != nil {
				return err
			}
		}
	}
	if err := f.views(ctx, "START"); err != nil {
		return err
	}
	if !f.options.Rollups {
		return nil
	}
	for _, rollup := range rollups {
		if err := f.catchUp(ctx, rollup); err != nil {
			return err
		}
	}
	return nil
}

// insert makes the plan, inserts the rows of each day and drops the plan.
func (f *filler) insert(ctx context.Context) error {
	began := time.Now()
	for _, name := range []string{"broadcasts", "coverage", "gift_catalogue"} {
		if err := f.run(ctx, name, 0); err != nil {
			return err
		}
	}
	// A broadcast may end on the day after.
	for day := range f.options.Days + 1 {
		for _, name := range ofEachDay {
			if err := f.run(ctx, name, day); err != nil {
				return err
			}
		}
		if day%10 == 9 || day == f.options.Days {
			f.logger.Info("filled", "days", day+1, "of", f.options.Days, "took", time.Since(began).Round(time.Second))
		}
	}
	return f.exec(ctx, "DROP TABLE seed_broadcasts")
}

// run runs one of the statements.
func (f *filler) run(ctx context.Context, name string, day uint32) error {
	sql, err := statements.ReadFile("sql/" + name + ".sql")
	if err != nil {
		return err
	}
	parameters := clickhouse.Parameters{"day": strconv.FormatUint(uint64(day), 10)}
	for parameter, value := range f.parameters {
		if strings.Contains(string(sql), "{"+parameter+":") {
			parameters[parameter] = value
		}
	}
	if err := f.conn.Exec(clickhouse.Context(ctx, clickhouse.WithParameters(parameters)), string(sql)); err != nil {
		return fmt.Errorf("filling %s: %w", name, err)
	}
	return nil
}

func (f *filler) exec(ctx context.Context, sql string) error {
	if err := f.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}

// views stops or starts those that keep the rollups.
func (f *filler) views(ctx context.Context, act string) error {
	for _, rollup := range rollups {
		if err := f.exec(ctx, "SYSTEM "+act+" VIEW "+rollup+"_refresh"); err != nil {
			return err
		}
	}
	return nil
}

// catchUp refreshes a rollup, part by part, until it has seen everything: a
// refresh that has says its own time.
func (f *filler) catchUp(ctx context.Context, rollup string) error {
	began := time.Now()
	for seen := (time.Time{}); seen.Before(began); {
		for _, act := range []string{"REFRESH", "WAIT"} {
			if err := f.exec(ctx, "SYSTEM "+act+" VIEW "+rollup+"_refresh"); err != nil {
				return err
			}
		}
		before := seen
		if err := f.conn.QueryRow(ctx, "SELECT max(seen_until) FROM "+rollup).Scan(&seen); err != nil {
			return fmt.Errorf("reading %s: %w", rollup, err)
		}
		if !seen.After(before) {
			return nil // there is nothing to roll up
		}
	}
	f.logger.Info("rolled up", "table", rollup, "took", time.Since(began).Round(time.Millisecond))
	return nil
}
