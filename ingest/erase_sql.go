package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kslive/schema"
)

// userSQL is the condition for rows whose user is the person.
func (p *Person) userSQL(table schema.Table) string {
	conditions := []string{"user_id IN (" + list(p.userIDs(), quoted) + ")"}
	if len(p.Numbers) > 0 {
		conditions = append(conditions, "origin_user_id IN ("+list(p.Numbers, number)+")")
	}
	if slices.Contains(table.Columns, "merge_key") {
		for _, n := range p.decimals() {
			conditions = append(conditions, "startsWith(merge_key, "+quoted(n+"-")+")")
		}
	}
	return strings.Join(conditions, " OR ")
}

// aboutSQL is the condition for rows of a table that about answers true for;
// empty when there can be none.
func (p *Person) aboutSQL(table schema.Table) string {
	switch {
	case slices.Contains(table.Columns, "origin_user_id"):
		return p.userSQL(table)
	case table.Name == "rankings":
		conditions := []string{p.namedSQL("notice_text"), p.namedSQL("id"), p.namedSQL("other_fields")}
		if len(p.Names) > 0 {
			conditions = append(conditions, "display_user_name IN ("+list(p.Names, quoted)+")")
		}
		return strings.Join(conditions, " OR ")
	case table.Name == "room_events":
		return p.namedSQL("message")
	case table.Name == "undecoded" && len(p.raw()) > 0:
		return anySQL(p.raw(), func(raw []byte) string { return fmt.Sprintf("position(payload, unhex('%x')) > 0", raw) })
	}
	return ""
}

// namedSQL is named for a column.
func (p *Person) namedSQL(column string) string {
	conditions := []string{}
	for _, text := range slices.Concat(p.IDs, p.folded()) {
		conditions = append(conditions, fmt.Sprintf("position(%s, %s) > 0", column, quoted(text)))
	}
	for _, n := range p.decimals() {
		conditions = append(conditions, fmt.Sprintf("match(%s, %s)", column, quoted(numberPattern(n))))
	}
	return strings.Join(conditions, " OR ")
}

// anySQL is true when one of the conditions is.
func anySQL[T any](values []T, condition func(T) string) string {
	conditions := make([]string, 0, len(values))
	for _, value := range values {
		conditions = append(conditions, condition(value))
	}
	return strings.Join(conditions, " OR ")
}

// others are columns that are never masked: they say who somebody else is, or
// what the row is.
var others = []string{"live_id", "live_stream_id", "user_id", "user_name", "display_user_name", "head_url"}

// maskSQL are the columns of a table that can name the person, each with its
// masked form, and the condition for rows that do.
func (c *ClickHouse) maskSQL(ctx context.Context, p *Person, table schema.Table) (updates, condition string, err error) {
	var columns []string
	err = c.conn.QueryRow(ctx, `SELECT groupArray(name) FROM system.columns WHERE database = currentDatabase() AND table = ?
		AND type IN ('String', 'LowCardinality(String)') AND NOT is_in_sorting_key AND name NOT IN (?)`, table.Name, others).Scan(&columns)
	if err != nil {
		return "", "", fmt.Errorf("looking at the columns of %s: %w", table.Name, err)
	}
	var sets, conditions []string
	for _, column := range columns {
		masked, named := p.maskedSQL(column), p.inTextSQL(column)
		if column == "segments" {
			masked = fmt.Sprintf("arrayStringConcat(arrayMap((part, i) -> if(i = 2, part, %s), %s, [1, 2, 3]))", p.maskedSQL("part"), segmentParts)
			named = fmt.Sprintf("arrayExists((part, i) -> i != 2 AND (%s), %s, [1, 2, 3])", p.inTextSQL("part"), segmentParts)
		}
		sets = append(sets, column+" = "+masked)
		conditions = append(conditions, named)
	}
	return strings.Join(sets, ", "), strings.Join(conditions, " OR "), nil
}

// segmentParts are what of the column segments is before the name of the comment's
// author, that name, which is somebody else's, and what follows.
const segmentParts = `arrayResize(if(match(segments, '"textSegment":'),
	extractGroups(segments, '(?s)^(.*?"textSegment":[{](?:"text":")?)((?:[^"\\\\]|\\\\.)*)(.*)$'), [segments]), 3)`

// maskedSQL is a text with the person masked.
func (p *Person) maskedSQL(text string) string {
	for _, of := range slices.Concat(p.IDs, p.Names) {
		for _, form := range slices.Compact([]string{of, inJSON(of)}) { // as in frames, the mask is as long as the name
			text = fmt.Sprintf("replaceAll(%s, %s, %s)", text, quoted(form), quoted(asterisks(of)))
		}
	}
	for _, of := range p.folded() {
		text = fmt.Sprintf("replaceAll(%s, %s, %s)", text, quoted(of), quoted(strings.Repeat("A", len(of))))
	}
	for _, n := range p.decimals() {
		text = fmt.Sprintf(`replaceRegexpAll(%s, %s, '\\10\\2')`, text, quoted(numberPattern(n)))
	}
	return text
}

// inTextSQL is the condition for texts in which the person is.
func (p *Person) inTextSQL(text string) string {
	conditions := []string{p.namedSQL(text)}
	for _, of := range p.inTexts() {
		conditions = append(conditions, fmt.Sprintf("position(%s, %s) > 0", text, quoted(of)))
	}
	return strings.Join(conditions, " OR ")
}
