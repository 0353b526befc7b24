package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"kslive/schema"
)

// Retention is how many days the rows of each table are kept; 0 is for ever, as
// for a table that is not in it.
type Retention map[string]int

// maxRetention is some hundred years.
const maxRetention = 36500

var retentionForm = regexp.MustCompile(`^(?:([a-z_]+)=)?(?:([0-9]{1,5})d|(forever))$`)

// ParseRetention reads words such as 90d, which is for all tables of events and
// dead_letters, and comments=30d or gifts=forever, for one. The rollups and
// coverage, which hold nobody, are kept unless they are named.
func ParseRetention(words []string) (Retention, error) {
	r := make(Retention)
	named := make(map[string]bool)
	for _, word := range words {
		match := retentionForm.FindStringSubmatch(strings.TrimSpace(word))
		if match == nil {
			return nil, fmt.Errorf("%q is not a retention: it should look like 90d, comments=30d or gifts=forever", word)
		}
		days, _ := strconv.Atoi(match[2]) // 0 for forever
		if match[3] == "" && (days < 1 || days > maxRetention) {
			return nil, fmt.Errorf("%q: days are 1 to %d", word, maxRetention)
		}
		tables := []string{match[1]}
		if match[1] == "" {
			tables = slices.DeleteFunc(personalTables(), func(table string) bool { return named[table] })
		} else if !retainable(match[1]) {
			return nil, fmt.Errorf("%q: there is no table %q whose rows can expire", word, match[1])
		}
		for _, table := range tables {
			r[table], named[table] = days, named[table] || match[1] != ""
		}
	}
	return r, nil
}

// personalTables are those that hold what people did.
func personalTables() []string {
	tables := []string{"dead_letters"}
	for _, table := range schema.Tables {
		if table.Name != coverageTable {
			tables = append(tables, table.Name)
		}
	}
	return tables
}

func retainable(table string) bool {
	return slices.Contains(append(personalTables(), coverageTable), table) || strings.HasSuffix(table, "_rollup") || strings.HasSuffix(table, "_rollup_hour")
}

// tableTTL is how a table's rows expire now.
type tableTTL struct {
	table, column string
	days          int    // 0: they do not, by what we set
	foreign       string // what somebody else set
}

// A TTL of ours is told from one that a person set by its time zone.
var (
	ttlOf       = regexp.MustCompile(`(?s) TTL (.*?)(?: SETTINGS |$)`)
	ourTTL      = regexp.MustCompile(`^toDateTime\(\w+, 'UTC'\) \+ toIntervalDay\((\d+)\)$`)
	partitionBy = regexp.MustCompile(`^toYYYYMM\((\w+)\)$`)
)

func (c *ClickHouse) ttls(ctx context.Context) (ttls []tableTTL, err error) {
	rows, err := c.conn.Query(ctx, "SELECT name, partition_key, engine_full FROM system.tables WHERE database = "+c.cluster.home()+" AND engine LIKE '%MergeTree' ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("looking how long rows are kept: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var t tableTTL
		var partition, engine string
		if err := rows.Scan(&t.table, &partition, &engine); err != nil {
			return nil, fmt.Errorf("looking how long rows are kept: %w", err)
		}
		by := partitionBy.FindStringSubmatch(partition)
		if by == nil || !retainable(t.table) {
			continue
		}
		t.column = by[1]
		if ttl := ttlOf.FindStringSubmatch(engine); ttl != nil {
			if ours := ourTTL.FindStringSubmatch(ttl[1]); ours != nil {
				t.days, _ = strconv.Atoi(ours[1])
			} else {
				t.foreign = ttl[1]
			}
		}
		ttls = append(ttls, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("looking how long rows are kept: %w", err)
	}
	return ttls, nil
}

// ApplyRetention makes the tables forget rows as r says, by ClickHouse's own TTL,
// and takes away what an earlier run set and r does not. A TTL that a person set
// stays, unless r is about that table. Nothing is altered that is as it should be.
func (c *ClickHouse) ApplyRetention(ctx context.Context, r Retention, logger *slog.Logger) error {
	ttls, err := c.ttls(ctx)
	if err != nil {
		return err
	}
	var errs []error
	found := make(map[string]bool)
	for _, t := range ttls {
		found[t.table] = true
		days, wanted := r[t.table]
		if t.foreign != "" && !wanted {
			logger.Info("the table has a TTL that a person set, which stays", "table", t.table, "ttl", t.foreign)
			continue
		}
		alter := ""
		switch {
		case days > 0 && (days != t.days || t.foreign != ""):
			alter = fmt.Sprintf("MODIFY TTL toDateTime(%s, 'UTC') + toIntervalDay(%d)", t.column, days)
		case days == 0 && (t.days > 0 || t.foreign != ""):
			alter = "REMOVE TTL"
		default:
			continue
		}
		if err := c.conn.Exec(ctx, "ALTER TABLE "+c.cluster.changed(t.table)+" "+alter); err != nil {
			errs = append(errs, fmt.Errorf("setting how long rows of %s are kept: %w", t.table, err))
			continue
		}
		logger.Info("rows are kept for another time", "table", t.table, "days", days, "before", t.days)
	}
	for table := range r {
		if !found[table] {
			errs = append(errs, fmt.Errorf("setting how long rows of %s are kept: there is no such table", table))
		}
	}
	return errors.Join(errs...)
}

// fullDays is how many days back all tables that rollups are made from still
// have their rows; 0 when they keep them for ever.
func (c *ClickHouse) fullDays(ctx context.Context) (days int, err error) {
	ttls, err := c.ttls(ctx)
	for _, t := range ttls {
		if slices.Contains(rolledUp, t.table) && t.days > 0 && (days == 0 || t.days < days) {
			days = t.days
		}
	}
	return days, err
}

// DeleteOlder deletes rows of lives that are older than each one's number of
// days, and answers from how many tables it had to. The rollups stay.
func (c *ClickHouse) DeleteOlder(ctx context.Context, lives map[string]int) (tables int, err error) {
	byDays := make(map[int][]string)
	for live, days := range lives {
		byDays[days] = append(byDays[days], live)
	}
	old := func(room, at string) string {
		var conditions []string
		for days, lives := range byDays {
			conditions = append(conditions, fmt.Sprintf("(%s IN (%s) AND %s < now() - toIntervalDay(%d))", room, list(lives, quoted), at, days))
		}
		return strings.Join(conditions, " OR ")
	}
	if len(lives) == 0 {
		return 0, nil
	}
	ctx = readSettings(ctx)
	for _, table := range personalTables() {
		these := old("live_id", "event_time")
		if table == "dead_letters" { // which are of a table, whose row they hold
			these = old("JSONExtractString(row, 'live_id')", "inserted_at")
		}
		var some uint64
		err := c.conn.QueryRow(ctx, fmt.Sprintf("SELECT count() FROM (SELECT 1 FROM %s WHERE %s LIMIT 1)", table, these)).Scan(&some)
		if err == nil && some > 0 {
			err = c.conn.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s", c.cluster.changed(table), these))
			tables++
		}
		if err != nil {
			return tables, fmt.Errorf("deleting old rows of lives from %s: %w", table, err)
		}
	}
	return tables, nil
}
