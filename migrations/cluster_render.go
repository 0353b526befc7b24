package migrations

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	// head is the beginning of all statements that render understands, and the
	// name of what they are about.
	head = regexp.MustCompile(`^\s*(?:--[^\n]*\n\s*)*(CREATE TABLE IF NOT EXISTS|CREATE VIEW IF NOT EXISTS|CREATE OR REPLACE VIEW|CREATE MATERIALIZED VIEW IF NOT EXISTS|ALTER TABLE|DROP TABLE IF EXISTS|DROP VIEW IF EXISTS) (\w+)(?:\s|$)`)
	// engineClause is the clause that becomes that of a replicated table.
	engineClause = regexp.MustCompile(`(?m)^\s*ENGINE = (|Replacing|Summing|Aggregating)MergeTree(?:\(([^()]*)\))?(?:\s|$)`)
	// intoTable is in materialized views that keep their rows in a table of ours.
	intoTable = regexp.MustCompile(`^[^(]* TO \w+ AS\s`)
	// lastSettings is the clause that ends a view's query.
	lastSettings = regexp.MustCompile(`\sSETTINGS \w+ = [^()]*$`)
	// room is the column that says of which room a row is.
	room = regexp.MustCompile(`(?m)^\s*live_id\s`)
)

const (
	// window is the setting of one server's tables that becomes replicatedWindow.
	window = "non_replicated_deduplication_window"
	// replicatedWindow begins with a week, since tokens are forgotten by age too
	// (after an hour by default), and a retry may have to wait for a server that
	// long; then follows the number of tokens, as in window.
	replicatedWindow = "replicated_deduplication_window_seconds = 604800, replicated_deduplication_window"

	// The nodes of a shard are replicas of each other; those that share a table
	// without rooms are all nodes.
	shardReplica = "'/clickhouse/tables/{shard}/{database}/%s', '{replica}'"
	nodeReplica  = "'/clickhouse/everywhere/{database}/%s', '{shard}-{replica}'"
)

// render makes of a statement for one server that for the nodes' own databases,
// and answers the name of what it is about. It refuses what it does not
// understand: run as it is, that would make a table on one node only.
func (c *clickHouseCluster) render(query string) (rendered, name string, err error) {
	at := head.FindStringSubmatchIndex(query)
	if at == nil {
		return "", "", fmt.Errorf("this statement of a migration is not known how to run on a cluster: %.80s", strings.Join(strings.Fields(query), " "))
	}
	verb, name, rest := query[at[2]:at[3]], query[at[4]:at[5]], query[at[5]:]
	switch {
	case verb == "CREATE TABLE IF NOT EXISTS":
		rest, err = replicated(name, rest)
	case strings.HasPrefix(verb, "CREATE MATERIALIZED VIEW") && !intoTable.MatchString(rest):
		err = fmt.Errorf("the materialized view %s must keep its rows in a table (TO): one of its own would be on one node only", name)
	case verb == "ALTER TABLE":
		rest = strings.ReplaceAll(rest, window, replicatedWindow)
	}
	return query[:at[5]] + c.on() + rest, name, err
}

// replicated is the definition of a table after its name with a replicated engine.
func replicated(name, definition string) (string, error) {
	found := engineClause.FindAllStringSubmatchIndex(definition, -1)
	if len(found) != 1 {
		return "", fmt.Errorf("table %s must have one line ENGINE = …MergeTree: it cannot be replicated on a cluster otherwise", name)
	}
	at, path := found[0], nodeReplica
	if room.MatchString(definition[:at[0]]) {
		path = shardReplica
	}
	arguments := fmt.Sprintf(path, name)
	end := at[3] + len("MergeTree")
	if at[4] >= 0 && at[4] < at[5] {
		arguments += ", " + definition[at[4]:at[5]]
	}
	if at[4] >= 0 {
		end = at[5] + len(")")
	}
	clause := "Replicated" + definition[at[2]:at[3]] + "MergeTree(" + arguments + ")"
	return definition[:at[2]] + clause + strings.ReplaceAll(definition[end:], window, replicatedWindow), nil
}

// over is the statement that makes what stands for the whole over a table or view
// of the nodes' own databases, after rendered was run there; empty: nothing does.
func (c *clickHouseCluster) over(name string, s shape, rendered string) string {
	table := "CREATE OR REPLACE TABLE " + name + c.on() + " AS " + identifier(c.local()) + "." + name + " ENGINE = "
	switch {
	case s.engine == "":
		return "DROP TABLE IF EXISTS " + name + c.on()
	case s.engine == "MaterializedView":
		return "" // nobody reads it; its table is read
	case s.byRoom:
		return table + fmt.Sprintf("Distributed(%s, %s, %s, cityHash64(live_id)) COMMENT %s", literal(c.name), literal(c.local()), literal(name), literal(s.comment))
	case s.engine == "View":
		return globalJoins(rendered)
	}
	// A view would be as good to read, but not with FINAL.
	return table + fmt.Sprintf("Merge(%s, %s) COMMENT %s", literal(c.local()), literal("^"+name+"$"), literal(s.comment))
}

// globalJoins lets a view look up in one Distributed table what another one has,
// on whichever shard that is.
func globalJoins(view string) string {
	const setting = "distributed_product_mode = 'global'"
	end := strings.LastIndex(view, "\nCOMMENT '")
	if end < 0 || !strings.Contains(view, " VIEW ") {
		return view
	}
	if lastSettings.MatchString(view[:end]) {
		return view[:end] + ", " + setting + view[end:]
	}
	return view[:end] + "\nSETTINGS " + setting + view[end:]
}

func literal(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func identifier(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(s) + "`"
}
