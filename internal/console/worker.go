package console

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"kslive/ingest"
)

// workerPage is how it stands with this worker and all accounts.
type workerPage struct {
	Worker   string
	Ready    bool
	Problems []problem
	Facts    []fact
	Inserts  []insertsOf
	Accounts []ingest.AccountStatus
	Rooms    int // to be looked up
	Away     string
	Log      []LogLine
}

// problem is what can be wrong, and what to do then.
type problem struct {
	What, Do string
	holds    func(situation) bool
}

type fact struct{ Name, Value string }

// insertsOf are the inserts into one table since the start.
type insertsOf struct {
	Table         string
	Rows, Inserts uint64
	Mean, LagP99  string
}

// pingTimeout bounds the wait for ClickHouse to say that it is there.
const pingTimeout = 2 * time.Second

func (c *Console) worker(w http.ResponseWriter, r *http.Request) {
	page := workerPage{Worker: c.o.Worker, Ready: c.o.Ingester.Ready(), Log: c.o.Log.Lines()}
	read, err := gather(c.o.Metrics)
	if err != nil {
		c.o.Logger.Warn("metrics could not be read for the console", "err", err)
	}
	var trouble error
	page.Accounts, page.Rooms, trouble = c.o.Lives.Accounts(r.Context())
	if trouble != nil {
		page.Away = clean(trouble.Error(), 300)
	}
	page.Facts, page.Inserts = read.facts(c.o.SpoolBytes), read.inserts()
	page.Problems = c.problems(r.Context(), read, page)
	c.show(w, r, http.StatusOK, "worker", "Worker", page)
}

// everyProblem is what can be wrong, the worst first.
var everyProblem = []problem{
	{
		"Postgres cannot be asked.", "Check that the server is up and its address. Rooms that are heard stay so for the time of a lease; nothing received is lost.",
		func(s situation) bool { return s.page.Away != "" },
	},
	{
		"ClickHouse is away.", "Check that the server is up and its address. What is heard waits in the spool and is loaded when it is back.",
		func(s situation) bool { return s.clickHouseAway },
	},
	{
		"No rooms are being claimed.", "The log below says why: Postgres is away, or the spool is nearly full.",
		func(s situation) bool { return !s.page.Ready },
	},
	{
		"The spool is nearly full.", "At 90 % of its bound rooms are closed. Bring ClickHouse back, or raise --spool-max.",
		func(s situation) bool { return s.bound > 0 && s.sums["ingest_spool_bytes"] > 0.7*float64(s.bound) },
	},
	{
		"Rows are late.", "ClickHouse takes rows too slowly, or refuses them; the log below says which.",
		func(s situation) bool { return s.sums["ingest_spool_age_seconds"] > time.Minute.Seconds() },
	},
	{
		"Segments of the spool were set aside.", "They are files ending in .bad in the spool's folder, kept for you: docs/reliability.md says how to look into them.",
		func(s situation) bool { return s.sums["ingest_spool_bad_segments"] > 0 },
	},
	{
		"ClickHouse has refused rows.", "They are in the table dead_letters with the reason and their frame. Nothing else is held up.",
		func(s situation) bool { return s.sums["ingest_dead_letters_total"] > 0 },
	},
	{
		"Rooms on air are not heard.", "They are first in the list of rooms, each with the reason.",
		func(s situation) bool { return s.sums["ingest_unheard_rooms"] > 0 },
	},
	{
		"An account is not used now.", "The reason is in the list of accounts. Log in again and save its cookies, solve the captcha in that browser, or wait until the time named.",
		func(s situation) bool {
			return slices.ContainsFunc(s.page.Accounts, func(a ingest.AccountStatus) bool { return a.State != "ok" && !a.Stale })
		},
	},
	{
		"Kuaishou sends what the decoder does not know.", "Nothing is lost: frames are kept as they came. `ingest drift` tells what it is; a newer version may decode it.",
		func(s situation) bool { return s.sums["ingest_unknown_fields_total"] > 0 },
	},
}

// situation is what problems are found by.
type situation struct {
	readings
	page           workerPage
	bound          int64 // of the spool
	clickHouseAway bool
}

// problems are those that there are now.
func (c *Console) problems(ctx context.Context, read readings, page workerPage) (found []problem) {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	now := situation{read, page, c.o.SpoolBytes, c.o.ClickHouse.Ping(ctx) != nil}
	for _, p := range everyProblem {
		if p.holds(now) {
			found = append(found, p)
		}
	}
	return found
}

// facts are the numbers of this worker.
func (m readings) facts(bound int64) []fact {
	spool := size(m.sums["ingest_spool_bytes"])
	if bound > 0 {
		spool += " / " + size(float64(bound))
	}
	number := func(name string) string { return whole(uint64(m.sums[name])) }
	return []fact{
		{"Rooms held", number("ingest_rooms")},
		{"Websockets open", number("ingest_sockets")},
		{"Messages received", number("ingest_frames_total")},
		{"Connections lost", number("ingest_reconnects_total")},
		{"Waiting in the spool", spool},
		{"Oldest that waits", span(time.Duration(m.sums["ingest_spool_age_seconds"] * float64(time.Second)))},
		{"Kept to be decoded again", size(m.sums["ingest_spool_archive_bytes"])},
		{"Rows inserted", number("ingest_rows_total")},
		{"Inserts that failed and were tried again", number("ingest_insert_errors_total")},
		{"Rows refused", number("ingest_dead_letters_total")},
	}
}

// inserts are those by table, in the order of their names.
func (m readings) inserts() []insertsOf {
	var list []insertsOf
	for _, table := range slices.Sorted(maps.Keys(m.rows)) {
		took, late := m.insertSeconds[table], m.lag[table]
		list = append(list, insertsOf{
			Table: table, Rows: uint64(m.rows[table]), Inserts: took.count,
			Mean: milliseconds(took.mean()), LagP99: milliseconds(late.quantile(0.99)),
		})
	}
	return list
}
